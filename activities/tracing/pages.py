"""Addresses of the pages where people look at tasks: in Temporal's UI, and where traces are sent to."""

from dataclasses import dataclass
from urllib.parse import quote

from workflows.models.intent import task_workflow_id
from workflows.models.task import Task
from workflows.models.trace import trace_of

TRACE_ID = "{trace_id}"


@dataclass(frozen=True)
class TaskPages:
    """Either may be empty: then there is no such page."""

    temporal: str = ""
    """Where the pages of a namespace begin."""
    trace: str = ""
    """Of a trace, with `{trace_id}` in place of its id."""

    def workflow_of(self, task_id: str) -> str:
        """Of the task's workflow."""
        return f"{self.temporal}/workflows/{quote(task_workflow_id(task_id), safe='')}" if self.temporal else ""

    def trace_of(self, task: Task) -> str:
        """Of its trace, from the request that began it to its merge."""
        return self.trace.replace(TRACE_ID, trace_of(task.id, task.trace).trace_id)


NO_PAGES = TaskPages()
