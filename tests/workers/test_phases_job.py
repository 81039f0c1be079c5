"""What policy does without a person, on the real path: promoted step by step, and taken back by one revert."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from tests.support.repositories import commit_files, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workers.cli.client import CommandFailed
from workflows.models.decision import Action
from workflows.models.gate import Permit, RiskTier
from workflows.models.pull_request import RevertOutcome
from workflows.models.question import Choice
from workflows.models.status import Outcome, Stage, TaskStatus

pytestmark = pytest.mark.xdist_group("phases")
TEAM = '[task_types.test-fix]\nscope = ["calc.py"]\n'
CRITERIA = ("add(2, 3) is 5",)


class AfterJudging(Interceptor):
    """Has something happen between the gate's verdict and what is done by it."""

    def __init__(self) -> None:
        self.happens: Callable[[], Awaitable[object]] | None = None

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _AfterJudging(next, self)


class _AfterJudging(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, about: AfterJudging) -> None:
        super().__init__(next)
        self._about = about

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        answer = await super().execute_activity(input)
        if activity.info().activity_type == "judge" and (happens := self._about.happens) is not None:
            self._about.happens = None
            await happens()
        return answer


AFTER_JUDGING = AfterJudging()


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    (place / "security.toml").write_text('promote = ["grace"]\n')
    async with installed(place, interceptors=[AFTER_JUDGING]) as one:
        yield one


def a_repository(tmp_path: Path, **more: str) -> Path:
    return make_repository(tmp_path / "shop", FILES | {".journeyman/team.toml": TEAM} | more)


async def promote(here: Installation, repository: Path, person: str = "grace") -> str:
    return (
        await typed(
            here.settings.state, "promote", "test-fix", "--repo", str(repository), "-m", "10 merged", "--as", person
        )
    ).out


async def asked(here: Installation, repository: Path, *stages: Stage) -> TaskStatus:
    task = await here.ask(repository, "mender", task_type="test-fix", acceptance=CRITERIA)
    return (await here.reaches(task, *stages)).status


