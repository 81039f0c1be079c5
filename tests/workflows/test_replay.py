"""Stored histories of every workflow and path still replay: an open task survives an upgrade of the program."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.histories.record import PATHS
from tests.support.strict_runner import STRICT_RUNNER
from workers.temporal import DATA_CONVERTER
from workers.worker import WORKFLOWS

HISTORIES = Path(__file__).parents[1] / "histories"
STORED = sorted(HISTORIES.rglob("*.json"))


@pytest.mark.parametrize("path", STORED, ids=[str(path.relative_to(HISTORIES)) for path in STORED])
async def test_a_stored_history_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=STRICT_RUNNER, data_converter=DATA_CONVERTER)
    await replayer.replay_workflow(history)


def test_there_is_a_history_of_every_path() -> None:
    stored = {str(path.relative_to(HISTORIES)) for path in STORED}
    taken = [path.__name__.replace("_", "-") for path in PATHS]
    others = {
        "reverted": "revert_merge",
        "drilled": "revert_drill",
        "swept": "host_sweep",
        "watched": "merge_watch",
        "prepared": "merge_watch",
        "turned-red": "merge_watch",
        "delivered": "delivery",
        "asked-again": "delivery_sweep",
    }
    wanted = {f"{others.get(name, 'agent_task')}/{name}.json" for name in taken}
    # What tasks share has a history of its own beside that of a task which used it.
    wanted |= {"team_budget/day-counted.json", "merge_turns/turn-taken.json"}
    wanted |= {"conversation/followed.json"}
    every = {"AgentTask", "RevertMerge", "TeamBudget", "MergeTurns", "HostSweep", "MergeWatch", "RevertDrill"}
    every |= {"Delivery", "DeliverySweep", "Conversation"}
    assert {workflow.__name__ for workflow in WORKFLOWS} == every
    assert wanted == stored
