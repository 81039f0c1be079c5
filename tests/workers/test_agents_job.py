"""A whole task with each vendor's command line: wrong first, then right after feedback, approved and merged."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.agent_toolchains import shared_state
from tests.support.model_script import Read, Script, Turn, Write
from tests.support.model_server import ModelServer, model_server
from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Installation, installed
from workflows.models.decision import Action
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("agents")
KEY = "sk-real-key-0123456789"
WRONG = "def add(a, b):\n    return a + b\n"
"""double() is gone with it."""
RIGHT = FILES["calc.py"].replace("a - b", "a + b")
SCRIPT = Script(
    [Turn("I look", (Read("calc.py"),)), Turn("I mend it", (Write("calc.py", WRONG),)), Turn("That was short.")],
    after_feedback=[
        Turn("I look again", (Read("calc.py"),)),
        Turn("I mend it well", (Write("calc.py", RIGHT),)),
        Turn("add() adds now."),
    ],
)


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server(SCRIPT) as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, model: ModelServer) -> AsyncIterator[Installation]:
    shutil.copytree(shared_state() / "toolchains", place / "toolchains", symlinks=True, copy_function=os.link)
    (place / "key").write_text(KEY)
    tables = [
        "feedback_rounds = 1",
        "[limits.run]\nwall_seconds = 120",
        f'[providers.vendor]\nurl = "{model.url}"\nprivate = true\nkey = {{ file = "{place}/key" }}',
        *(
            f'[agents.{kind}]\nadapter = "{kind}"\nprovider = "vendor"\nmodel = "test-model"'
            for kind in ("claude-code", "codex", "opencode")
        ),
    ]
    async with installed(place, configuration="\n".join(tables)) as installation:
        yield installation


@pytest.mark.parametrize("kind", ["claude-code", "opencode", "codex"])
async def test_an_agent_that_is_told_what_was_wrong_mends_it_and_is_merged(
    here: Installation, model: ModelServer, state: Path, kind: str
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    model.asked.clear()
    task = await here.ask(repository, kind)
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert view.status.round == 2
    assert view.status.run is not None
    assert view.status.run.summary == "add() adds now."
    assert (await here.evidence(task)).patched.passed
    # The provider sees the key, and the sandbox had none to send.
    keys = [asked.headers.get("x-api-key", asked.headers.get("authorization", "")) for asked in model.work()]
    assert len(keys) == 6
    assert {key.removeprefix("Bearer ") for key in keys} == {KEY}
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert git(repository, "show", "main:calc.py") == RIGHT.strip()
    assert git(repository, "log", "-2", "--format=%B", "main").count("Journeyman-Model: test-model") == 2
