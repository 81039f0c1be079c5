"""A merge needs evidence that a host recorded and decisions that hold for it, whatever the order says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.archive.steps import RecordActivities
from activities.decisions.authority import ADMISSION, EVIDENCE, MERGE, Authority, recorded_evidence
from activities.decisions.signing import DecisionSigner, DecisionVerifier
from activities.tracing.recorder import Recorder
from activities.tracing.store import SpanStore
from activities.tracing.traces import Traces
from workflows.models.artifact import ArtifactRef
from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.evidence import Evaluation
from workflows.models.intent import Intent
from workflows.models.patch import Patch
from workflows.models.person import Person
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import PullRequest
from workflows.models.steps import MergeOrder, RecordOrder, RevertOrder
from workflows.models.task import Repository, Task

REF = ArtifactRef(sha256="0" * 64, size=0)
POLICY = TaskPolicy(hash="p1")
TASK = Task(
    id="t1",
    intent=Intent(key="cli:1", requester=Person(id="ada")),
    repository=Repository(url="/r", name="r"),
    goal="mend it",
)


class Court:
    """A record with one evaluated patch, and the people who decide about it."""

    def __init__(self, place: Path) -> None:
        self.objects = Objects.open(str(place / "archive"))
        self.chains = Chains(self.objects)
        self.signer = DecisionSigner.load_or_create(place / "keys")
        self.authority = Authority(DecisionVerifier.trusting(self.signer.public_key), self.chains)

    async def admitted(self, signer: DecisionSigner | None = None) -> None:
        """Put the task on record, as a gateway does."""
        signed = (signer or self.signer).admit(TASK)
        await self.chains.append("t1", ADMISSION, ADMISSION, signed.model_dump(mode="json"))

    async def evaluated(self, name: str, base: str = "b1", diff: str = "d1", **more: Any) -> tuple[Patch, Evaluation]:
        """Put evidence about a patch on record, as a host does."""
        patch = Patch(base_commit=base, tree="t", head=f"head-{name}", bundle=REF, diff=REF, diff_sha256=diff)
        policy, blocked = more.get("policy", POLICY), more.get("blocked", False)
        entry = recorded_evidence(policy, patch, f"evidence-{name}", more.get("findings", ()), blocked=blocked)
        await self.chains.append("t1", f"e-{name}", EVIDENCE, entry.model_dump(mode="json"))
        return patch, self.evaluation(patch, name, policy)

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
        return await self.authority.merge_refusal(order.model_copy(update=changes))


@pytest.fixture
async def court(tmp_path: Path) -> Court:
    court = Court(tmp_path)
    await court.admitted()
    return court


async def test_two_valid_decisions_about_recorded_evidence_are_enough(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    assert await court.refusal(patch, evaluation, "a") == ""


async def test_evidence_that_no_host_recorded_is_refused(court: Court) -> None:
    patch, _ = await court.evaluated("a")
    invented = patch.model_copy(update={"head": "head-x"})
    assert "no host" in await court.refusal(invented, court.evaluation(invented, "x"), "x")
    assert "no host" in await court.refusal(patch, court.evaluation(patch, "other"), "a")


async def test_a_patch_swapped_under_its_evidence_is_refused(court: Court) -> None:
    patch, evaluation = await court.evaluated("a")
    for swap in ({"diff_sha256": "d2"}, {"base_commit": "b2"}):
        assert "another" in await court.refusal(patch.model_copy(update=swap), evaluation, "a")


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


@pytest.mark.parametrize(
    "change",
    [
        {"intent": Intent(key="cli:1", requester=Person(id="mallory"))},
        {"repository": Repository(url="/other", name="other")},
        {"base": "release"},
    ],
)
async def test_a_task_that_is_another_one_than_was_admitted_is_refused(court: Court, change: dict[str, Any]) -> None:
    patch, evaluation = await court.evaluated("a")
    task = TASK.model_copy(update=change)
    assert "another one than was admitted" in await court.refusal(patch, evaluation, "a", task=task)
    assert "another one than was admitted" in await court.authority.task_refusal(task)


async def test_a_task_that_no_gateway_admitted_is_refused(tmp_path: Path) -> None:
    unknown = Court(tmp_path)
    patch, evaluation = await unknown.evaluated("a")
    assert "no gateway has admitted" in await unknown.refusal(patch, evaluation, "a")
    await unknown.admitted(DecisionSigner.load_or_create(tmp_path / "forger"))
    assert "unknown gateway" in await unknown.refusal(patch, evaluation, "a")


async def test_only_the_merge_on_record_is_taken_back_and_by_a_decision_to_do_just_that(court: Court) -> None:
    await court.chains.append("t1", "merge-c1", MERGE, {"commit": "c1", "head": "head-a"})
    revert = court.sign(Action.REVERT, "a", head="c1", evidence_hash="")
    order = RevertOrder(task=TASK, merge_commit="c1", signed=revert, requested_at=0)
    assert await court.authority.revert_refusal(order) == ""
    for change, words in (
        ({"merge_commit": "c2"}, "not the merge"),
        ({"merge_commit": "c2", "signed": court.sign(Action.REVERT, "a", head="c2")}, "not the merge"),
        ({"signed": court.sign(Action.REVERT, "a", head="c2")}, "not the merge"),
        ({"signed": court.sign(Action.REJECT, "a", head="c1")}, "was given as revert"),
        ({"signed": court.sign(Action.REVERT, "a", head="c1", task_id="t2")}, "about task t2"),
        ({"task": TASK.model_copy(update={"base": "release"})}, "another one than was admitted"),
    ):
        assert words in await court.authority.revert_refusal(order.model_copy(update=change))


@pytest.mark.parametrize("kind", ["evidence", "admission", "merge", "decision", "run"])
async def test_what_merging_trusts_is_put_on_record_by_no_workflow(court: Court, kind: str) -> None:
    steps = RecordActivities(court.chains, court.authority, Traces(Recorder(SpanStore(court.objects))))
    order = RecordOrder(task_id="t1", entry_id="x", kind=kind)
    with pytest.raises(ApplicationError, match="a workflow puts no"):
        await steps.record(order)
    assert [entry.kind for entry in await court.chains.entries("t1")] == ["admission"]
