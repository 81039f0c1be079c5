"""The runs on this host, as their directories: made, supervised, concluded, removed. Blocking; see host.py.

Nothing is remembered here: two of these on one directory, or one after a restart, see the same runs.
"""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from activities.sandbox import processes, run_directory, supervisor
from activities.sandbox.backend import Backend, Enforceable
from activities.sandbox.clearing import clear
from activities.sandbox.contract import RunStatus, SandboxSpec
from activities.sandbox.launch import Ceilings, Launch
from activities.sandbox.pulse import silence
from activities.sandbox.run_directory import LEASE, RUN_ID, RunDirectory
from workflows.models.limits import LimitGrades
from workflows.models.run import RunEnd

START_SECONDS = 30.0
"""How long a supervisor may take to come up on a machine that is busy."""
SHORT = 0.01
_MAKING, _REMOVING = ".making-", ".removing-"
"""How directories begin that are no runs yet, or no longer."""
_TRIAL = re.compile(r"probe-(\d{1,9})-[0-9a-f]+")
"""Names of sandboxes of our own, by which the process that waits for one is known."""
_ABANDONED = 60.0
"""Seconds after which nobody is at such a directory any more; it takes milliseconds."""
_DIED = "The run's supervisor died without a final status, or stood still and was killed."


class BadRunId(ValueError):
    """A run id that cannot name a directory."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Refused the run id {run_id[:80]!r}: it names a directory, so it must be letters, digits, '.', '_' and "
            f"'-', start with a letter or digit, be at most 128 long and not be '{LEASE}'."
        )


class RunUnknown(LookupError):
    """There is no such run on this host."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id} on this host: it was never started here, or was forgotten.")


class RunStillGoing(Exception):
    """A run that has not ended cannot be forgotten."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Run {run_id} has not ended, so its directory cannot be removed. Stop it first.")


@dataclass(frozen=True)
class LeaseTerms:
    """For how long runs and their supervisors may be out of touch."""

    overdue_after: float
    lapses_after: float
    wakes_after: float = 10
    """Seconds without a supervisor's pulse after which it is told to go on, if somebody had stopped it."""
    killed_after: float = 30
    """Seconds without a pulse after which it is given up, and with it the run that nobody watches."""


