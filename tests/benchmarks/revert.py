"""From asking for a revert to base restored: one after the other, many at once, and on a forge that is slow."""

import asyncio
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from temporalio.client import Client

from tests.benchmarks.figures import Figure, median, percentile
from tests.benchmarks.parking import parking
from tests.benchmarks.processor import serving_process
from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Terminal, configure
from workers.embedded.temporal_server import free_port, temporal_server
from workers.gateway.messages import NewDecision
from workers.parts.shared import SharedParts
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage, TaskStatus

_ALONE = int(os.environ.get("BENCH_REVERTS", "40"))
"""Reverts one after the other, each with a repository of its own."""
_AT_ONCE = 20
"""In the same moment, all of one repository."""
_LATER = 50
"""Commits on top of the merge."""
_SLOW_SECONDS = 5.0
"""That each command takes which asks the slow forge, beside its own time."""
_GOAL_SECONDS = 10.0
_PROMISED_SECONDS = 120.0


async def measure(state: Path) -> list[Figure]:
    """Merge by a host without sandboxes, put commits on top, and take back with gateway and worker as processes."""
    configure(state)
    settings = Settings(state=state, temporal_address=f"127.0.0.1:{free_port()}", temporal_ui_port=free_port())
    shared = SharedParts.load(settings)
    first = await asyncio.to_thread(make_repository, state / "of-0.git", FILES, bare=True)
    own = [first, *(Path(shutil.copytree(first, state / f"of-{number}.git")) for number in range(1, _ALONE))]
    busy, slow = (Path(shutil.copytree(first, state / f"{name}.git")) for name in ("busy", "slow"))
    server = temporal_server(
        state / "temporal", settings.temporal_address, settings.temporal_ui_port, settings.temporal_namespace
    )
    async with server as client, serving_process("gateway", settings):
        people = Terminal(settings)
        async with parking(client, shared, own_files=True) as free:
            places = [*own, *[busy] * _AT_ONCE, slow]
            names = [await _merged(client, people, place, free) for place in places]
        await asyncio.gather(*(asyncio.to_thread(_commits_on_top, place) for place in (*own, busy, slow)))
        alone, at_once, last = names[:_ALONE], names[_ALONE:-1], names[-1]
        async with serving_process("worker", settings):
            single = [await _taken_back(people, name) for name in alone]
            many = await asyncio.gather(*(_taken_back(people, name) for name in at_once))
        shim, requests = await asyncio.to_thread(_slow_git, state, slow)
        async with serving_process("worker", settings, PATH=f"{shim}:{os.environ['PATH']}"):
            slowly = await _taken_back(people, last)
        return [
            *_figures("revert", single, f"one after the other, {_LATER} later commits on top of each"),
            *_figures("revert_at_once", many, f"in the same moment, of one repository, {_LATER} later commits on top"),
            Figure(
                "revert_slow_forge_s",
                round(slowly, 1),
                "s",
                goal=_PROMISED_SECONDS,
                detail=f"where each of the {len(requests.read_text().split())} git commands that ask the forge takes "
                f"{_SLOW_SECONDS:g} s longer",
            ),
        ]


def _figures(name: str, seconds: Sequence[float], how: str) -> list[Figure]:
    told = f"asked to base restored, {len(seconds)} reverts {how}; the slowest {max(seconds):.2f} s"
    return [
        Figure(f"{name}_p50_s", median(seconds), "s", detail=told),
        Figure(f"{name}_p99_s", percentile(seconds, 99), "s", goal=_GOAL_SECONDS, detail=told),
    ]


async def _merged(client: Client, people: Terminal, repository: Path, free: asyncio.Semaphore) -> str:
    """The id of a task that was merged into the repository."""
    await free.acquire()
    name = await people.ask(repository, "mender")
    await people.reaches(name, Stage.REVIEW)
    await people.decide(name, Action.APPROVE)
    await people.decide(name, Action.MERGE)
    handle = client.get_workflow_handle(task_workflow_id(name), result_type=TaskStatus)
    status = await handle.result()
    if status.outcome is not Outcome.MERGED:
        raise RuntimeError(f"task {name} ended as {status.outcome}: {status.message}")
    return name


def _commits_on_top(repository: Path) -> None:
    """Later commits of others, by git's own way to write many."""
    lines = []
    for number in range(_LATER):
        text = f"later {number}\n"
        lines.append(
            f"commit refs/heads/main\ncommitter Ada <ada@example.com> {int(time.time())} +0000\n"
            f"data {len(text)}\n{text}"
            + ("from refs/heads/main^0\n" if number == 0 else "")
            + f"M 100644 inline later/{number % 10}.txt\ndata {len(text)}\n{text}\n"
        )
    git(repository, "fast-import", "--quiet", stdin="".join(lines).encode())


def _slow_git(state: Path, forge: Path) -> tuple[Path, Path]:
    """A directory with a `git` that takes its time where it is asked about one repository, and what it was asked."""
    found = shutil.which("git")
    assert found is not None, "git is here, the repositories were made with it"
    shim, requests = state / "slow", state / "requests"
    shim.mkdir(mode=0o755)
    requests.touch()
    (shim / "git").write_text(
        f'#!/bin/sh\ncase "$1" in "--git-dir={forge}"*) echo asked >> {requests}; sleep {_SLOW_SECONDS:g};; esac\n'
        f'exec {found} "$@"\n'
    )
    (shim / "git").chmod(0o755)
    return shim, requests


async def _taken_back(people: Terminal, name: str) -> float:
    """Seconds until whoever asked was told that base is restored."""
    began = time.monotonic()
    asked = NewDecision(action=Action.REVERT, message="to measure")
    result = await asyncio.to_thread(people.gateway("grace").revert, name, asked)
    if result.outcome is not RevertOutcome.REVERTED:
        raise RuntimeError(f"task {name} was not taken back: {result.outcome} {result.detail}")
    return time.monotonic() - began
