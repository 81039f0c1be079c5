"""Somebody who reaches Temporal's port and nothing else: schedules any step with any order, from any workflow id."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from workflows import queues
from workflows.models.status import TaskStatus


@workflow.defn(name="Intrusion")
class Intrusion:
    """One step, on behalf of nobody."""

    @workflow.run
    async def run(self, name: str, order: Any, queue: str) -> Any:
        return await workflow.execute_activity(
            name,
            order,
            task_queue=queue,
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


@workflow.defn(name="Impostor")
class Impostor:
    """Shows whatever it was given, and takes decisions without doing anything."""

    @workflow.init
    def __init__(self, status: TaskStatus) -> None:
        self._status = status

    @workflow.run
    async def run(self, status: TaskStatus) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.query
    def status(self) -> TaskStatus:
        return self._status


class Intruder:
    """What such a person can try."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tries(self, step: str, order: Any, *, queue: str = queues.API, under: str = "") -> Any:
        """Have a worker of the installation take this step; returns its result, or the words of its refusal."""
        queue_of_theirs = f"intruder-{secrets.token_hex(4)}"
        worker = Worker(
            self._client,
            task_queue=queue_of_theirs,
            workflows=[Intrusion],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            try:
                return await self._client.execute_workflow(
                    Intrusion.run,
                    args=[step, order, queue],
                    id=under or queue_of_theirs,
                    task_queue=queue_of_theirs,
                )
            except WorkflowFailureError as error:
                return said(error)

    @asynccontextmanager
    async def in_place_of(self, workflow_id: str, status: TaskStatus) -> AsyncIterator[None]:
        """Terminate a workflow and put one under its id that shows this status."""
        await self._client.get_workflow_handle(workflow_id).terminate()
        queue = f"intruder-{secrets.token_hex(4)}"
        async with Worker(
            self._client, task_queue=queue, workflows=[Impostor], workflow_runner=UnsandboxedWorkflowRunner()
        ):
            handle = await self._client.start_workflow(Impostor.run, status, id=workflow_id, task_queue=queue)
            yield
            await handle.terminate()


def said(error: BaseException) -> str:
    """The words of the innermost failure."""
    while isinstance(error, (WorkflowFailureError, FailureError)) and not isinstance(error, ApplicationError):
        if error.cause is None:
            break
        error = error.cause
    return str(error)
