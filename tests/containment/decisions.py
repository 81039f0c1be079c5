"""Decisions: approving one's own work, and merging on words that nobody said about this patch.

Each attempt is an order to merge or to revert as somebody could write it who reaches Temporal. Its control is the same
order where the one thing is true that is wrong in the attempt.
"""

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from activities.decisions.attested import WORKER, Attested, AttestedMerge
from activities.decisions.keys import SigningKey
from activities.decisions.signing import DecisionSigner
from tests.activities.decisions.test_authority import TASK, Court
from tests.containment.attempt import Attempt, Result
from tests.containment.ground import Ground
from workflows.models.decision import Action
from workflows.models.policy import TaskPolicy

Order = Callable[[Court, Path], Awaitable[str]]
"""Gives the order and returns why it is refused; empty if it is carried out."""


@dataclass(frozen=True, kw_only=True)
class Ordered(Attempt):
    """One order, and the same with a good conscience."""

    wrong: Order
    right: Order

    @property
    def controlled_by(self) -> str:
        return "the same, decided rightly"

    async def control(self, ground: Ground) -> Result:
        return await self._result(ground, self.right)

    async def attack(self, ground: Ground) -> Result:
        return await self._result(ground, self.wrong)

    @staticmethod
    async def _result(ground: Ground, order: Order) -> Result:
        with tempfile.TemporaryDirectory(dir=ground.home) as place:
            refused = await order(Court(Path(place)), Path(place))
        return Result("" if refused else "it is carried out", refused)


async def _rightly(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    return await court.refusal(patch, evaluation, "a")


async def _by_oneself(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    return await court.refusal(patch, evaluation, "a", approval=court.sign(Action.APPROVE, "a", TASK.requester.id))


async def _by_oneself_where_allowed(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a", policy=TaskPolicy(hash="p1", allow_self_approval=True))
    return await court.refusal(patch, evaluation, "a", approval=court.sign(Action.APPROVE, "a", TASK.requester.id))


async def _merged_by_oneself(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    return await court.refusal(patch, evaluation, "a", merge=court.sign(Action.MERGE, "a", TASK.requester.id))


async def _as_somebody_else_s_task(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    other = TASK.intent.model_copy(update={"requester": TASK.requester.model_copy(update={"id": "somebody"})})
    return await court.refusal(
        patch, evaluation, "a", task=TASK.model_copy(update={"intent": other}),
        approval=court.sign(Action.APPROVE, "a", TASK.requester.id),
    )  # fmt: skip


async def _by_a_stranger(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a", policy=TaskPolicy(hash="p1", reviewers=("carol",)))
    return await court.refusal(patch, evaluation, "a")


async def _with_another_key(court: Court, place: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    forged = DecisionSigner.load_or_create(place / "forger").sign(court.sign(Action.APPROVE, "a").decision)
    return await court.refusal(patch, evaluation, "a", approval=forged)


async def _with_words_changed(court: Court, _: Path) -> str:
    await court.evaluated("a")
    patch, evaluation = await court.evaluated("b", diff="d2")
    real = court.sign(Action.APPROVE, "a")
    about_b = real.decision.model_copy(update={"head": "head-b", "evidence_hash": "evidence-b"})
    return await court.refusal(patch, evaluation, "b", approval=real.model_copy(update={"decision": about_b}))


async def _with_an_old_one(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    old = court.sign(Action.APPROVE, "a", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    return await court.refusal(patch, evaluation, "a", approval=old)


async def _with_one_for_another_task(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    return await court.refusal(patch, evaluation, "a", approval=court.sign(Action.APPROVE, "a", task_id="t2"))


async def _with_a_rejection(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    return await court.refusal(patch, evaluation, "a", approval=court.sign(Action.REJECT, "a"))


async def _with_one_approval_twice(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    return await court.refusal(patch, evaluation, "a", merge=court.sign(Action.APPROVE, "a"))


async def _another_patch(court: Court, _: Path) -> str:
    await court.evaluated("a")
    patch, evaluation = await court.evaluated("b", diff="d2")
    return await court.refusal(patch, evaluation, "a")


async def _a_swapped_tree(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    return await court.refusal(patch.model_copy(update={"tree": "evil"}), evaluation, "a")


async def _on_forged_evidence(court: Court, place: Path) -> str:
    patch, evaluation = await court.evaluated("a", blocked=True)
    other = evaluation.model_copy(update={"evidence_hash": "evidence-b", "blocked": False})
    forger = Attested(court.record(SigningKey.load_or_create(place / "forger", WORKER)))
    await forger.add_evidence("t1", patch, other, TaskPolicy(hash="p1"))
    approval = court.sign(Action.APPROVE, "a", evidence_hash="evidence-b")
    merge = court.sign(Action.MERGE, "a", evidence_hash="evidence-b")
    return await court.refusal(patch, other, "a", approval=approval, merge=merge)


async def _a_blocked_patch(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a", blocked=True)
    return await court.refusal(patch, evaluation, "a")


async def _with_something_new(court: Court, _: Path) -> str:
    await court.evaluated("a")
    patch, evaluation = await court.evaluated("b", base="b2", findings=("secret",))
    return await court.refusal(patch, evaluation, "a")


async def _moved_rightly(court: Court, _: Path) -> str:
    await court.evaluated("a")
    patch, evaluation = await court.evaluated("b", base="b2")
    return await court.refusal(patch, evaluation, "a")


async def _another_branch(court: Court, _: Path) -> str:
    patch, evaluation = await court.evaluated("a")
    return await court.refusal(patch, evaluation, "a", task=TASK.model_copy(update={"base": "release"}))


async def _revert(court: Court, decided: str) -> str:
    await court.evaluated("a")
    await court.attested.add_merge("t1", AttestedMerge(commit="m1", head="head-a", base="main", repository="/r"))
    return await court.revert_refusal(court.sign(Action.REVERT, "a", head=decided), "m1")


def _of(name: str, wrong: Order, right: Order = _rightly) -> Ordered:
    success = "a commit lands, or is taken back, that nobody with a say decided about"
    return Ordered(name=name, group="policy", success=success, wrong=wrong, right=right)


ATTEMPTS: tuple[Attempt, ...] = (
    _of("approve one's own work", _by_oneself, _by_oneself_where_allowed),
    _of("merge one's own work that somebody else approved", _merged_by_oneself, _by_oneself_where_allowed),
    _of("approve one's own work as somebody else's task", _as_somebody_else_s_task),
    _of("approve without being a reviewer", _by_a_stranger),
    _of("approve with a key of one's own", _with_another_key),
    _of("change what a good signature is about", _with_words_changed),
    _of("use an approval that has expired", _with_an_old_one),
    _of("use an approval of another task", _with_one_for_another_task),
    _of("use a rejection as an approval", _with_a_rejection),
    _of("use an approval as the decision to merge", _with_one_approval_twice),
    _of("use an approval of an earlier patch", _another_patch),
    _of("swap the tree under an approval", _a_swapped_tree),
    _of("put evidence of one's own on record", _on_forged_evidence),
    _of("merge what a finding blocks", _a_blocked_patch),
    _of("carry an approval over to something new", _with_something_new, _moved_rightly),
    _of("merge into another branch than was asked for", _another_branch),
    _of(
        "take back a commit that nobody decided about",
        lambda court, _: _revert(court, "m2"),
        lambda court, _: _revert(court, "m1"),
    ),
)
