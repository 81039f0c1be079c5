"""A merge needs an admitted task, evidence that a host attested and decisions that hold, whatever the order says.

A revert needs the merge that was made.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.decisions.admissions import ADMISSION, Admissions
from activities.decisions.attested import EVIDENCE, WORKER, Attested, AttestedMerge, AttestedPatch, UsedDecision
from activities.decisions.authority import Authority
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.refused import ActionRefused
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import DecisionSigner, DecisionVerifier
from activities.decisions.withdrawals import Withdrawals
from activities.policy.documents import SecurityPolicy
from workflows.models.artifact import ArtifactRef
from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.evidence import Evaluation, Finding, Severity
from workflows.models.gate import ApprovalNeeds, OwnedPaths, Permit, Risk, RiskTier, Verdict
from workflows.models.intent import Intent
from workflows.models.patch import Patch
from workflows.models.person import Person
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import PullRequest
from workflows.models.steps import MergeOrder, RevertOrder
from workflows.models.task import Repository, Task

REF = ArtifactRef(sha256="0" * 64, size=0)
POLICY = TaskPolicy(hash="p1")
TASK = Task(
    id="t1",
    intent=Intent(key="cli:1", requester=Person(id="ada")),
    repository=Repository(url="/r", name="r"),
    goal="mend it",
)


def verdict(permits: Permit = Permit.PERSON, **changes: Any) -> Verdict:
    """What the gate answers at the moment of the merge."""
    values = {"permits": permits, "earned": 1, "phase": 1, "risk": Risk(tier=RiskTier.LOW), "reasons": ("phase 1",)}
    values |= {"head": "head-a", "evidence_hash": "evidence-a", "policy_hash": "p1", "version": "1"}
    return Verdict.model_validate(values | changes)


class Court:
    """A record with one evaluated patch, and the people who decide about it."""

    def __init__(self, place: Path) -> None:
        self.chains = Chains(Objects.open(str(place / "archive")))
        self.signer = DecisionSigner.load_or_create(place / "keys")
        verifier = DecisionVerifier.trusting(self.signer.public_key)
        self.admissions = Admissions(self.chains, verifier)
        self.attested = Attested(self.record(SigningKey.load_or_create(place / "keys", WORKER)))
        self.withdrawals = Withdrawals(self.chains, verifier)
        self.security = SecurityPolicy()
        self.verdict = verdict()
        self.authority = Authority(verifier, self.admissions, self.attested, self.withdrawals, lambda: self.security)

    def record(self, key: SigningKey) -> SignedRecord:
        return SignedRecord(self.chains, TrustedKeys(lambda: [key.public_key]), key)

    async def admitted(self, task: Task = TASK, signer: DecisionSigner | None = None, *, under: str = "") -> None:
        """Put a task on record, as a gateway does."""
        signed = (signer or self.signer).admit(task)
        await self.chains.append(under or task.id, ADMISSION, ADMISSION, signed.model_dump(mode="json"))

    async def evaluated(self, name: str, base: str = "b1", diff: str = "d1", **more: Any) -> tuple[Patch, Evaluation]:
        """Admit the task, and put a patch and the evidence about it on record, as gateway and host do."""
        await self.admitted()
        patch = Patch(base_commit=base, tree="t", head=f"head-{name}", bundle=REF, diff=REF, diff_sha256=diff)
        await self.attested.add_patch("t1", AttestedPatch(patch=patch))
        policy = more.get("policy", POLICY)
        found = tuple(Finding(rule=rule, severity=Severity.NOTE, message="") for rule in more.get("findings", ()))
        evaluation = self.evaluation(patch, name, policy).model_copy(
            update={"findings": found, "blocked": more.get("blocked", False)}
        )
        await self.attested.add_evidence("t1", patch, evaluation, policy)
        return patch, evaluation

    def evaluation(self, patch: Patch, name: str, policy: TaskPolicy = POLICY) -> Evaluation:
        return Evaluation(
            evidence=REF,
            evidence_hash=f"evidence-{name}",
            base_commit=patch.base_commit,
            head=patch.head,
            policy_hash=policy.hash,
            blocked=False,
        )

    def sign(self, action: Action, name: str, person: str = "grace", **changes: Any) -> SignedDecision:
        now = datetime.now(UTC)
        values = {"action": action, "person": Person(id=person), "task_id": "t1", "decided_at": now}
        values |= {"head": f"head-{name}", "evidence_hash": f"evidence-{name}", "expires_at": now + timedelta(hours=1)}
        return self.signer.sign(Decision.model_validate(values | changes))

    async def refusal(self, patch: Patch, evaluation: Evaluation, seen: str, **changes: Any) -> str:
        """Why a merge of the patch, decided on what was `seen`, is refused."""
        order = MergeOrder(
            task=TASK,
            pull_request=PullRequest(number=1, url="u", head="h", base="main"),
            patch=patch,
            evaluation=evaluation,
            approval=self.sign(Action.APPROVE, seen),
            merge=self.sign(Action.MERGE, seen),
        )
        order = order.model_copy(update=changes)
        try:
            task = await self.admissions.confirm(order.task)
            judged = await self.authority.may_publish(order.patch, order.evaluation, task)
            await self.authority.may_merge(order, task, judged, self.verdict)
        except ActionRefused as refused:
            return str(refused)
        return ""

    async def revert_refusal(self, signed: SignedDecision, commit: str = "m1", task: Task = TASK) -> str:
        """Why taking a merge back is refused."""
        order = RevertOrder(task=task, merge_commit=commit, signed=signed, requested_at=0)
        try:
            await self.authority.may_revert(order)
        except ActionRefused as refused:
            return str(refused)
        return ""


@pytest.fixture
def court(tmp_path: Path) -> Court:
    return Court(tmp_path)


async def test_two_valid_decisions_about_recorded_evidence_are_enough(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    assert await court.refusal(patch, evaluation, "a") == ""


async def test_evidence_that_no_host_recorded_is_refused(court: Court) -> None:
    patch, _ = await court.evaluated("a")
    assert "no host" in await court.refusal(patch, court.evaluation(patch, "other"), "a")


async def test_evidence_that_somebody_else_wrote_into_the_archive_is_nobodys_word(court: Court, tmp_path: Path) -> None:
    patch, evaluation = await court.evaluated("a", blocked=True)
    forger = Attested(court.record(SigningKey.load_or_create(tmp_path / "forger", WORKER)))
    other = evaluation.model_copy(update={"evidence_hash": "evidence-b", "blocked": False})
    await forger.add_evidence("t1", patch, other, TaskPolicy(hash="p1", allow_self_approval=True))
    await court.chains.append("t1", "evidence-c", EVIDENCE, {"evidence_hash": "evidence-c", "head": patch.head})
    assert [found.evidence_hash for found in await court.attested.evidence("t1")] == ["evidence-a"]
    assert "no host" in await court.refusal(patch, other, "b")


async def test_what_was_attested_for_one_task_or_as_one_thing_does_not_count_for_another(court: Court) -> None:
    await court.evaluated("a")
    (entry,) = [entry for entry in await court.chains.entries("t1") if entry.kind == EVIDENCE]
    await court.chains.append("t2", entry.entry_id, EVIDENCE, entry.data)
    await court.chains.append("t1", "as-merge", "merge", entry.data)
    assert await court.attested.evidence("t2") == ()
    assert await court.attested.merge("t1") is None


@pytest.mark.parametrize("swap", [{"diff_sha256": "d2"}, {"base_commit": "b2"}, {"tree": "evil"}, {"head": "head-x"}])
async def test_a_patch_swapped_under_its_evidence_is_refused(court: Court, swap: dict[str, str]) -> None:
    patch, evaluation = await court.evaluated("a")
    assert "no worker has made" in await court.refusal(patch.model_copy(update=swap), evaluation, "a")


@pytest.mark.parametrize(
    "change",
    [
        {"base": "release"},
        {"repository": Repository(url="/elsewhere", name="r")},
        {"intent": Intent(key="cli:1", requester=Person(id="somebody-else"))},
    ],
)
async def test_a_task_that_is_not_as_it_was_admitted_is_refused(court: Court, change: dict[str, object]) -> None:
    patch, evaluation = await court.evaluated("a")
    task = TASK.model_copy(update=change)
    assert "not the task" in await court.refusal(patch, evaluation, "a", task=task)
    assert "not the task" in await court.revert_refusal(court.sign(Action.REVERT, "a", head="m1"), task=task)


async def test_a_task_that_no_gateway_admitted_is_refused(court: Court, tmp_path: Path) -> None:
    patch, evaluation = await court.evaluated("a")
    task = TASK.model_copy(update={"id": "t2"})
    assert "no gateway" in await court.refusal(patch, evaluation, "a", task=task)
    await court.admitted(task, DecisionSigner.load_or_create(tmp_path / "forger"))
    assert "unknown gateway" in await court.refusal(patch, evaluation, "a", task=task)
    await court.admitted(TASK, under="t3")
    task = TASK.model_copy(update={"id": "t3"})
    assert "is on record for task t3" in await court.refusal(patch, evaluation, "a", task=task)


async def test_a_merge_is_taken_back_by_a_decision_to_revert_that_very_commit(court: Court) -> None:
    await court.evaluated("a")
    decided = court.sign(Action.REVERT, "a", head="m1")
    assert "no merge" in await court.revert_refusal(decided)
    await court.attested.add_merge("t1", AttestedMerge(commit="m1", head="head-a", base="main", repository="/r"))
    assert await court.revert_refusal(decided) == ""
    assert "was given as revert" in await court.revert_refusal(court.sign(Action.APPROVE, "a", head="m1"))
    assert "was merged as m1" in await court.revert_refusal(decided, "m2")
    assert "was merged as m1" in await court.revert_refusal(court.sign(Action.REVERT, "a", head="m2"), "m2")
    assert "about task t2" in await court.revert_refusal(court.sign(Action.REVERT, "a", head="m1", task_id="t2"))


async def test_a_blocked_patch_is_refused_whatever_the_order_claims(court: Court) -> None:
    patch, evaluation = await court.evaluated("a", blocked=True)
    assert "blocks" in await court.refusal(patch, evaluation, "a")


@pytest.mark.parametrize("which", ["approval", "merge"])
async def test_the_requester_a_forger_and_an_expired_decision_are_refused(
    court: Court, which: str, tmp_path: Path
) -> None:
    patch, evaluation = await court.evaluated("a")
    action = Action.APPROVE if which == "approval" else Action.MERGE
    past = datetime(2020, 1, 1, tzinfo=UTC)
    forger = DecisionSigner.load_or_create(tmp_path / "forger")
    real = court.sign(action, "a")
    for decision, words in (
        (court.sign(action, "a", "ada"), "another person"),
        (forger.sign(real.decision), "unknown gateway"),
        (court.sign(action, "a", expires_at=past), "expired"),
        (court.sign(action, "a", task_id="t2"), "about task t2"),
        (court.sign(Action.REJECT, "a"), "was given as"),
        (real.model_copy(update={"decision": real.decision.model_copy(update={"head": "head-b"})}), "does not fit"),
    ):
        assert words in await court.refusal(patch, evaluation, "a", **{which: decision})


async def test_a_policy_in_the_order_cannot_loosen_what_the_record_says(court: Court) -> None:
    patch, evaluation = await court.evaluated("a", policy=TaskPolicy(hash="p1", reviewers=("carol",)))
    assert "not a reviewer" in await court.refusal(patch, evaluation, "a")


async def test_decisions_carry_over_to_the_same_patch_on_a_new_base(court: Court) -> None:
    await court.evaluated("a")
    patch, evaluation = await court.evaluated("b", base="b2")
    assert await court.refusal(patch, evaluation, "a") == ""


@pytest.mark.parametrize(
    "new",
    [
        {"diff": "d2"},
        {"findings": ("size",)},
        {"policy": TaskPolicy(hash="p2")},
    ],
)
async def test_decisions_do_not_carry_over_to_anything_new(court: Court, new: dict[str, Any]) -> None:
    await court.evaluated("a")
    patch, evaluation = await court.evaluated("b", base="b2", **new)
    assert "was about" in await court.refusal(patch, evaluation, "a")


async def test_decisions_about_evidence_that_was_never_recorded_are_refused(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    assert "not on record" in await court.refusal(patch, evaluation, "zzz")


@pytest.mark.parametrize("action", [Action.REJECT, Action.REQUEST_CHANGES, Action.CANCEL])
async def test_an_approval_counts_no_more_once_somebody_decided_against_it(court: Court, action: Action) -> None:
    patch, evaluation = await court.evaluated("a")
    approval, merge = court.sign(Action.APPROVE, "a"), court.sign(Action.MERGE, "a")
    await court.withdrawals.put(court.sign(action, "a", "bob"))
    assert f"bob decided to {action}" in await court.refusal(patch, evaluation, "a", approval=approval, merge=merge)
    if action is Action.REQUEST_CHANGES:
        # Looked at again, it may be approved again.
        assert await court.refusal(patch, evaluation, "a") == ""
    else:
        assert f"bob decided to {action}" in await court.refusal(patch, evaluation, "a")


async def test_a_withdrawal_that_nobody_signed_or_of_another_task_withdraws_nothing(
    court: Court, tmp_path: Path
) -> None:
    patch, evaluation = await court.evaluated("a")
    approval, merge = court.sign(Action.APPROVE, "a"), court.sign(Action.MERGE, "a")
    now = datetime.now(UTC)
    rejection = Decision(
        action=Action.REJECT, person=Person(id="bob"), task_id="t1", decided_at=now, expires_at=now + timedelta(hours=1)
    )
    forged = DecisionSigner.load_or_create(tmp_path / "forger").sign(rejection)
    await court.withdrawals.put(forged)
    other = court.signer.sign(rejection.model_copy(update={"task_id": "t2"}))
    await court.chains.append("t1", "decision-of-another", "decision", other.model_dump(mode="json"))
    await court.chains.append("t1", "decision-rubbish", "decision", {"signature": 7})
    assert await court.refusal(patch, evaluation, "a", approval=approval, merge=merge) == ""


async def test_of_evidence_only_the_newest_counts(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    await court.evaluated("b")
    assert "judged since" in await court.refusal(patch, evaluation, "a")


async def test_a_task_whose_outcome_is_on_record_merges_no_more(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    await court.chains.append("t1", "outcome", "outcome", {})
    assert "has ended" in await court.refusal(patch, evaluation, "a")


async def test_a_decision_that_was_answered_with_a_refusal_is_not_carried_out_later(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    merge = court.sign(Action.MERGE, "a")
    await court.attested.add_used("t1", UsedDecision(signature=merge.signature, why="the tree was dirty"))
    assert "answered already" in await court.refusal(patch, evaluation, "a", merge=merge)
    assert await court.refusal(patch, evaluation, "a") == ""
    await court.attested.add_merge("t1", AttestedMerge(commit="m1", head="h", base="main", repository="/r"))
    revert = court.sign(Action.REVERT, "a", head="m1")
    assert await court.revert_refusal(revert) == ""
    await court.attested.add_used("t1", UsedDecision(signature=revert.signature, why="the tree was dirty"))
    assert "answered already" in await court.revert_refusal(revert)


async def test_who_was_taken_off_the_list_decides_no_more_about_what_was_judged_before(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    court.security = SecurityPolicy(approve=("bob",))
    assert "does not name grace now; ask one of bob" in await court.refusal(patch, evaluation, "a")


async def test_policy_merges_only_what_it_permits_at_that_moment(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    by_policy = {"approval": None, "merge": None}
    assert "policy does not approve it: phase 1" in await court.refusal(patch, evaluation, "a", **by_policy)
    court.verdict = verdict(Permit.APPROVE, reasons=("phase 2: a person merges",))
    assert "policy does not merge it: phase 2" in await court.refusal(patch, evaluation, "a", **by_policy)
    assert await court.refusal(patch, evaluation, "a", approval=None) == ""
    court.verdict = verdict(Permit.MERGE)
    assert await court.refusal(patch, evaluation, "a", **by_policy) == ""


async def test_policy_lets_nothing_land_that_a_person_sent_back(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    court.verdict = verdict(Permit.MERGE)
    await court.withdrawals.put(court.sign(Action.REQUEST_CHANGES, "a", message="no"))
    assert "grace decided to request-changes" in await court.refusal(patch, evaluation, "a", approval=None, merge=None)
    assert "grace decided to request-changes" in await court.refusal(patch, evaluation, "a", approval=None)


async def test_as_many_persons_as_the_risk_asks_for_have_to_approve(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    court.verdict = verdict(needs=ApprovalNeeds(count=2))
    assert "still needs one more approval" in await court.refusal(patch, evaluation, "a")
    twice = {"further_approvals": (court.sign(Action.APPROVE, "a"),)}
    assert "still needs one more approval" in await court.refusal(patch, evaluation, "a", **twice)
    requester = {"further_approvals": (court.sign(Action.APPROVE, "a", person="ada"),)}
    assert "another person has to approve" in await court.refusal(patch, evaluation, "a", **requester)
    other = {"further_approvals": (court.sign(Action.APPROVE, "a", person="linus"),)}
    assert await court.refusal(patch, evaluation, "a", **other) == ""


async def test_owners_of_the_changed_paths_have_to_be_among_them(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    owned = (OwnedPaths(names=("@acme/pay",), persons=("linus",), paths=("pay/a.py",)),)
    court.verdict = verdict(needs=ApprovalNeeds(owned=owned))
    assert "one of linus (@acme/pay own pay/a.py)" in await court.refusal(patch, evaluation, "a")
    assert await court.refusal(patch, evaluation, "a", approval=court.sign(Action.APPROVE, "a", person="linus")) == ""


async def test_an_approval_that_was_withdrawn_merges_nothing(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    approval = court.sign(Action.APPROVE, "a")
    await court.withdrawals.put(court.sign(Action.WITHDRAW, "a", person="linus"))
    assert await court.refusal(patch, evaluation, "a", approval=approval) == ""
    await court.withdrawals.put(court.sign(Action.WITHDRAW, "a"))
    assert "grace decided to withdraw" in await court.refusal(patch, evaluation, "a", approval=approval)
