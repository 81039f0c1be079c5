"""A task's place on a host: prepared, used, given back, and taken anew elsewhere when its host is gone."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows import queues, timeouts
from workflows.attendance import HostGone, attended
from workflows.failures import message_of
from workflows.halting import unless_halted
from workflows.models.patch import Patch
from workflows.models.run import Placement
from workflows.models.status import Stage
from workflows.models.steps import Prepared, PrepareOrder, ReleaseOrder
from workflows.progress import Progress
from workflows.steps import HostSteps, PlacementSteps

Argument = TypeVar("Argument")
Result = TypeVar("Result")

_MOST_HOSTS = 5
"""Hosts lost in one go before the task gives up and says so."""


class Hosting:
    """The only part of a task's workflow that knows which host it is on."""

    def __init__(self, progress: Progress, host_silence: timedelta) -> None:
        self._progress = progress
        self._host_silence = host_silence
        self._epoch = 0

    async def within(
        self, start: Callable[[], Patch | None], work: Callable[[Prepared], Coroutine[Any, Any, Result]]
    ) -> Result:
        """Do work in a workspace, in another one if its host is lost, and give the workspace back.

        `start` gives the patch to begin with, and is asked again after a loss: work may have come further meanwhile.
        """
        lost: Placement | None = None
        for _ in range(_MOST_HOSTS):
            prepared = await self._prepare(start(), lost)
            try:
                result = await attended(prepared.placement, work(prepared), self._host_silence, self._note_silence)
            except HostGone as gone:
                self._progress.say(f"{gone}; it goes on where a place is free, there if that host comes back first")
                lost = prepared.placement
                continue
            except (asyncio.CancelledError, ActivityError, ApplicationError):
                await self._release(prepared)
                raise
            await self._release(prepared)
            return result
        given_up = f"{_MOST_HOSTS} hosts were lost one after the other: look at the workers, then ask again"
        raise ApplicationError(given_up, non_retryable=True)

    async def step(
        self,
        prepared: Prepared,
        step: Callable[[Any, Argument], Awaitable[Result]],
        order: Argument,
        limit: timedelta,
    ) -> Result:
        """One step that needs the workspace."""
        return await unless_halted(
            self._progress,
            lambda: workflow.execute_activity_method(
                step,
                order,
                task_queue=prepared.placement.queue,
                start_to_close_timeout=limit,
                heartbeat_timeout=timeouts.HEARTBEAT,
                retry_policy=timeouts.UNTIL_REATTACHED,
                summary=f"round {self._progress.status.round} on {prepared.placement.host}",
            ),
        )

    def _note_silence(self) -> None:
        self._progress.change(silent_at=workflow.now())

    async def _prepare(self, start: Patch | None, lost: Placement | None) -> Prepared:
        self._epoch += 1
        self._progress.enter(Stage.PREPARE)
        order = PrepareOrder(
            task=self._progress.status.task,
            epoch=self._epoch,
            resume_from=start,
            lost_epoch=lost.epoch if lost is not None else 0,
            lost_host=lost.host if lost is not None else "",
        )
        pause, longest = timeouts.ROOM
        while (prepared := await self._place(order)) is None:
            await workflow.sleep(pause, summary="a disk is full")
            pause = min(2 * pause, longest)
        if pause != timeouts.ROOM[0]:
            self._progress.say("")
        self._progress.policy = prepared.policy
        self._progress.change(placement=prepared.placement, team=prepared.policy.budget.team, silent_at=None)
        return prepared

    async def _place(self, order: PrepareOrder) -> Prepared | None:
        """A workspace; None from a host whose disk is full, which people are told, since they have to make room."""
        try:
            return await unless_halted(self._progress, lambda: self._placed(order))
        except ActivityError as error:
            if not (isinstance(error.cause, ApplicationError) and error.cause.type == "DiskFull"):
                raise
            self._progress.say(error.cause.message)
            return None

    async def _placed(self, order: PrepareOrder) -> Prepared:
        return await workflow.execute_activity_method(
            PlacementSteps.prepare,
            order,
            task_queue=queues.SANDBOX,
            start_to_close_timeout=timeouts.PREPARE,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.FEW,
            summary="prepare a workspace",
        )

    async def _release(self, prepared: Prepared) -> None:
        try:
            released = await workflow.execute_activity_method(
                HostSteps.release,
                ReleaseOrder(task_id=self._progress.status.task.id, placement=prepared.placement),
                task_queue=prepared.placement.queue,
                schedule_to_close_timeout=timeouts.RELEASE,
                heartbeat_timeout=timeouts.HEARTBEAT,
                retry_policy=timeouts.PATIENT,
                summary="give the workspace back",
            )
        except ActivityError as error:
            self._progress.say(f"the workspace on {prepared.placement.host} is left to its sweep: {message_of(error)}")
            return
        if released.kept is not None:
            self._progress.change(patch=released.kept)
