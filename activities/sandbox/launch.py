"""What a supervisor is given: a sandbox resolved to plain paths and numbers.

Standard library only. The worker resolves a SandboxSpec to this, so that the supervisor needs no model of ours.
Named tuples, as in all that supervisors load: `dataclasses` brings a megabyte with it and about 7 ms of each start.
"""

from typing import Any, NamedTuple

CONTAINER = "container"
"""Begins the name of a backend whose sandboxes are containers."""


class Ceilings(NamedTuple):
    """The limits that the supervisor itself enforces, or has the kernel enforce. Bytes, seconds and counts."""

    wall_seconds: float
    memory_bytes: int
    processes: int
    cpus: float
    disk_bytes: int
    file_bytes: int
    output_bytes: int


class CgroupPlace(NamedTuple):
    """Where cgroups can be made on this host: controller to parent directory. Version 2 has all in one."""

    version: int
    parents: dict[str, str]


class Launch(NamedTuple):
    """One run, ready to start."""

    run_id: str
    backend: str
    """Which backend made this launch, and so which one's confinement keeps it."""
    body: dict[str, Any]
    """What that backend needs beside all else here, as JSON has it."""
    mark: str
    """An argument of the sandbox's first processes by which they are found again, and the name of its cgroup."""
    uid: int | None
    """As root, the uid to drop to."""
    workspace: str | None
    """Of which no more than the disk limit may be written."""
    scratch: tuple[str, ...]
    """The tmpfs mounts inside, which count as memory."""
    ceilings: Ceilings
    grades: dict[str, str]
    lease: str
    lease_seconds: float
    lapse_seconds: float
    writable: tuple[str, ...] = ()
    """Other directories of this host that it can write to, which count with the workspace."""

    def as_json(self) -> dict[str, Any]:
        return {**self._asdict(), "ceilings": self.ceilings._asdict()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Launch":
        if "body" not in content:
            content = _before_there_were_backends(content)
        changed = {
            "scratch": tuple(content["scratch"]),
            "ceilings": Ceilings(**content["ceilings"]),
            "writable": tuple(content.get("writable", ())),
        }
        return cls(**{**content, **changed})


def _before_there_were_backends(content: dict[str, Any]) -> dict[str, Any]:
    """A launch as it was written then: its run may outlive an upgrade."""
    of_bubblewrap = {name: content[name] for name in ("options", "command", "seccomp", "cgroup")}
    rest = {name: value for name, value in content.items() if name not in {*of_bubblewrap, "bubblewrap"}}
    return {**rest, "backend": "bubblewrap", "body": {**of_bubblewrap, "program": content["bubblewrap"]}}


class BubblewrapLaunch(NamedTuple):
    """The body of a launch by bubblewrap."""

    program: str
    options: tuple[str, ...]
    """Bubblewrap's options; given through a descriptor, so that no process list shows paths or environment."""
    command: tuple[str, ...]
    seccomp: str
    cgroup: CgroupPlace | None
    """None: memory and processes are watched instead."""

    def as_json(self) -> dict[str, Any]:
        return {**self._asdict(), "cgroup": self.cgroup._asdict() if self.cgroup else None}

    @classmethod
    def of(cls, launch: Launch) -> "BubblewrapLaunch":
        body = launch.body
        place = body["cgroup"]
        return cls(
            program=body["program"],
            options=tuple(body["options"]),
            command=tuple(body["command"]),
            seccomp=body["seccomp"],
            cgroup=CgroupPlace(place["version"], place["parents"]) if place else None,
        )