async def test_trust_is_earned_phase_by_phase_and_lost_by_one_revert(here: Installation, tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    assert await promote(here, repository) == "test-fix tasks are in phase 2 now\n"
    status = await asked(here, repository, Stage.APPROVED)
    assert status.approved_by == ("policy",)
    assert status.verdict is not None
    assert (status.verdict.permits, status.verdict.phase) == (Permit.APPROVE, 2)
    shown = (await typed(here.settings.state, "show", status.task.id)).out
    assert "policy      approves it, and a person merges (phase 2)" in shown
    assert "risk        low: test-fix tasks begin as low" in shown
    await here.decide(status.task.id, Action.REJECT)

    assert await promote(here, repository) == "test-fix tasks are in phase 3 now\n"
    status = await asked(here, repository, Stage.ENDED)
    assert (status.outcome, status.decisions) == (Outcome.MERGED, ())
    message = git(repository, "log", "-1", "--format=%B", "main")
    assert "Approved-by: policy" in message
    assert "in phase 3" in message
    assert "return a + b" in (repository / "calc.py").read_text()

    assert (await here.revert(status.task.id, "ada")).outcome is RevertOutcome.REVERTED
    trusted = await typed(here.settings.state, "trust", "--repo", str(repository))
    (row,) = (line for line in trusted.out.splitlines() if line.startswith("test-fix"))
    assert row.split()[1] == "1"
    assert "ada asked to take back the merge" in row
    status = await asked(here, repository, Stage.REVIEW)
    assert (status.approved_by, status.verdict) == ((), None)
    await here.decide(status.task.id, Action.REJECT)


async def test_what_policy_was_about_to_merge_lands_after_the_halt_and_not_during_it(
    here: Installation, tmp_path: Path
) -> None:
    repository = a_repository(tmp_path)
    for _ in range(2):
        await promote(here, repository)
    scope = ("--repo", str(repository), "-m", "a key leaked", "--as", "ada")
    AFTER_JUDGING.happens = partial(typed, here.settings.state, "halt", *scope)
    base = git(repository, "rev-parse", "main")
    task = await here.ask(repository, "mender", task_type="test-fix", acceptance=CRITERIA)
    async with asyncio.timeout(90):
        while "a key leaked" not in (view := await here.view(task)).status.message:
            await asyncio.sleep(0.1)
    assert (view.status.stage, git(repository, "rev-parse", "main")) == (Stage.MERGE, base)
    assert "journeyman resume" in view.status.message
    await typed(here.settings.state, "resume", *scope)
    status = (await here.reaches(task, Stage.ENDED)).status
    assert (status.outcome, status.decisions) == (Outcome.MERGED, ())


async def test_who_is_not_named_promotes_nothing_and_no_phase_is_skipped(here: Installation, tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    refused = await typed(
        here.settings.state, "promote", "test-fix", "--repo", str(repository), "-m", "please", "--as", "ada"
    )
    assert (refused.code, "`promote` in security.toml does not name ada" in refused.error) == (1, True)
    silent = await typed(here.settings.state, "promote", "test-fix", "--repo", str(repository), "--as", "grace")
    assert (silent.code, "say why" in silent.error) == (2, True)
    unknown = await typed(here.settings.state, "promote", "odd", "--repo", str(repository), "-m", "x", "--as", "grace")
    assert "task type 'odd' is not known" in unknown.error
    for _ in range(2):
        await promote(here, repository)
    last = await typed(
        here.settings.state, "promote", "test-fix", "--repo", str(repository), "-m", "more", "--as", "grace"
    )
    assert "in phase 3, and it is the last" in last.error


async def test_who_promotes_is_told_which_file_allows_less(here: Installation, tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    commit_files(repository, {".journeyman/team.toml": f"{TEAM}\n[gate]\nphase = 1\n"})
    assert ".journeyman/team.toml allows phase 1 at most, and that counts" in await promote(here, repository)
    trusted = (await typed(here.settings.state, "trust", "--repo", str(repository))).out
    assert ".journeyman/team.toml: no more than phase 1 counts here" in trusted
    down = await typed(here.settings.state, "demote", "test-fix", "--repo", str(repository), "-m", "odd", "--as", "ada")
    assert down.out == "test-fix tasks are in phase 1 now\n"


async def test_what_is_not_well_specified_is_not_merged_by_policy(here: Installation, tmp_path: Path) -> None:
    repository = a_repository(tmp_path)
    for _ in range(2):
        await promote(here, repository)
    task = await here.ask(repository, "mender", task_type="test-fix")
    status = (await here.reaches(task, Stage.APPROVED)).status
    assert status.verdict is not None
    assert status.verdict.reasons == ("not well specified: no acceptance criteria are stated",)
    await here.decide(task, Action.REJECT)


async def test_an_owner_of_the_path_has_to_approve_and_it_is_said_who(here: Installation, tmp_path: Path) -> None:
    repository = a_repository(
        tmp_path,
        CODEOWNERS="calc.py @linus\n",
        **{".journeyman/team.toml": "[gate]\ncode_owners = true\n[gate.approvals]\nmedium = 2\n"},
    )
    task = await here.ask(repository, "mender")
    status = (await here.reaches(task, Stage.REVIEW)).status
    assert status.risk is not None
    assert status.risk.tier is RiskTier.MEDIUM
    assert "one of linus (@linus own calc.py)" in status.message
    first = await typed(here.settings.state, "approve", task, "--as", "grace")
    assert f"next: journeyman show {task} (it needs more approvals)" in first.out
    with pytest.raises(CommandFailed, match="can't merge while the task is at stage review"):
        await here.decide(task, Action.MERGE)
    back = await typed(here.settings.state, "withdraw", task, "--as", "grace")
    assert back.code == 0
    for person in ("grace", "linus"):
        await here.decide(task, Action.APPROVE, person)
    await here.decide(task, Action.MERGE)
    status = (await here.reaches(task, Stage.ENDED)).status
    assert status.outcome is Outcome.MERGED
    assert "Approved-by: grace, linus" in git(repository, "log", "-1", "--format=%B", "main")


async def test_a_vague_goal_is_asked_about_where_it_was_asked(here: Installation, tmp_path: Path) -> None:
    waits = {".journeyman/team.toml": f"{TEAM}\n[budget]\nanswer_seconds = 300\n"}
    repository = make_repository(tmp_path / "shop", FILES | waits)
    task = await here.ask(repository, "mender", goal="fix it")
    await here.reaches(task, Stage.QUESTION)
    shown = (await typed(here.settings.state, "show", task)).out
    assert f"journeyman answer {task} continue [-m 'WHAT IS MEANT']" in shown
    answered = await typed(here.settings.state, "answer", task, "continue", "-m", "add() subtracts", "--as", "ada")
    assert answered.code == 0, answered.error
    status = (await here.reaches(task, Stage.REVIEW)).status
    assert status.outcome is None
    other = await here.ask(repository, "mender", goal="make it better")
    question = (await here.reaches(other, Stage.QUESTION)).status.question
    assert question is not None
    assert question.expires_at - question.asked_at == timedelta(seconds=300)
    early = await typed(here.settings.state, "approve", other, "--as", "grace")
    assert "while the task is at stage question; it waits for a person to answer" in early.error
    assert "then the task ends, before anything was done" in (await typed(here.settings.state, "show", other)).out
    await here.answer(other, Choice.DISCARD)
    assert (await here.reaches(other, Stage.ENDED)).status.outcome is Outcome.DISCARDED
    await here.decide(task, Action.REJECT)


async def test_a_security_file_that_its_owner_did_not_sign_lets_nothing_be_asked_for(
    here: Installation, tmp_path: Path
) -> None:
    repository = a_repository(tmp_path)
    state = here.settings.state
    security, owners = state / "security.toml", state / "keys" / "security-owners"
    signed = await typed(state, "sign", str(security), "--keys", str(tmp_path / "mine"))
    assert signed.code == 0, signed.error
    owners.mkdir(mode=0o700)
    known = owners / "grace.pub"
    known.write_text((tmp_path / "mine" / "security-owner.pub").read_text())
    try:
        task = await here.ask(repository, "mender")
        before = security.read_text()
        security.write_text('promote = ["grace", "mallory"]\n')
        with pytest.raises(CommandFailed, match=r"line 1 says `promote = \[\"grace\", \"mallory\"\]`"):
            await here.ask(repository, "mender")
        security.write_text(before)
        await here.reaches(task, Stage.REVIEW)
        await here.decide(task, Action.REJECT)
    finally:
        known.unlink()
