"""What people answered about packages counts by signature, by who may approve, and for that task alone."""

from pathlib import Path
from typing import Any

import pytest

from activities.decisions.package_answers import PackageAnswers
from activities.decisions.signing import DecisionSigner, DecisionVerifier
from tests.activities.decisions.test_authority import TASK, Court
from workflows.models.decision import Action, SignedDecision
from workflows.models.policy import TaskPolicy
from workflows.models.question import Choice


class Desk(Court):
    """The same record with what was answered about packages."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        verifier = DecisionVerifier.trusting(self.signer.public_key)
        self.answers = PackageAnswers(self.chains, verifier, self.authority)

    def answer(self, choice: Choice, person: str = "grace", **changes: Any) -> SignedDecision:
        about = {"question": "q1", "choice": choice, "packages": ("tiny@1.0",), "head": "", "evidence_hash": ""}
        return self.sign(Action.ANSWER, "", person, **{**about, **changes})

    async def allowed(self, policy: TaskPolicy | None = None) -> dict[str, str]:
        return await self.answers.of_task(TASK, policy or TaskPolicy())


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    await desk.admitted()
    return desk


async def test_the_newest_answer_of_somebody_who_may_approve_counts(desk: Desk) -> None:
    await desk.withdrawals.put(desk.answer(Choice.ALLOW_ONCE, packages=("tiny@1.0", "part@2.0")))
    assert await desk.allowed() == {"tiny@1.0": "grace", "part@2.0": "grace"}
    await desk.withdrawals.put(desk.answer(Choice.REFUSE))
    assert await desk.allowed() == {"part@2.0": "grace"}
    assert await desk.allowed(TaskPolicy(reviewers=("ben",))) == {}


async def test_the_requester_another_task_and_an_unknown_gateway_allow_nothing(desk: Desk, tmp_path: Path) -> None:
    await desk.withdrawals.put(desk.answer(Choice.ALLOW_ONCE, person=TASK.requester.id))
    forged = desk.answer(Choice.ALLOW_ONCE)
    stranger = DecisionSigner.load_or_create(tmp_path / "stranger")
    await desk.withdrawals.put(stranger.sign(forged.decision))
    changed = forged.decision.model_copy(update={"packages": ("evil@6.6",)})
    await desk.withdrawals.put(forged.model_copy(update={"decision": changed}))
    assert await desk.allowed() == {}
