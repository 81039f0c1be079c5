"""Steps that a worker died in the middle of: given back to Temporal by the next one on its host, to be tried at once.

Temporal notices a dead worker by heartbeats that stay away, or, at a step without any, only when its time is over: half
a minute to five. So a worker keeps the token of each step that it is at on its host's disk, and whoever serves there
after it reports those attempts as failed. That a worker is dead, its lock tells, which the kernel lets go of when the
process ends. Time has no part in it: a worker that is slow or stopped keeps its lock, and its steps.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.host.supervised import NEXT_WORKER

_MOST_ATTEMPTS = 3
"""Later attempts are left to Temporal's timeouts: a worker that dies again and again, perhaps of this very step, would
use up in moments what is meant to last for minutes.
"""
_OVER = {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION}
"""Temporal waits for no such attempt, or never knew it."""
_log = logging.getLogger(__name__)


class Unfinished(Interceptor):
    """What each worker of a host is at, below one directory: a directory for each process, a file for each step."""

    def __init__(self, directory: Path, host: str) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._host = host
        self._mine: Path | None = None

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Called by Temporal."""
        return _Noting(next, self)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """For as long as this process serves. What it is still at in the end is left to the next one."""
        name = f"{os.getpid()}-{os.urandom(6).hex()}"
        aside = self._directory / f".{name}"
        aside.mkdir(mode=0o700)
        lock = os.open(aside, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Seen by others when it is locked, and never before.
            self._mine = aside.rename(self._directory / name)
            yield
        finally:
            with contextlib.suppress(OSError):
                (self._mine or aside).rmdir()
            os.close(lock)

    @contextlib.contextmanager
    def at(self, token: bytes) -> Iterator[None]:
        """While this process is at the step."""
        assert self._mine is not None, "steps are taken while it serves"
        note = self._mine / hashlib.sha256(token).hexdigest()
        # No step fails for want of its note: Temporal's timeouts are still there.
        with contextlib.suppress(OSError):
            note.write_bytes(token)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                note.unlink(missing_ok=True)

    async def give_back(self, client: Client) -> None:
        """Tell Temporal which steps nobody is at any more. Raises RPCError while it can't be told."""
        for directory in self._directory.iterdir():
            with _if_dead(directory) as is_dead:
                if not is_dead:
                    continue
                for note in directory.iterdir():
                    await self._fail(client, note.read_bytes())
                    note.unlink(missing_ok=True)
                shutil.rmtree(directory)

    async def _fail(self, client: Client, token: bytes) -> None:
        died = ApplicationError(
            f"the worker on host {self._host} died in the middle of it",
            type="WorkerDied",
            next_retry_delay=NEXT_WORKER,
        )
        try:
            await client.get_async_activity_handle(task_token=token).fail(died)
        except RPCError as error:
            if error.status not in _OVER:
                raise
        else:
            _log.warning("a step that a worker on this host died in the middle of was given back, to be tried again")


class _Noting(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, unfinished: Unfinished) -> None:
        super().__init__(next)
        self._unfinished = unfinished

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        if info.attempt > _MOST_ATTEMPTS:
            return await self.next.execute_activity(input)
        with self._unfinished.at(info.task_token):
            return await self.next.execute_activity(input)


@contextlib.contextmanager
def _if_dead(directory: Path) -> Iterator[bool]:
    """Whether the process that this is the directory of has ended; held until the block ends."""
    try:
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)
