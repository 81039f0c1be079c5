"""What a person mistypes is told where it was typed, before anything is started, and what it takes to mend it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.repositories import commit_files, make_repository
from tests.workers.installation import FILES, Installation, configure, installed
from tests.workers.terminal import Typed, left_of, typed, up

pytestmark = pytest.mark.xdist_group("mistakes")
ASK = ("run", "mend add()", "--as", "ada")


async def test_an_agent_counts_as_soon_as_it_is_written_and_no_mistake_fills_the_terminal(state: Path) -> None:
    repository = make_repository(state / "till", FILES)
    ask = (*ASK, "--repo", str(repository), "--wait")
    async with up(state) as running:
        assert "No agent" in running.printed.decode()
        assert "[agents.mine]" in running.printed.decode()
        nobody = await typed(state, *ask)
        assert nobody.code == 2
        assert "names no agent" in nobody.error
        configure(state)
        done = await typed(state, *ask)
        assert done.code == 0, done.error
        written = (state / "journeyman.toml").read_text()
        (state / "journeyman.toml").write_text(written + "nonsense = 1\n")
        broken = await typed(state, *ask)
        assert broken.code == 1
        assert "nonsense" in broken.error
        assert "nothing has to be restarted" in broken.error
        (state / "journeyman.toml").write_text(written)
        commit_files(repository, {".journeyman/team.toml": "[setup]\ncommands = ['exit 7']\n"})
        failed = await typed(state, *ask)
        assert failed.code == 4
        assert "exit code 7" in failed.error
    terminal = running.printed.decode()
    assert "Traceback" not in terminal
    assert "prepare: " in terminal
    written = (state / "logs" / "up.log").read_text()
    assert "exit code 7" in written and "Traceback" not in written
    assert left_of(state) == []


@pytest.mark.parametrize("command", ["up", "tasks", "doctor", "agents list"])
async def test_a_setting_that_makes_no_sense_is_named(state: Path, command: str) -> None:
    answer = await typed(state, *command.split(), JOURNEYMAN_CAPACITY="abc")
    assert (answer.code, answer.out) == (2, "")
    assert "JOURNEYMAN_CAPACITY is 'abc'" in answer.error
    assert "Traceback" not in answer.error


async def test_a_state_directory_that_can_t_be_made_is_told_with_the_line_that_helps(state: Path) -> None:
    (state / "file").write_text("")
    answer = await typed(state / "file" / "below", "up")
    assert answer.code == 1
    assert "is a file" in answer.error
    assert "mend it with: mv " in answer.error
    assert "Traceback" not in answer.error


@pytest_asyncio.fixture
async def here(state: Path) -> AsyncIterator[Installation]:
    async with installed(state) as installation:
        yield installation


async def test_what_can_t_come_to_anything_is_refused_at_once(here: Installation, state: Path) -> None:
    repository = str(make_repository(state / "till", FILES))

    async def refused(*more: str) -> Typed:
        answer = await typed(state, *ASK, "--repo", repository, *more)
        assert (answer.code, answer.out) == (2, ""), answer.error
        return answer

    assert "agent 'nobody' is not in journeyman.toml" in (await refused("--agent", "nobody")).error
    assert "task type 'bug' is not known" in (await refused("--type", "bug")).error
    commit_files(Path(repository), {".journeyman/team.toml": "# ours\nallow_self_approval = true\n"})
    loosened = await refused()
    assert ".journeyman/team.toml, line 2: `allow_self_approval` = true loosens" in loosened.error
    assert "no branch 'mian'; it has main" in (await refused("--base", "mian")).error
    assert await asyncio.to_thread(here.gateway("ada").tasks) == []


async def test_a_known_key_with_another_goal_is_no_silent_success(here: Installation, state: Path) -> None:
    files = FILES | {".journeyman/team.toml": "max_changed_lines = 99999\n"}
    repository = str(make_repository(state / "till", files))
    task = await here.ask(state / "till", "waiter", key="linear:ENG-1")
    same = await typed(state, *ASK, "--repo", repository, "--agent", "waiter", "--key", "linear:ENG-1")
    assert same.code == 0, same.error
    assert task in same.out
    assert "`max_changed_lines` = 99999 (line 1) of no effect" in same.out
    other = await typed(
        state, "run", "mend double()", "--repo", repository, "--agent", "waiter", "--key", "linear:ENG-1"
    )
    assert (other.code, other.out) == (1, "")
    assert task in other.error
    assert "goal differs" in other.error
    assert "mend add()" in other.error
