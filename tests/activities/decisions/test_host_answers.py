"""What people answered about hosts counts by signature, by who may approve, and for that task or repository."""

from pathlib import Path
from typing import Any

import pytest

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.decisions.host_answers import FOLDER, HostAnswers, allowed
from activities.decisions.signing import DecisionSigner, DecisionVerifier
from activities.policy.documents import SecurityPolicy
from activities.policy.egress import with_answers
from tests.activities.decisions.test_authority import TASK, Court
from workflows.models.decision import Action, SignedDecision
from workflows.models.policy import EgressProfile, TaskPolicy
from workflows.models.question import Choice
from workflows.models.task import Repository

HOST = "api.example:443"
POLICY = TaskPolicy(egress_asks=True, egress_hosts=("listed.example",))


class Desk(Court):
    """The same record with what was answered about hosts."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.repositories = Chains(Objects.open(str(place / "archive")), FOLDER)
        verifier = DecisionVerifier.trusting(self.signer.public_key)
        self.answers = HostAnswers(self.chains, self.repositories, verifier, self.authority)

    def answer(self, choice: Choice, person: str = "grace", **changes: Any) -> SignedDecision:
        about = {"question": "q1", "choice": choice, "hosts": (HOST,), "head": "", "evidence_hash": ""}
        return self.sign(Action.ANSWER, "", person, **{**about, **changes})

    async def answered(self, signed: SignedDecision) -> None:
        """Put on record as it is where a decision was found to hold, or by whoever can write to the archive."""
        await self.withdrawals.put(signed)
        await self.answers.keep(signed, TASK.repository.url)

    async def allowed(self, policy: TaskPolicy = POLICY) -> tuple[list[str], list[str]]:
        """For the task, and for its repository."""
        task = allowed(await self.answers.of_task(TASK, policy))
        repository = allowed(await self.answers.of_repository(TASK.repository.url, policy))
        return [one.host for one in task], [one.host for one in repository]


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    await desk.admitted()
    return desk


async def test_an_answer_reaches_as_far_as_it_says_and_the_newest_counts(desk: Desk) -> None:
    assert await desk.allowed() == ([], [])
    await desk.answered(desk.answer(Choice.ALLOW_ONCE))
    assert await desk.allowed() == ([HOST], [])
    await desk.answered(desk.answer(Choice.ALLOW_REPOSITORY))
    assert await desk.allowed() == ([HOST], [HOST])
    await desk.answered(desk.answer(Choice.REFUSE))
    assert await desk.allowed() == ([], [])


async def test_an_answer_that_was_put_on_record_twice_counts_once(desk: Desk) -> None:
    signed = desk.answer(Choice.ALLOW_REPOSITORY)
    await desk.answered(signed)
    await desk.answered(desk.answer(Choice.REFUSE))
    await desk.answered(signed)
    assert await desk.allowed() == ([], [])


async def test_nobody_opens_a_way_out_who_could_not_approve(desk: Desk, tmp_path: Path) -> None:
    await desk.answered(desk.answer(Choice.ALLOW_REPOSITORY, person="ada"))
    await desk.answered(desk.answer(Choice.ALLOW_REPOSITORY, person="mallory"))
    stranger = DecisionSigner.load_or_create(tmp_path / "stranger")
    await desk.answered(stranger.sign(desk.answer(Choice.ALLOW_REPOSITORY).decision))
    reviewed = POLICY.model_copy(update={"reviewers": ("grace",)})
    assert await desk.allowed(reviewed) == ([], [])
    await desk.answered(desk.answer(Choice.ALLOW_REPOSITORY))
    assert await desk.allowed(reviewed) == ([HOST], [HOST])
    # Who is taken off the list later has allowed nothing any more.
    desk.security = SecurityPolicy(approve=("heidi",))
    assert await desk.allowed(reviewed) == ([], [])


async def test_what_was_decided_about_one_task_or_repository_is_nothing_for_another(desk: Desk) -> None:
    other = TASK.model_copy(update={"id": "t2", "repository": Repository(url="/other", name="other")})
    await desk.admitted(other)
    elsewhere = desk.answer(Choice.ALLOW_REPOSITORY, task_id="t2")
    # By whoever can write to the archive.
    raw = elsewhere.model_dump(mode="json")
    await desk.chains.append("t1", "copied", "decision", raw)
    await desk.answers.keep(elsewhere, TASK.repository.url)
    assert await desk.allowed() == ([], [])


async def test_taking_back_concerns_the_repository_that_it_names(desk: Desk) -> None:
    await desk.answered(desk.answer(Choice.ALLOW_REPOSITORY))
    about: dict[str, Any] = {"task_id": "", "hosts": (HOST,), "head": "", "evidence_hash": ""}
    await desk.answers.keep(desk.sign(Action.FORGET_HOST, "", repository="/other", **about), TASK.repository.url)
    assert (await desk.allowed())[1] == [HOST]
    await desk.answers.keep(desk.sign(Action.FORGET_HOST, "", repository="/r", **about), TASK.repository.url)
    assert (await desk.allowed())[1] == []


async def test_an_answer_never_leads_beyond_the_owners_ceiling_or_profile(desk: Desk) -> None:
    await desk.answered(desk.answer(Choice.ALLOW_REPOSITORY, hosts=(HOST, "169.254.169.254:80", "out.invalid:443")))
    answers = await desk.answers.of_repository(TASK.repository.url, POLICY)
    within = POLICY.model_copy(update={"egress_ceiling": ("api.example", "other.example")})
    assert with_answers(within, answers).egress_hosts == (HOST, "listed.example")
    for profile in (EgressProfile.MODEL_ONLY, EgressProfile.NONE):
        narrow = POLICY.model_copy(update={"egress_profile": profile, "egress_hosts": ()})
        assert with_answers(narrow, answers).egress_hosts == ()
