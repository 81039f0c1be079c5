"""What the system adds to a task on a small repository, and what the task leaves in Temporal."""

from pathlib import Path

from tests.benchmarks.figures import Figure, median, spread
from tests.benchmarks.timing import timed
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, installed
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.status import Stage

_TASKS = 7


async def measure(state: Path) -> list[Figure]:
    """Tasks one after the other, the first one not counted: it fills the mirror."""
    async with installed(state) as installation:
        repository = make_repository(state / "repository", FILES)
        own, tasks = [], []
        for number in range(_TASKS + 1):
            task = await timed(installation, repository, "mender")
            if number:
                own.append(task.own)
            tasks.append(task.task_id)
        events, size = await _history(installation, tasks[-1])
    return [
        Figure("overhead_s", median(own), "s", goal=1.5, detail=f"ask to review, less agent and checks: {spread(own)}"),
        Figure("history_events", events, goal=120, detail="of a task that was approved and merged"),
        Figure("history_bytes", size, goal=100_000, detail="the same"),
    ]


async def _history(installation, task: str) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    await installation.decide(task, Action.APPROVE)
    await installation.decide(task, Action.MERGE)
    await installation.reaches(task, Stage.ENDED)
    from workers.temporal import connect  # noqa: PLC0415

    client = await connect(installation.settings.temporal_address, installation.settings.temporal_namespace)
    described = await client.get_workflow_handle(task_workflow_id(task)).describe()
    info = described.raw_description.workflow_execution_info
    return info.history_length, info.history_size_bytes
