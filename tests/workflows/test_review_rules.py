"""Who may decide what: no input whatever lets a requester, a stranger or a stale look approve."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflows.models.artifact import ArtifactRef
from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.evidence import Evaluation
from workflows.models.intent import Intent
from workflows.models.patch import Patch
from workflows.models.person import Person
from workflows.models.policy import TaskPolicy
from workflows.models.status import Stage, TaskStatus
from workflows.models.task import Repository, Task
from workflows.review_rules import (
    MOST_DECISIONS,
    MOST_SAID_BYTES,
    approval_carries_over,
    authority_refusal,
    room_refusal,
    state_refusal,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REF = ArtifactRef(sha256="0" * 64, size=0)
people = st.sampled_from(["alice", "bob", "carol", "mallory"])
short = st.text(alphabet="ab", min_size=0, max_size=2)


def a_task(requester: str) -> Task:
    intent = Intent(key="cli:1", requester=Person(id=requester))
    return Task(id="t1", intent=intent, repository=Repository(url="/r", name="r"), goal="g")


def a_decision(action: Action, person: str, **changes: object) -> Decision:
    values = {"action": action, "person": Person(id=person), "task_id": "t1", "decided_at": NOW}
    return Decision.model_validate(values | {"expires_at": NOW + timedelta(hours=1)} | changes)


@st.composite
def statuses(draw: st.DrawFn) -> TaskStatus:
    head, evidence, blocked = draw(short), draw(short), draw(st.booleans())
    patch = Patch(base_commit="b", tree="t", head=head, bundle=REF, diff=REF, diff_sha256="d")
    evaluation = Evaluation(
        evidence=REF, evidence_hash=evidence, base_commit="b", head=head, policy_hash="p", blocked=blocked
    )
    return TaskStatus(
        task=a_task("alice"),
        stage=draw(st.sampled_from(Stage)),
        patch=draw(st.sampled_from([patch, None])),
        evaluation=draw(st.sampled_from([evaluation, None])),
    )


@given(requester=people, person=people, reviewers=st.lists(people), self_approval=st.booleans())
def test_nobody_approves_their_own_task_or_without_being_a_reviewer(
    requester: str, person: str, reviewers: list[str], self_approval: bool
) -> None:
    policy = TaskPolicy(reviewers=tuple(reviewers), allow_self_approval=self_approval)
    for action in (Action.APPROVE, Action.MERGE):
        allowed = not authority_refusal(a_decision(action, person), a_task(requester), policy)
        assert allowed == ((self_approval or person != requester) and (not reviewers or person in reviewers))


@given(status=statuses(), head=short, evidence=short, action=st.sampled_from([Action.APPROVE, Action.MERGE]))
def test_an_approval_counts_only_for_what_is_there_now_and_is_not_blocked(
    status: TaskStatus, head: str, evidence: str, action: Action
) -> None:
    decision = a_decision(action, "bob", head=head, evidence_hash=evidence)
    if not state_refusal(decision, status, NOW):
        assert status.stage is (Stage.REVIEW if action is Action.APPROVE else Stage.APPROVED)
        assert status.patch is not None
        assert status.evaluation is not None
        assert (status.patch.head, status.evaluation.evidence_hash) == (head, evidence)
        assert not status.evaluation.blocked


@given(status=statuses(), action=st.sampled_from(Action))
def test_nothing_is_decided_after_the_signature_expired_or_the_task_ended(status: TaskStatus, action: Action) -> None:
    decision = a_decision(action, "bob", head="", evidence_hash="")
    assert state_refusal(decision, status, NOW + timedelta(hours=2))
    assert state_refusal(decision, status.model_copy(update={"stage": Stage.ENDED}), NOW)
    # Cancelling then, too, is taken: what is under way is finished, and what only waits for its turn never begins.
    assert bool(state_refusal(decision, status.model_copy(update={"stage": Stage.MERGE}), NOW)) is (
        action is not Action.CANCEL
    )


@given(
    carry=st.booleans(),
    same=st.booleans(),
    policy=st.sampled_from(["p", "q"]),
    old=st.frozensets(st.sampled_from("xyz")),
    new=st.frozensets(st.sampled_from("xyz")),
)
def test_an_approval_survives_a_moved_base_only_when_nothing_is_new(
    carry: bool, same: bool, policy: str, old: frozenset[str], new: frozenset[str]
) -> None:
    reason = approval_carries_over(
        policy=TaskPolicy(carry_over=carry, hash="p"),
        new_policy_hash=policy,
        same_patch=same,
        old_findings=set(old),
        new_findings=set(new),
    )
    assert (not reason) == (carry and same and policy == "p" and new <= old)


def test_what_another_sample_of_the_same_patch_shows_takes_no_approval_away() -> None:
    more = {"mutant-survived calc.py", "lines-not-run calc.py"}

    def voided(new: set[str]) -> str:
        policy = TaskPolicy(hash="p")
        return approval_carries_over(
            policy=policy, new_policy_hash="p", same_patch=True, old_findings=set(), new_findings=new
        )

    assert voided(more) == ""
    assert "flaky-test" in voided({*more, "flaky-test"})


@given(
    said=st.lists(st.sampled_from([0, 1, 19_000]), max_size=60),
    size=st.sampled_from([0, 1, 19_000]),
    action=st.sampled_from([Action.APPROVE, Action.REJECT, Action.CANCEL, Action.REQUEST_CHANGES]),
)
def test_what_is_said_about_a_task_never_outgrows_what_temporal_takes_and_a_word_less_end_is_always_heard(
    said: list[int], size: int, action: Action
) -> None:
    status = TaskStatus(task=a_task("alice"))
    for length in (*said, size):
        decision = a_decision(action, "bob", message="é" * length)
        if not room_refusal(decision, status):
            signed = SignedDecision(decision=decision, key_id="k" * 16, signature="s" * 88)
            status = status.model_copy(update={"decisions": (*status.decisions, signed)})
    assert len(status.model_dump_json().encode()) < MOST_SAID_BYTES + 600 * len(status.decisions) + 10_000
    assert not room_refusal(a_decision(action, "bob"), status)


def test_a_task_that_was_decided_about_without_end_can_still_be_ended() -> None:
    signed = SignedDecision(decision=a_decision(Action.WITHDRAW, "bob"), key_id="k", signature="s")
    status = TaskStatus(task=a_task("alice"), decisions=(signed,) * MOST_DECISIONS)
    assert "500 decisions" in room_refusal(a_decision(Action.APPROVE, "bob"), status)
    for action in (Action.MERGE, Action.REJECT, Action.CANCEL):
        assert room_refusal(a_decision(action, "bob"), status) == ""
