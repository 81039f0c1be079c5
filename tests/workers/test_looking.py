"""What a person sees of a task from a terminal: why it stands still, what was printed, and what to type next."""

import asyncio
import json
import os
import pty
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import environment, typed
from workers.embedded.programs import program
from workflows.models.decision import Action
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("looking")


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    async with installed(place, configuration="feedback_rounds = 0") as installation:
        yield installation


@pytest.fixture(scope="module")
def repository(place: Path) -> Path:
    return make_repository(place / "till", FILES)


async def test_a_task_that_stands_still_says_for_what_and_shows_why(here: Installation, repository: Path) -> None:
    state = here.settings.state
    asked = ("run", "mend add()", "--repo", str(repository), "--as", "ada", "--agent", "breaker", "--wait")
    blocked = await typed(state, *asked)
    assert blocked.code == 5, blocked.error
    assert "it waits for a person to request changes or reject" in blocked.error
    assert "None" not in blocked.error
    task = blocked.out.split()[0]
    shown = (await typed(state, "show", task)).out
    assert "test-broken: " in shown
    assert f"journeyman evidence {task} --output" in shown
    assert f"journeyman request-changes {task} -m 'TEXT'" in shown
    printed = (await typed(state, "evidence", task, "--output")).out
    assert "check pytest on patched: exit code 1" in printed
    assert "has no attribute 'double'" in printed
    assert "assert -1 == 5" in (await typed(state, "evidence", task, "--output", "--on", "base")).out
    waiting = json.loads((await typed(state, "tasks", "--waiting", "--json")).out)
    assert [(line["task_id"], line["goal"]) for line in waiting] == [(task, "mend add()")]
    rejected = await typed(state, "reject", task, "--as", "grace")
    assert rejected.code == 0, rejected.error
    ended = await here.reaches(task, Stage.ENDED)
    assert ended.status.message == "rejected by grace"
    assert (await typed(state, "tasks", "--waiting")).out.startswith("No task is like that")


async def test_what_an_agent_did_can_be_read_run_by_run(here: Installation, repository: Path) -> None:
    state = here.settings.state
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.REVIEW)
    assert (await typed(state, "logs", task)).out == "= add() subtracted; now it adds\n"
    assert (await typed(state, "logs", task, "--raw")).out.startswith('{"type": "result"')
    assert json.loads((await typed(state, "logs", task, "--json")).out)["kind"] == "result"
    await here.decide(task, Action.REQUEST_CHANGES, message="once more")
    await here.reaches(task, Stage.REVIEW)
    for number in ("1", "2"):
        assert "now it adds" in (await typed(state, "logs", task, "--run", number)).out
    third = await typed(state, "logs", task, "--run", "3")
    assert third.code == 1
    assert "has no run 3 of the agent; it has 2" in third.error
    approved = await typed(state, "approve", task, "--as", "grace")
    assert f"next: journeyman merge {task}" in approved.out
    merged = await typed(state, "merge", task, "--as", "grace")
    assert f"journeyman revert {task}" in merged.out
    assert "  merge\n" in merged.error
    assert "  review\n" not in merged.error
    later = await here.ask(repository, "idle")
    await here.reaches(later, Stage.ENDED)
    await here.revert(task)
    listed = (await typed(state, "tasks", "--repo", str(repository), "--by", "ada")).out
    assert listed.index(later) < listed.index(task)
    assert "merged, reverted" in listed
    assert "mend add()" in listed


async def test_what_an_agent_asked_for_at_the_way_out_can_be_read_with_the_rule_that_refused_it(
    here: Installation, repository: Path
) -> None:
    state = here.settings.state
    task = await here.ask(repository, "caller")
    await here.reaches(task, Stage.REVIEW)
    shown = (await typed(state, "egress", task)).out
    assert "GET" in shown and "evil.example:80/x" in shown and "refused (refused)" in shown
    assert "1 request, 1 refused" in shown
    (record,) = json.loads((await typed(state, "egress", task, "--refused", "--run", "1", "--json")).out)
    assert (record["host"], record["path"], record["allowed"], record["status"]) == (
        "evil.example:80",
        "/x",
        False,
        403,
    )
    assert "evil.example" in (await typed(state, "evidence", task)).out
    never = await typed(state, "egress", task, "--run", "2")
    assert never.code == 1
    assert "run 2" in never.error
    await here.decide(task, Action.REJECT)


async def test_what_a_cancelled_agent_printed_is_kept(here: Installation, repository: Path) -> None:
    state = here.settings.state
    task = await here.ask(repository, "waiter")
    async with asyncio.timeout(60):
        while b"started" not in (await asyncio.to_thread(here.gateway("ada").log, task, 0)).data:
            await asyncio.sleep(0.05)
    cancelled = await typed(state, "cancel", task, "-m", "too slow", "--as", "ada", "--json")
    assert cancelled.code == 0, cancelled.error
    receipt = json.loads(cancelled.out)
    assert (receipt["stage"], receipt["message"]) == ("ended", "cancelled by ada: too slow")
    # A shell may still say of its sleep that it was killed, where the kernel has no way to kill both at once.
    assert (await typed(state, "logs", task)).out.startswith("started\n")


async def test_who_stops_waiting_is_told_that_the_task_goes_on(here: Installation, repository: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(program("journeyman")), "run", "mend add()", "--repo", str(repository)),
        *("--agent", "waiter", "--as", "ada", "--wait"),
        env=environment(here.settings.state),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    told = b""
    async with asyncio.timeout(60):
        while b"  run" not in told:
            told += await process.stderr.read(256)
        process.send_signal(signal.SIGINT)
        _, rest = await process.communicate()
    assert process.returncode == 130
    task = told.split()[0].decode()
    assert f"the task goes on: journeyman show {task}" in rest.decode()
    assert (await here.view(task)).status.outcome is None
    await here.decide(task, Action.CANCEL)


async def test_a_diff_on_a_terminal_is_coloured_and_through_the_person_s_pager(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.REVIEW)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(str(program("journeyman")), "diff", task),
        env=environment(here.settings.state, TERM="xterm", LINES="3", PAGER="sed s/^/paged:/"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    try:
        while part := await asyncio.to_thread(os.read, ours, 4096):
            seen += part
    except OSError:
        pass  # how a terminal says that its other end is closed
    await process.wait()
    os.close(ours)
    assert b"paged:" in seen
    assert b"\x1b[32m+" in seen
