"""Where a task stands: one status value, mirrored into search attributes and the Temporal UI as it changes."""

from typing import Any

from temporalio import workflow

from workflows import presentation
from workflows.models.evidence import Evaluation
from workflows.models.policy import TaskPolicy
from workflows.models.status import WAITS_FOR, Outcome, Stage, StageSpan, TaskStatus
from workflows.models.task import Task
from workflows.models.trace import StepPlace, stage_context, trace_of
from workflows.search_attributes import Told


class Progress:
    """The status of one task. Only workflow code changes it."""

    def __init__(self, task: Task) -> None:
        self.status = TaskStatus(task=task)
        self._told = Told()
        self.policy = TaskPolicy()
        """Of the last placement; the workspace's base commit states it."""

    def enter(self, stage: Stage, message: str | None = None, **changes: Any) -> None:
        """Begin a stage; the one before ends now, and so does its question."""
        now = workflow.now()
        spans = [*self.status.spans]
        if spans and spans[-1].ended is None:
            spans[-1] = spans[-1].model_copy(update={"ended": now})
        if stage is not Stage.ENDED:
            spans.append(StageSpan(stage=stage, started=now))
        waits_for = WAITS_FOR.get(stage, "")
        if message is None:
            message = "" if waits_for else self.status.message
        told = {"question": None, "waits_for": waits_for, "message": message, "spans": tuple(spans)}
        self.change(stage=stage, **told | changes)
        if news := self._told.news(self.status):
            workflow.upsert_search_attributes(news)

    def change(self, **changes: Any) -> TaskStatus:
        """Replace parts of the status."""
        self.status = self.status.model_copy(update=changes)
        workflow.set_current_details(presentation.details(self.status))
        return self.status

    def say(self, message: str) -> None:
        """Tell people something without changing the stage."""
        self.change(message=message)

    def next_round(self) -> TaskStatus:
        """Count one more round."""
        return self.change(round=self.status.round + 1)

    def next_run(self) -> TaskStatus:
        """Count one more run of the agent."""
        return self.change(runs=self.status.runs + 1)

    @property
    def place(self) -> StepPlace:
        """The present stage in the task's trace."""
        task = trace_of(self.status.task.id, self.status.task.trace)
        stage = stage_context(task, max(0, len(self.status.spans) - 1))
        return StepPlace(task_id=self.status.task.id, task=task, stage=stage)

    @property
    def evaluation(self) -> Evaluation:
        """What was found out about the patch that is under review."""
        assert self.status.evaluation is not None, "review begins after an evaluation"
        return self.status.evaluation

    def end(self, outcome: Outcome, message: str, **changes: Any) -> None:
        """State how the task ended. The first outcome stands."""
        if self.status.outcome is None:
            self.enter(Stage.ENDED, message=message, outcome=outcome, **changes)
