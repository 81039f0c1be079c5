"""Telling an agent what it needs before it starts."""

from datetime import UTC, datetime

from temporalio import activity

from activities.context.builder import ContextBuilder
from activities.failures import step
from activities.host.preparations import Preparations
from activities.repository.mirror import Mirrors
from workflows.models.steps import ContextOrder, StartupContext


class BriefingActivities:
    """Implements `gather_context` of steps.HostSteps."""

    def __init__(self, preparations: Preparations, mirrors: Mirrors, builder: ContextBuilder) -> None:
        self._preparations = preparations
        self._mirrors = mirrors
        self._builder = builder

    @activity.defn(name="gather_context")
    @step
    async def gather_context(self, order: ContextOrder) -> StartupContext:
        """Gather the startup context from base and the task, and put prompt and manifest on record."""
        self._preparations.confirm(order.task, order.prepared)
        mirror = self._mirrors.of(order.task.repository.url)
        return await self._builder.gather(order, mirror, datetime.now(UTC))
