"""A run's directory on disk: the only thing that a supervisor and those who follow it share.

Standard library only, since supervisors load it. Every file but the output is written aside and renamed, so that a
reader sees all of it or none.
"""

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

from activities.sandbox import processes

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LEASE = "lease"
"""Beside the run directories: its modification time says when the worker was last in touch."""


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "spec.json"
        self.launch = path / "launch.json"
        """What the supervisor reads: the spec, resolved to plain paths and numbers."""
        self.supervisor = path / "supervisor.json"
        """Who supervises: pid, start time and boot."""
        self.sandbox = path / "sandbox.json"
        """The first process inside, as the host numbers it."""
        self.pulse = path / "pulse"
        """By which a supervisor that stands still is noticed."""
        self.lock = path / "lock"
        self.output = path / "output.log"
        self.arrivals = path / "output.times"
        """When the output arrived; see arrivals.py."""
        self.log = path / "supervisor.log"
        """What the supervisor itself had to say; empty when all went well."""
        self.stop = path / "stop"
        """Its content is the reason."""
        self.freeze = path / "freeze"
        """While it is there, every process of the sandbox stands still."""
        self.halt = path / "halt"
        """The same, for those who stopped all such work: whoever thaws a run leaves this alone."""
        self.still = path / "still"
        """There once every process does."""
        self.status = path / "status.json"

    def identify(self, file: Path, pid: int) -> None:
        """Record which process this is, so that it is recognised even after its id was given to another one."""
        process = processes.read(pid)
        write(file, {"pid": pid, "started": process.started if process else 0, "boot": processes.boot_id()})

    def living(self, file: Path) -> int | None:
        """The id of the process recorded in this file, if it still lives."""
        identity = read(file)
        if identity is None or identity["boot"] != processes.boot_id():
            return None
        pid = int(identity["pid"])
        return pid if processes.is_alive(pid, int(identity["started"])) else None


def read(file: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or None if there is no such file."""
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    return content if isinstance(content, dict) else None


def write(file: Path, content: dict[str, Any], *, keep_existing: bool = False) -> bool:
    """Write a JSON object durably and at once. With `keep_existing`, the first writer wins; says whether it was us."""
    aside = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with aside.open("x") as stream:
            json.dump(content, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        if keep_existing:
            os.link(aside, file)
        else:
            aside.rename(file)
            return True
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
    return True
