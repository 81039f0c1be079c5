"""What hosts keep for the next task goes away when it is old, by a schedule, and never while a task uses it."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workers.schedules import schedule_sweep
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.status import Stage
from workflows.models.steps import Swept

pytestmark = pytest.mark.xdist_group("lifetimes")
TEAM = '[setup]\ncommands = ["touch $JOURNEYMAN_LAYER/made"]\n'


def age(directory: Path, days: float = 100) -> None:
    """As if nobody had used anything in there since."""
    then = time.time() - days * 86_400
    for mark in directory.glob("*.used"):
        os.utime(mark, (then, then))


async def swept(client: Client, host: str) -> Swept:
    """Have the schedule act now, and return what the sweep that it started has removed."""
    schedule = client.get_schedule_handle(f"sweep/{host}")
    before = len((await schedule.describe()).info.recent_actions)
    await schedule.trigger()
    async with asyncio.timeout(30):
        while len(actions := (await schedule.describe()).info.recent_actions) <= before:
            await asyncio.sleep(0.05)
    done = actions[-1].action
    assert isinstance(done, ScheduleActionExecutionStartWorkflow)
    handle = client.get_workflow_handle(done.workflow_id, result_type=Swept, run_id=done.first_execution_run_id)
    swept: Swept = await handle.result()
    return swept


def kept(here: Installation) -> tuple[list[Path], list[Path]]:
    layout = here.parts.shared.layout
    layers = [path for path in (layout.layers / "layers").glob("*") if not path.suffix]
    return sorted(layout.mirrors.glob("*.git")), sorted(layers)


async def test_old_mirrors_and_layers_are_removed_by_the_schedule_but_not_those_of_a_task_at_work(state: Path) -> None:
    busy = make_repository(state / "busy.git", FILES | {".journeyman/team.toml": TEAM}, bare=True)
    done = make_repository(
        state / "done.git", FILES | {".journeyman/team.toml": TEAM.replace("made", "other")}, bare=True
    )
    async with installed(state) as here:
        layout, host = here.parts.shared.layout, here.parts.host
        client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
        await here.reaches(await here.ask(done, "mender"), Stage.REVIEW)
        (old,) = kept(here)[1]
        task = await here.ask(busy, "waiter")
        await here.reaches(task, Stage.RUN)
        assert [len(things) for things in kept(here)] == [2, 2]
        assert await swept(client, host) == Swept()
        for directory in (layout.mirrors, layout.layers / "layers"):
            age(directory)
        removed = await swept(client, host)
        (mirror,), (layer,) = kept(here)
        assert (removed.layers, len(removed.mirrors)) == ((old.name,), 1)
        assert mirror.name not in removed.mirrors and layer.name != old.name
        (here.agents / "waiter" / "go").touch()
        await here.reaches(task, Stage.REVIEW)
        # What was removed is made again.
        await here.reaches(await here.ask(done, "mender", goal="mend add() once more"), Stage.REVIEW)
        assert [len(things) for things in kept(here)] == [2, 2]


async def test_a_host_that_starts_again_has_one_schedule_with_the_interval_of_now(temporal: Client) -> None:
    await schedule_sweep(temporal, "h9", timedelta(hours=1))
    await schedule_sweep(temporal, "h9", timedelta(hours=2))
    handle = temporal.get_schedule_handle("sweep/h9")
    (interval,) = (await handle.describe()).schedule.spec.intervals
    assert interval.every == timedelta(hours=2)
    await handle.delete()


async def test_a_person_who_looks_at_an_old_task_is_told_what_retention_has_removed_and_of_what_is_left(
    state: Path,
) -> None:
    # Of checks that take equally long pytest says the same, and the same bytes stay while any task needs them.
    check = '[[checks]]\nname = "pytest"\ncommand = "date +%s%N; python3 -m pytest -q"\n'
    repository = make_repository(state / "till.git", FILES | {".journeyman/team.toml": check}, bare=True)
    short = 1 / 86_400
    async with installed(state, keep_log_days=short, keep_transcript_days=short, keep_trace_days=short) as here:
        client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
        task = await here.ask(repository, "mender")
        await here.reaches(task, Stage.REVIEW)
        # Another agent, which prints something else.
        open_task = await here.ask(repository, "learner", goal="and this one stays open")
        await here.reaches(open_task, Stage.REVIEW)
        await here.decide(task, Action.REJECT, message="not now")
        await here.reaches(task, Stage.ENDED)
        removed: dict[str, int] = {}
        async with asyncio.timeout(60):
            # Spans are written a moment after what they tell of.
            while removed.keys() != {"log", "transcript", "trace"}:
                removed |= (await swept(client, here.parts.host)).artifacts
        shown = await typed(state, "show", task)
        assert shown.code == 0 and "removed     output.log" in shown.out and "by retention: log artefacts" in shown.out
        for words in (("logs", task), ("logs", task, "--raw"), ("evidence", task, "--output")):
            told = await typed(state, *words)
            assert told.code == 1 and "was removed on" in told.error and "by retention" in told.error, told
        assert "not now" in shown.out and "+" in (await typed(state, "diff", task)).out
        assert (await typed(state, "evidence", task)).code == 0
        drawn = await typed(state, "show", task, "--timeline")
        assert drawn.code == 0 and "only the stages are left" in drawn.error
        assert (await typed(state, "logs", open_task)).code == 0
        assert "removed" not in (await typed(state, "show", open_task)).out
