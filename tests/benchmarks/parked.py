"""What tasks that wait for a person cost the worker, and how fast one of them lands while all others wait."""

import asyncio
import os
import shutil
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
from temporalio.client import Client

from activities.decisions.attested import Attested
from tests.benchmarks.figures import Figure, median, percentile
from tests.benchmarks.parking import parking
from tests.benchmarks.processor import serving_process
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Terminal, configure
from workers.embedded.temporal_server import free_port, temporal_server
from workers.gateway.messages import NewDecision
from workers.parts.shared import SharedParts
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.status import Outcome, TaskStatus

_TASKS = int(os.environ.get("BENCH_PARKED", "200"))
"""`BENCH_PARKED=1000 make bench BENCH=parked` measures as many as the goals are about, in 20 minutes on two cores."""
_ONE_BY_ONE = 40
_AT_ONCE = 5
_ROUNDS = 3
"""So many times `_AT_ONCE` tasks are approved in the same moment."""
_WARM = 2
_SHARED_REPOSITORIES = 20
_GROWTH_MB = 150
_LANDS_SECONDS = 3.0
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Parked:
    """A task that waits, and what a person who looked at it would decide about."""

    task: str
    head: str
    evidence_hash: str


async def measure(state: Path) -> list[Figure]:
    """Park them with the help of this process; then measure a worker that was started with them already there."""
    configure(state)
    settings = Settings(state=state, temporal_address=f"127.0.0.1:{free_port()}", temporal_ui_port=free_port())
    shared = SharedParts.load(settings)
    deciding = _WARM + _ONE_BY_ONE + _AT_ONCE * _ROUNDS
    own, others = await asyncio.to_thread(_repositories, state, min(deciding, _TASKS))
    server = temporal_server(
        state / "temporal", settings.temporal_address, settings.temporal_ui_port, settings.temporal_namespace
    )
    async with server as client, serving_process("gateway", settings):
        people = Terminal(settings)
        began = time.monotonic()
        async with parking(client, shared) as free:
            # Those to be decided about are among the others, the first and the last of them not next to each other.
            share = [others[number % len(others)] for number in range(_TASKS - len(own))]
            names = await asyncio.gather(*(_ask(people, where, free) for where in _mixed(own, share)))
            await _all_wait(client, len(names))
        parked = time.monotonic() - began
        known = dict(zip(names, _mixed(own, share), strict=True))
        chosen = [await _seen(shared.attested, name) for name, where in known.items() if where in own]
        async with serving_process("worker", settings) as worker:
            figures = await _measured(client, people, worker, names, chosen, parked)
            waiting = [name for name in names if name not in {one.task for one in chosen}]
            held = await _held(client, waiting)
            places = (shared.layout.workspaces, shared.layout.runs)
            # Beside those of runs there is a file of the host's own: what its limits were found to hold.
            kept = [path for place in places for path in place.iterdir() if path.is_dir()]
        how = f"steps under way for the {len(waiting)} that wait, workspaces and sandboxes on the host"
        return [*figures, Figure("parked_held", held + len(kept), goal=0, detail=how)]


async def _measured(
    client: Client, people: Terminal, worker: psutil.Process, names: Sequence[str], chosen: list[_Parked], parked: float
) -> list[Figure]:
    # What a worker loads with its first merges is not what tasks cost that wait.
    for one in chosen[:_WARM]:
        await _land(client, people, one)
    before = worker.memory_info().rss
    waiting = [name for name in names if name not in {one.task for one in chosen[:_WARM]}]
    began = time.monotonic()
    await _few_at_once(8, [people.view(name) for name in waiting])
    looked = time.monotonic() - began
    loaded = worker.memory_info().rss
    rest = chosen[_WARM:]
    single = [await _land(client, people, one) for one in rest[:_ONE_BY_ONE]]
    rest = rest[_ONE_BY_ONE:]
    several: list[float] = []
    while rest:
        several += await asyncio.gather(*(_land(client, people, one) for one in rest[:_AT_ONCE]))
        rest = rest[_AT_ONCE:]
    after = worker.memory_info().rss
    growth = (max(loaded, after) - before) / 1024**2
    found = [
        Figure(
            "parked_rss_growth_mb",
            round(growth, 1),
            "MB",
            goal=_GROWTH_MB,
            detail=f"{len(names)} tasks wait, each was looked at once ({looked:.0f} s); the worker had "
            f"{before / 1024**2:.0f} MB before that, {loaded / 1024**2:.0f} after, {after / 1024**2:.0f} in the end",
        ),
        Figure("parked", len(names), detail=f"tasks at review, brought there in {parked:.0f} s without sandboxes"),
    ]
    if single:
        found.append(_landing("parked_approve_p99_s", single, "one after the other"))
    if several:
        found.append(_landing("parked_approve_at_once_p99_s", several, f"{_AT_ONCE} in the same moment"))
    return found


