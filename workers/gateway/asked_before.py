"""What an intent's task was asked for: from its first event, which needs no worker, or from the archive."""

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workers.gateway.reading import Reading
from workers.gateway.refusals import Refused
from workflows.models.intent import task_workflow_id
from workflows.models.status import TaskOrder
from workflows.models.task import Task


class AskedBefore:
    """Compares a task with the one that its intent already has."""

    def __init__(self, temporal: Client, reading: Reading) -> None:
        self._temporal = temporal
        self._reading = reading

    async def refuse_another_goal(self, task: Task) -> None:
        """Raise Refused if the intent's task is about something else: nothing that was asked may vanish in silence."""
        known = await self._known(task.id)
        if known is None:
            return
        parts = {
            "goal": (known.goal, task.goal),
            "repository": (known.repository.url, task.repository.url),
            "base": (known.base, task.base),
            "type": (known.task_type, task.task_type),
            "agent": (known.agent, task.agent),
            "scope": (known.scope, task.scope),
            "acceptance criteria": (known.acceptance, task.acceptance),
        }
        differing = [name for name, (before, now) in parts.items() if before != now]
        if differing:
            raise Refused(
                f"nothing was started: the key {task.intent.key!r} belongs to task {task.id}, whose "
                f"{' and '.join(differing)} {'differ' if len(differing) > 1 else 'differs'}; its goal is "
                f"{_shortened(known.goal)!r}. Ask under another key, or with --again once that task has ended"
            )

    async def _known(self, task_id: str) -> Task | None:
        recorded = await self._reading.recorded(task_id)
        if recorded is not None:
            return recorded.task
        handle = self._temporal.get_workflow_handle(task_workflow_id(task_id))
        try:
            async for event in handle.fetch_history_events(page_size=1):
                payloads = event.workflow_execution_started_event_attributes.input.payloads
                (order,) = await self._temporal.data_converter.decode(payloads, [TaskOrder])
                return TaskOrder.model_validate(order).task
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return None


def _shortened(goal: str) -> str:
    line = " ".join(goal.split())
    return line if len(line) <= 120 else line[:119] + "…"
