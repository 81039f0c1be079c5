"""The conversation about one task: people see where they talk how it stands, for as long as something can change.

A workflow of its own, so that a chat that is down holds up no task, and reminders cost a task nothing. What is shown is
read anew each time: of many changes while a chat was away the last one is shown, once.
"""

import contextlib
from datetime import timedelta

from temporalio import workflow

from workflows import queues, timeouts
from workflows.following import signalled
from workflows.models.conversation import ConversationOrder, Shown
from workflows.models.intent import task_workflow_id
from workflows.presentation import as_code
from workflows.steps import ConversationSteps

_SETTLE = timedelta(seconds=1)
"""Stages that pass within it are shown once."""


@workflow.defn(name="Conversation")
class Conversation:
    """Shows one task wherever people talk about it, and reminds them of what waits for them."""

    @workflow.init
    def __init__(self, order: ConversationOrder) -> None:
        self._order = order
        self._news = True

    @workflow.signal
    def changed(self) -> None:
        """The task is not as it was, or somebody talks about it elsewhere, too. It says nothing itself."""
        self._news = True

    @workflow.run
    async def run(self, order: ConversationOrder) -> Shown:
        """Show it whenever it has changed, until nothing can change any more."""
        task = task_workflow_id(order.task_id)
        await signalled(task, "follow")
        while True:
            self._news = False
            shown = await self._show()
            self._order = self._order.model_copy(update={"notes": shown.notes})
            workflow.set_current_details(_details(shown))
            if shown.is_over and not self._news:
                return shown
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._order)
            await self._news_or_time(shown)

    async def _news_or_time(self, shown: Shown) -> None:
        left = max(timedelta(), shown.look_at - workflow.now()) if shown.look_at is not None else None
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._news, timeout=left, timeout_summary="remind, or try again")
        if self._news:
            await workflow.sleep(_SETTLE, summary="let it settle")

    async def _show(self) -> Shown:
        return await workflow.execute_activity_method(
            ConversationSteps.show_conversation,
            self._order,
            task_queue=queues.GATEWAY,
            start_to_close_timeout=timeouts.QUICK,
            # A gateway may be away for hours; what does not answer where people talk is not its failure.
            retry_policy=timeouts.PATIENT,
            summary="show it where people talk about it",
        )


def _details(shown: Shown) -> str:
    lines = [f"- {as_code(key)}" for key in shown.notes]
    lines += [f"- {as_code(key)}: {as_code(why, 400)}" for key, why in shown.not_shown.items()]
    return "\n".join(lines)