def _landing(name: str, seconds: list[float], how: str) -> Figure:
    return Figure(
        name,
        percentile(seconds, 99),
        "s",
        goal=_LANDS_SECONDS,
        detail=f"approve to merged and on record, {len(seconds)} tasks {how}, all others wait; half within "
        f"{median(seconds):.2f} s, the slowest {max(seconds):.2f}",
    )


async def _land(client: Client, people: Terminal, one: _Parked) -> float:
    """Seconds from asking to approve until the task has ended as merged, its record written."""

    def decide(action: Action) -> None:
        asked = NewDecision(action=action, head=one.head, evidence_hash=one.evidence_hash)
        people.gateway("grace").decide(one.task, asked)

    began = time.monotonic()
    await asyncio.to_thread(decide, Action.APPROVE)
    await asyncio.to_thread(decide, Action.MERGE)
    handle = client.get_workflow_handle(task_workflow_id(one.task), result_type=TaskStatus)
    status = await handle.result()
    seconds = time.monotonic() - began
    if status.outcome is not Outcome.MERGED:
        raise RuntimeError(f"task {one.task} ended as {status.outcome}: {status.message}")
    return seconds


async def _ask(people: Terminal, repository: Path, free: asyncio.Semaphore) -> str:
    """Once there is a place for it, which is given back with its workspace."""
    await free.acquire()
    return await people.ask(repository, "mender")


async def _seen(attested: Attested, task: str) -> _Parked:
    """What the record says was judged last: asking the task itself would bring it into the worker's memory."""
    judged = (await attested.evidence(task))[-1]
    return _Parked(task, judged.head, judged.evidence_hash)


async def _all_wait(client: Client, number: int) -> None:
    """Until all are at review."""
    while True:
        counted = await client.count_workflows("WorkflowType = 'AgentTask' AND JourneymanStage = 'review'")
        if counted.count >= number:
            return
        ended = await client.count_workflows("WorkflowType = 'AgentTask' AND ExecutionStatus != 'Running'")
        if ended.count:
            raise RuntimeError(f"{ended.count} tasks ended instead of waiting")
        await asyncio.sleep(0.5)


async def _held(client: Client, names: Sequence[str]) -> int:
    """Steps that are under way or scheduled for tasks that wait: whatever holds a slot, a place or a sandbox is one."""

    async def pending(name: str) -> int:
        described = await client.get_workflow_handle(task_workflow_id(name)).describe()
        return len(described.raw_description.pending_activities)

    return sum(await _few_at_once(20, [pending(name) for name in names]))


def _repositories(state: Path, own: int) -> tuple[list[Path], list[Path]]:
    """One each for tasks that will be merged, so that none moves another's base, and some for all others."""
    first = make_repository(state / "of-0.git", FILES, bare=True)
    made = [first]
    for number in range(1, own + _SHARED_REPOSITORIES):
        made.append(Path(shutil.copytree(first, state / f"of-{number}.git")))
    return made[:own], made[own:]


def _mixed(own: list[Path], share: list[Path]) -> list[Path]:
    """The few evenly among the many."""
    step = max(1, (len(own) + len(share)) // len(own))
    mixed, many = [], iter(share)
    for one in own:
        mixed.append(one)
        mixed += [each for _, each in zip(range(step - 1), many, strict=False)]
    return mixed + list(many)


async def _few_at_once(most: int, work: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All of it, in order, with a bound on how much is under way."""
    places = asyncio.Semaphore(most)

    async def one(each: Coroutine[Any, Any, Result]) -> Result:
        async with places:
            return await each

    return await asyncio.gather(*(one(each) for each in work))
