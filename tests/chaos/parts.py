"""Processes of the installation that are started here and started again when they die, as a service manager would."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.embedded import bound_program

_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_BETWEEN_STARTS = 0.5


class Part:
    """One process that ought to be up. It never outlives this one."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name, self.starts, self.codes = name, 0, list[int]()
        """How often it was started, and with which codes it ended."""
        self._command, self._log, self._environment = tuple(command), log, dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._held_down_until = 0.0
        self._wanted = True
        self._began = 0
        """Where in its log the process that is up begins."""

    async def start(self) -> None:
        """Start it, and keep it up from now on."""
        await self._spawn()
        self._keeping = asyncio.create_task(self._keep_up())

    async def _spawn(self) -> None:
        bound = (sys.executable, "-I", "-S", bound_program.__file__, str(os.getpid()))
        with self._log.open("ab") as log:
            self._began = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *bound,
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                # Ctrl-C is for the test alone.
                start_new_session=True,
            )
        self.starts += 1

    async def _keep_up(self) -> None:
        while True:
            assert self._process is not None
            self.codes.append(await self._process.wait())
            if not self._wanted:
                return
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(_BETWEEN_STARTS, self._held_down_until - loop.time()))
            await self._spawn()

    @property
    def pid(self) -> int | None:
        """Its process, if it is up."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def says(self, words: bytes, seconds: float) -> bool:
        """Whether the process that is up has said this, or does in so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while words not in self._log.read_bytes()[self._began :]:
                    await asyncio.sleep(0.1)
                return True
        return False

    def send(self, number: signal.Signals) -> bool:
        """Send it a signal. False if it is not up."""
        if self.pid is None or self._process is None:
            return False
        self._process.send_signal(number)
        return True

    def hold_down(self, seconds: float) -> None:
        """Start it no sooner than this."""
        self._held_down_until = asyncio.get_running_loop().time() + seconds

    async def stop(self) -> None:
        """End it for good, as a service manager does."""
        self._wanted = False
        if self._keeping is None:
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(self._keeping), _STOP_SECONDS)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._keeping
