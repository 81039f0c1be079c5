"""Each vendor's command line loses its host, or its model falls silent: it goes on with its own conversation."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.agent_toolchains import shared_state
from tests.support.model_script import Read, Script, Trouble, Turn, Write
from tests.support.model_server import ModelServer, model_server
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.test_restart import wait_until_reviewed
from tests.workers.test_resume import checkpoints, two_hosts
from workflows.models.decision import Action
from workflows.models.question import Choice
from workflows.models.run import HangKind
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("agents-interrupted")
KINDS = ("claude-code", "opencode", "codex")
RIGHT = FILES["calc.py"].replace("a - b", "a + b")
TURNS = [
    Turn("I look", (Read("calc.py"),)),
    Turn("heliotrope: I mend it", (Write("calc.py", RIGHT),)),
    Turn("never said"),
]
DONE = [Turn("add() adds now.")]


def mends_then_is_silent() -> Script:
    return Script(TURNS, after_interruption=DONE, stall_at=2)


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server(mends_then_is_silent()) as server:
        yield server


def tables(place: Path, model: ModelServer) -> str:
    shutil.copytree(shared_state() / "toolchains", place / "toolchains", symlinks=True, copy_function=os.link)
    (place / "key").write_text("sk-real-key-0123456789")
    return "\n".join(
        [
            "[limits.run]\nwall_seconds = 120",
            f'[providers.vendor]\nurl = "{model.url}"\nprivate = true\nkey = {{ file = "{place}/key" }}',
            *(
                f'[agents.{kind}]\nadapter = "{kind}"\nprovider = "vendor"\nmodel = "test-model"\n'
                f"[agents.{kind}.hangs]\nstall = 6\nretry_loop = 5"
                for kind in KINDS
            ),
        ]
    )


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, model: ModelServer) -> AsyncIterator[Installation]:
    async with installed(place, configuration=tables(place, model)) as installation:
        yield installation


def goes_on_with_its_conversation(model: ModelServer) -> bool:
    """Whether the model was last told what was said before, and not only that something was."""
    return "heliotrope: I mend it" in str(model.work()[-1].body)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_command_line_whose_host_dies_goes_on_elsewhere_with_its_own_session(state: Path, kind: str) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    with model_server(mends_then_is_silent()) as model:
        async with two_hosts(state, tables(state, model)) as (here, first, second):
            await first.start()
            task = await here.ask(repository, kind)
            taken = await checkpoints(here, task, 1)
            while taken[-1].tool_calls < 2:
                taken = await checkpoints(here, task, len(taken) + 1)
            await first.die()
            await second.start()
            status = await wait_until_reviewed(here, task)
            assert status.placement is not None and status.run is not None
            assert (status.placement.host, status.run.summary) == ("second", "add() adds now.")
            assert goes_on_with_its_conversation(model)
            assert (await here.evidence(task)).patched.passed


@pytest.mark.parametrize("kind", KINDS)
async def test_a_command_line_whose_model_falls_silent_is_ended_and_goes_on_with_its_own_session(
    here: Installation, model: ModelServer, state: Path, kind: str
) -> None:
    model.script, repository = mends_then_is_silent(), make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, kind)
    view = await here.reaches(task, Stage.REVIEW, Stage.GUIDANCE, Stage.ENDED, Stage.QUESTION, seconds=150)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert view.status.hangs == (f"{HangKind.STALL} in run {task}-1-1",)
    assert view.status.run is not None
    assert view.status.run.summary == "add() adds now."
    assert goes_on_with_its_conversation(model)
    assert (await here.evidence(task)).patched.passed
    await here.decide(task, Action.REJECT)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_command_line_that_asks_a_failing_model_for_ever_is_named(
    here: Installation, model: ModelServer, state: Path, kind: str
) -> None:
    model.script, repository = (
        Script(TURNS, always=Trouble.SERVER_ERROR),
        make_repository(state / "till.git", FILES, bare=True),
    )
    task = await here.ask(repository, kind)
    view = await here.reaches(task, Stage.REVIEW, Stage.GUIDANCE, Stage.ENDED, Stage.QUESTION, seconds=150)
    assert view.status.stage is Stage.QUESTION, view.status.message
    assert view.status.hangs == tuple(f"{HangKind.RETRY_LOOP} in run {task}-1-{number}" for number in (1, 2))
    await here.answer(task, Choice.DISCARD)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.DISCARDED
