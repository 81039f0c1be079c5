"""The gate's decision: a pure function from evidence, policy and trust to what may happen without a person.

What it must never do is in its tests as properties: no input whatever lets a first phase approve anything, a worse
finding never permits more, and neither does a stricter policy.
"""

from collections.abc import Iterator

from activities.gate.facts import GateFacts
from activities.gate.risk import assess
from activities.gate.specification import gaps
from workflows.models.evidence import Severity
from workflows.models.gate import ApprovalNeeds, Permit, Risk, RiskTier, Verdict

VERSION = "1"
"""Of these rules: another number whenever the same facts may give another verdict."""
_MOST_REASONS = 50


def decide(facts: GateFacts, head: str, evidence_hash: str) -> Verdict:
    """The verdict about one head with one evidence. Whatever policy declines falls back to a person."""
    risk = assess(facts)
    phase = min(facts.earned, facts.policy.gate.phase)
    against_approving = tuple(_against_approving(facts, risk, phase))
    against_merging = () if against_approving else tuple(_against_merging(facts, phase))
    if against_approving:
        permits = Permit.PERSON
    elif against_merging:
        permits = Permit.APPROVE
    else:
        permits = Permit.MERGE
    count = facts.policy.gate.approvals.get(risk.tier, 1)
    return Verdict(
        permits=permits,
        earned=facts.earned,
        phase=phase,
        trust_epoch=facts.trust_epoch,
        risk=risk,
        reasons=(*against_approving, *against_merging)[:_MOST_REASONS],
        needs=ApprovalNeeds(count=max(1, count), owned=facts.owned),
        head=head,
        evidence_hash=evidence_hash,
        policy_hash=facts.policy.hash,
        version=VERSION,
    )


def _against_approving(facts: GateFacts, risk: Risk, phase: int) -> Iterator[str]:
    rules, kind = facts.policy.gate, facts.task.task_type
    if phase < 2:
        limit = (
            "policy allows no more here (`phase` below [gate]; `journeyman trust --repo` names the file)"
            if rules.phase < 2
            else f"{kind} tasks have earned no more here"
        )
        yield f"phase 1: {limit}, so a person approves and a person merges"
    if risk.tier is not RiskTier.LOW:
        yield f"its risk is {risk.tier}, and policy approves only what is low"
    if not facts.policy.checks:
        yield "no checks are known for this repository"
    if not facts.checks_pass:
        yield "not every check passes on the patch, and on it with base's tests"
    asking = sorted({each.rule for each in facts.findings if each.severity is not Severity.NOTE})
    if asking:
        yield f"findings that a person has to look at: {', '.join(asking[:10])}"
    # Code under test can forge what its checks say, so their word is not enough.
    if not (facts.policy.scope or facts.policy.task_type_scope):
        yield f"no paths are stated that {kind} tasks may touch: `scope` in .journeyman/team.toml"
    if facts.lines > rules.most_lines:
        yield f"{facts.lines} lines are changed, and policy approves at most {rules.most_lines}"
    if len(facts.paths) > rules.most_files:
        yield f"{len(facts.paths)} files are changed, and policy approves at most {rules.most_files}"
    if facts.binaries:
        yield "binary files are changed, which no check reads"
    if facts.owned:
        yield "its paths have owners who have to approve"


def _against_merging(facts: GateFacts, phase: int) -> Iterator[str]:
    if phase < 3:
        yield "phase 2: policy approves, and a person merges"
    for gap in gaps(facts):
        yield f"not well specified: {gap}"
