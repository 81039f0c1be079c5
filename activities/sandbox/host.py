"""Sandboxes on this host, each under a supervisor that outlives the process that started it."""

import asyncio
import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path

from activities.sandbox.arrivals import Arrivals, read_arrivals
from activities.sandbox.backend import Backend, Enforceable, ProbeFailed
from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.contract import OnOutput, RunStatus, SandboxSpec, Vitals
from activities.sandbox.launch import Launch
from activities.sandbox.runs import LeaseTerms, Runs
from activities.sandbox.stage import Stage
from activities.sandbox.uids import UidPool, check_uid
from activities.sandbox.vitals import vitals_of
from workflows.models.halt import OWN, Work
from workflows.models.limits import Grade, Guarantees, LimitGrades

POLL_SECONDS = 0.05
"""How often output and status are looked for."""
CHUNK = 256 * 1024
TRIAL_SECONDS = 60.0
"""What a sandbox of our own may take in all, on a machine that is busy."""


class HostSandboxes:
    """Implements contract.Sandboxes. All state is on disk, so any number of these on one directory agree."""

    def __init__(
        self,
        directory: Path,
        backend: Backend,
        *,
        lease_seconds: float = 60,
        lapse_seconds: float = 1800,
        wake_seconds: float = 10,
        kill_seconds: float = 30,
        sized_workspaces: bool = False,
    ) -> None:
        """Keep runs under `directory`, which only this user may list. `sized_workspaces`: whether each is a file system
        of its own, so that the kernel holds the limit on its disk.

        A run stands still `lease_seconds` after the last `renew_lease`, and ends after `lapse_seconds`. Its supervisor,
        if nothing is heard of it, is told to go on after `wake_seconds` and killed after `kill_seconds`.
        """
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._backend = backend
        self._sized = sized_workspaces
        self._runs = Runs(directory, backend, LeaseTerms(lease_seconds, lapse_seconds, wake_seconds, kill_seconds))
        self._uids = UidPool(directory / ".uids")
        self._probing = threading.Lock()
        self._enforceable: Enforceable | None = None
        self._runtime = ""

    @property
    def backend(self) -> str:
        return self._backend.name

    def grades(self) -> LimitGrades:
        """How strongly each limit holds on this host. Raises ProbeFailed.

        The first call tries them out, which takes a moment; a probe that failed is made again by the next one.
        """
        return self._probed().grades

    def guarantees(self) -> Guarantees:
        """The grades, and what makes sandboxes here. Raises ProbeFailed."""
        return Guarantees(backend=self.backend, runtime=self.runtime(), grades=self.grades())

    def runtime(self) -> str:
        """The program that makes sandboxes here, with its version; empty while that can't be found out."""
        if not self._runtime:
            with contextlib.suppress(ProbeFailed):
                self._runtime = self._backend.runtime()
        return self._runtime

    def _probed(self) -> Enforceable:
        with self._probing:
            if self._enforceable is None:
                self._enforceable = self._backend.probe(self._try_out)
                if self._sized:
                    self._enforceable = _with_disk(self._enforceable, Grade.KERNEL)
            return self._enforceable

    def _try_out(self, spec: SandboxSpec, change: Callable[[Launch], Launch]) -> tuple[RunStatus, bytes]:
        uid = self.take_uid()
        try:
            return self._runs.try_out(spec.model_copy(update={"work": OWN}), uid, change, TRIAL_SECONDS)
        finally:
            self.give_back_uid(uid)

    def system_of(self, image: str) -> str:
        return self._backend.system_of(image, self._try_out)

    def take_uid(self) -> int | None:
        return self._uids.take() if os.geteuid() == 0 else None

    def give_back_uid(self, uid: int | None) -> None:
        if uid is not None and os.geteuid() == 0:
            self._uids.give_back(uid)

    async def start(self, spec: SandboxSpec) -> None:
        """Raises BadRunId, UndroppedRoot, ImageRefused, PermissionError for a uid that can't be had, and NoUidLeft."""
        await asyncio.to_thread(self._start, spec)

    def _start(self, spec: SandboxSpec) -> None:
        if not self._runs.directory(spec.run_id).path.is_dir():
            self._make(spec)
        self._runs.supervise(spec.run_id)

    def _make(self, spec: SandboxSpec) -> None:
        self._backend.check(spec)
        if spec.uid is not None:
            check_uid(spec.uid)
        enforceable = self._probed()
        if self._sized and spec.workspace and not os.path.ismount(spec.workspace):
            # Made before that was so; runs outlive an edit of the configuration.
            enforceable = _with_disk(enforceable, Grade.WATCHED)
        uid = spec.uid if spec.uid is not None else self.take_uid()
        made = False
        try:
            check_uid(uid)
            # Only somebody in touch with the workflow starts runs.
            self.renew_lease()
            made = self._runs.make(spec, self._runs.launch(spec, uid, enforceable))
        finally:
            if not made and spec.uid is None:
                self.give_back_uid(uid)

    async def follow(self, run_id: str, offset: int, on_output: OnOutput) -> RunStatus:
        """Raises RunUnknown. May be called by any process, any number of times, also after the run's end."""
        await asyncio.to_thread(self._runs.supervise, run_id)
        while True:
            # In this order: output that comes after the final status there is none.
            status = await asyncio.to_thread(self._runs.status, run_id)
            while data := await asyncio.to_thread(self._read, run_id, offset):
                offset += len(data)
                await on_output(data, offset)
            if status is not None:
                return status
            await asyncio.sleep(POLL_SECONDS)

    def _read(self, run_id: str, offset: int) -> bytes:
        try:
            with self._runs.existing(run_id).output.open("rb") as file:
                file.seek(offset)
                return file.read(CHUNK)
        except FileNotFoundError:
            return b""

    async def arrivals(self, run_id: str) -> Arrivals:
        """Never fails: without an index nothing is known of the times."""
        return await asyncio.to_thread(read_arrivals, self._runs.directory(run_id).arrivals)

    async def run(self, spec: SandboxSpec, max_output: int = 1024 * 1024) -> tuple[RunStatus, bytes]:
        kept = bytearray()

        async def keep(data: bytes, _: int) -> None:
            kept.extend(data)
            del kept[: max(0, len(kept) - max_output)]

        try:
            await self.start(spec)
            status = await self.follow(spec.run_id, 0, keep)
        except asyncio.CancelledError:
            await asyncio.shield(self._stop_if_known(spec.run_id))
            raise
        return status, bytes(kept)

    async def _stop_if_known(self, run_id: str) -> None:
        if self._runs.directory(run_id).path.is_dir():
            await self.stop(run_id, "Whoever waited for it was cancelled.")

    async def stop(self, run_id: str, reason: str) -> None:
        """Raises RunUnknown. A run that has ended keeps the status it has."""
        await asyncio.to_thread(self._runs.supervise, run_id)
        while await asyncio.to_thread(self._runs.status, run_id) is None:
            await asyncio.to_thread(self._runs.request_stop, run_id, reason)
            await asyncio.sleep(POLL_SECONDS)

    async def forget(self, run_id: str) -> None:
        """Raises RunStillGoing. Frees the uid too, if it was taken for this run."""
        await asyncio.to_thread(self._forget, run_id)

    def _forget(self, run_id: str) -> None:
        uid = self._runs.uid_of_its_own(run_id)
        self._runs.remove(run_id)
        self.give_back_uid(uid)

    async def freeze(self, run_id: str) -> None:
        """Stop every process of a run where it is; its time does not go on either."""
        await asyncio.to_thread(self._runs.existing(run_id).freeze.touch)

    def stands_still(self, run_id: str) -> bool:
        """Whether every process of a frozen run has stopped, as its supervisor saw."""
        return self._runs.directory(run_id).still.exists()

    async def vitals(self, run_id: str) -> Vitals:
        """Whether a run prints, computes or stands still."""
        return await asyncio.to_thread(vitals_of, self._runs.existing(run_id))

    async def thaw(self, run_id: str) -> None:
        """Let a frozen run go on."""
        await asyncio.to_thread(self._runs.existing(run_id).freeze.unlink, missing_ok=True)

    def halt(self, covers: Callable[[Work | None], bool]) -> tuple[str, ...]:
        """Make every run stand still whose work is covered, whoever thaws it, and let go on whichever is not any more.

        Returns the ids of those that are made to stand still. Does not wait for them, nor look whether they live.
        """
        return self._runs.halt(covers)

    def renew_lease(self) -> None:
        """Say that this host's worker is in touch with Temporal. Call it several times per `lease_seconds`."""
        self._runs.lease.touch()

    def remove_abandoned(self) -> None:
        """Remove what a worker left that was killed while it made, tried out or forgot a run."""
        self._runs.remove_abandoned()
        with contextlib.suppress(OSError):
            # An engine that can't be asked now is asked by the next sweep.
            self._backend.remove_strays(self._runs.path)
        for run_id in self._runs.abandoned_trials():
            self._forget(run_id)

    def live_runs(self) -> tuple[str, ...]:
        """Ids of the runs on this host that have not ended."""
        return tuple(run_id for run_id in self._runs.known() if self._is_live(run_id))

    def _is_live(self, run_id: str) -> bool:
        try:
            return self._runs.status(run_id) is None
        except OSError:
            # Its supervisor died, and what it left can't be cleared up now.
            return True

    def known_runs(self) -> tuple[str, ...]:
        """Ids of all runs on this host that were not forgotten."""
        return tuple(self._runs.known())


def _with_disk(enforceable: Enforceable, grade: Grade) -> Enforceable:
    return dataclasses.replace(enforceable, grades=enforceable.grades.model_copy(update={"disk": grade}))


class BubblewrapSandboxes(HostSandboxes):
    """Those by bubblewrap."""

    def __init__(
        self,
        directory: Path,
        stage: Stage,
        *,
        lease_seconds: float = 60,
        lapse_seconds: float = 1800,
        wake_seconds: float = 10,
        kill_seconds: float = 30,
    ) -> None:
        super().__init__(
            directory,
            BubblewrapBackend(stage),
            lease_seconds=lease_seconds,
            lapse_seconds=lapse_seconds,
            wake_seconds=wake_seconds,
            kill_seconds=kill_seconds,
        )