class Runs:
    """All runs under one directory."""

    def __init__(self, directory: Path, backend: Backend, terms: LeaseTerms) -> None:
        self.path, self._backend, self._terms = directory, backend, terms
        self.lease = directory / LEASE

    def directory(self, run_id: str) -> RunDirectory:
        """Where a run is, or would be. Raises BadRunId."""
        if not RUN_ID.fullmatch(run_id) or run_id == LEASE:
            raise BadRunId(run_id)
        return RunDirectory(self.path / run_id)

    def existing(self, run_id: str) -> RunDirectory:
        """Where a run is. Raises RunUnknown."""
        directory = self.directory(run_id)
        if not directory.path.is_dir():
            raise RunUnknown(run_id)
        return directory

    def make(self, spec: SandboxSpec, launch: Launch) -> bool:
        """Record a run. False if there is one under this id, which then stays as it is."""
        directory = self.directory(spec.run_id)
        aside = RunDirectory(self.path / f"{_MAKING}{os.getpid()}-{os.urandom(6).hex()}")
        aside.path.mkdir(parents=True, mode=0o700)
        try:
            aside.spec.write_text(spec.model_dump_json(indent=1))
            run_directory.write(aside.launch, launch.as_json())
            aside.path.rename(directory.path)
        except OSError:
            if directory.path.is_dir():
                return False
            raise
        finally:
            shutil.rmtree(aside.path, ignore_errors=True)
        return True

    def launch(self, spec: SandboxSpec, uid: int | None, enforceable: Enforceable) -> Launch:
        """Turn a spec into what a supervisor needs."""
        limits = spec.limits
        mark = hashlib.sha256(f"{self.path.resolve()}/{spec.run_id}".encode()).hexdigest()[:20]
        return Launch(
            run_id=spec.run_id,
            backend=self._backend.name,
            body=self._backend.body(spec, mark, uid, enforceable),
            mark=mark,
            uid=uid,
            workspace=str(spec.workspace) if spec.workspace and spec.workspace_writable else None,
            scratch=self._backend.scratch(spec),
            ceilings=Ceilings(
                wall_seconds=limits.wall_seconds,
                memory_bytes=limits.memory_bytes,
                processes=limits.processes,
                cpus=limits.cpus,
                disk_bytes=limits.disk_bytes,
                file_bytes=limits.file_bytes,
                output_bytes=limits.output_bytes,
            ),
            grades=enforceable.grades.model_dump(mode="json"),
            lease=str(self.lease),
            lease_seconds=self._terms.overdue_after,
            lapse_seconds=self._terms.lapses_after,
            writable=tuple(str(mount.source) for mount in spec.mounts if mount.writable),
        )

    def try_out(
        self, spec: SandboxSpec, uid: int | None, change: Callable[[Launch], Launch], seconds: float
    ) -> tuple[RunStatus, bytes]:
        """Run a sandbox of our own to its end, its launch changed, and forget it: its status and its output."""
        launch = change(self.launch(spec, uid, Enforceable(LimitGrades())))
        # No lease: that of this host may have run out, and it is not for a trial to renew it for the others.
        no_lease = str(self.directory(spec.run_id).path / "no-lease")
        launch = launch._replace(lease=no_lease, lease_seconds=seconds, lapse_seconds=seconds)
        self.make(spec, launch)
        self.supervise(spec.run_id)
        while (status := self.status(spec.run_id)) is None:
            time.sleep(SHORT)
        try:
            return status, self.directory(spec.run_id).output.read_bytes()
        except FileNotFoundError:
            return status, b""  # Its supervisor died before there was any.
        finally:
            self.remove(spec.run_id)

    def supervise(self, run_id: str) -> None:
        """Start the run's supervisor, unless it has or had one."""
        directory = self.existing(run_id)
        if directory.supervisor.exists() or directory.status.exists():
            return
        try:
            started = self._start_supervisor(directory)
        except subprocess.TimeoutExpired:
            if not directory.supervisor.exists():
                raise
            return
        if started not in (0, supervisor.TAKEN) and not directory.supervisor.exists():
            said = directory.log.read_text(errors="replace")[-2000:]
            self._conclude(directory, RunEnd.NOT_STARTED, f"The supervisor could not be started: {said}")

    def _start_supervisor(self, directory: RunDirectory) -> int:
        """Its exit code. Raises TimeoutExpired; a supervisor may have come of it all the same."""
        log = os.open(directory.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            starter = subprocess.run(
                [sys.executable, "-P", "-m", supervisor.__name__, str(directory.path.resolve())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PYTHONPATH": str(Path(supervisor.__file__).parents[2]), "PATH": os.defpath},
                start_new_session=True,
                timeout=START_SECONDS,
                check=False,
            )
        finally:
            os.close(log)
        return starter.returncode

    def status(self, run_id: str) -> RunStatus | None:
        """The final status, or None while the run goes on. A supervisor that died without one is noticed here."""
        directory = self.existing(run_id)
        found = _read_status(directory)
        if found or not directory.supervisor.exists() or self._is_at_work(directory):
            return found
        # It may have ended properly between the two looks.
        return _read_status(directory) or self._lost(directory)

    def _is_at_work(self, directory: RunDirectory) -> bool:
        """Whether the run has a supervisor. One that stands still watches no limit: it is woken up, then killed."""
        supervisor_pid = directory.living(directory.supervisor)
        if not supervisor_pid:
            return False
        process = processes.read(supervisor_pid)
        silent = silence(directory.pulse, process.started) if process else 0.0
        number = signal.SIGKILL if silent > self._terms.killed_after else signal.SIGCONT
        if silent > min(self._terms.wakes_after, self._terms.killed_after):
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor_pid, number)
        return True

    def _lost(self, directory: RunDirectory) -> RunStatus | None:
        """Kill what the supervisor left, wait until it is dead, and only then say so."""
        launch = Launch.from_json(run_directory.read(directory.launch) or {})
        deadline = time.monotonic() + START_SECONDS
        while True:
            cleared = clear(launch)
            inside = directory.living(directory.sandbox)
            marked = [process.pid for process in processes.with_argument(launch.mark)]
            left = {*marked, *([inside] if inside else [])}
            if cleared and not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                return None  # Asked again, this goes on; a status would claim that they are dead.
            time.sleep(SHORT)
        return self._conclude(directory, RunEnd.LOST, _DIED)

    def _conclude(self, directory: RunDirectory, end: RunEnd, detail: str) -> RunStatus | None:
        content = run_directory.read(directory.launch) or {}
        status = {
            "run_id": directory.path.name,
            "end": end.value,
            "detail": detail,
            "grades": content.get("grades", {}),
            "requested_at": round(directory.launch.stat().st_mtime, 6),
            "ended_at": round(time.time(), 6),
        }
        run_directory.write(directory.status, status, keep_existing=True)
        return _read_status(directory)

    def request_stop(self, run_id: str, reason: str) -> None:
        """Ask the supervisor to end the run."""
        directory = self.existing(run_id)
        aside = directory.stop.with_name(f".stop.{os.urandom(6).hex()}")
        aside.write_text(reason)
        aside.rename(directory.stop)
        pid = directory.living(directory.supervisor)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def remove(self, run_id: str) -> None:
        """Remove what is left of a run. Raises RunStillGoing."""
        directory = self.directory(run_id)
        if not directory.path.is_dir():
            return
        status = self.status(run_id)
        if status is None and directory.supervisor.exists():
            raise RunStillGoing(run_id)
        if status and status.end in {RunEnd.LOST, RunEnd.NOT_STARTED}:
            # An engine may have gone on with what a supervisor asked for before it died or gave up.
            clear(Launch.from_json(run_directory.read(directory.launch) or {}))
        aside = self.path / f"{_REMOVING}{os.urandom(6).hex()}"
        directory.path.rename(aside)
        shutil.rmtree(aside)

    def remove_abandoned(self) -> None:
        """Remove what was being made or removed when the process that did was killed."""
        for path in self.path.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.name.startswith((_MAKING, _REMOVING)) and time.time() - path.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(path, ignore_errors=True)

    def abandoned_trials(self) -> list[str]:
        """Those that have ended, and whose process died before it could forget them."""
        found = (match for run_id in self.known() if (match := _TRIAL.fullmatch(run_id)) is not None)
        return [match[0] for match in found if processes.read(int(match[1])) is None and self.status(match[0])]

    def uid_of_its_own(self, run_id: str) -> int | None:
        """The uid that was taken for this run alone."""
        directory = self.directory(run_id)
        spec, launch = run_directory.read(directory.spec), run_directory.read(directory.launch)
        return launch["uid"] if spec and launch and spec["uid"] is None else None

    def known(self) -> list[str]:
        """Every run id that has a directory here."""
        if not self.path.is_dir():
            return []
        return sorted(path.name for path in self.path.iterdir() if RUN_ID.fullmatch(path.name) and path.is_dir())


def _read_status(directory: RunDirectory) -> RunStatus | None:
    content = run_directory.read(directory.status)
    return RunStatus.model_validate(content) if content else None
