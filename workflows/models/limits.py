"""Limits of a sandbox, and how strongly each is enforced."""

from enum import StrEnum

from pydantic import Field

from workflows.models.base import Model

MIB = 1024 * 1024
GIB = 1024 * MIB


class Limits(Model):
    """What one sandbox may use."""

    wall_seconds: float = Field(default=1800, gt=0)
    memory_bytes: int = Field(default=4 * GIB, gt=0)
    """All processes of the sandbox together, its tmpfs included."""
    processes: int = Field(default=512, gt=0)
    """Processes and threads at any one time."""
    cpus: float = Field(default=2.0, gt=0)
    disk_bytes: int = Field(default=4 * GIB, gt=0)
    """Growth of the workspace."""
    file_bytes: int = Field(default=1 * GIB, gt=0)
    """The largest single file."""
    scratch_bytes: int = Field(default=512 * MIB, gt=0)
    """Size of /tmp and of the home directory, each a tmpfs."""
    output_bytes: int = Field(default=64 * MIB, gt=0)
    """Standard output and error together."""


class Grade(StrEnum):
    """How strongly a limit holds on this host."""

    KERNEL = "kernel"
    """The kernel refuses to go beyond it."""
    WATCHED = "watched"
    """Measured several times a second; going beyond it ends the run."""
    NONE = "none"


class LimitGrades(Model):
    """The grade of each limit, for one backend on one host."""

    wall: Grade = Grade.NONE
    memory: Grade = Grade.NONE
    processes: Grade = Grade.NONE
    cpus: Grade = Grade.NONE
    disk: Grade = Grade.NONE
    file: Grade = Grade.NONE
    scratch: Grade = Grade.NONE
    output: Grade = Grade.NONE
    network: Grade = Grade.NONE
    """No way out but the egress gateway."""


class Guarantees(Model):
    """What the sandboxes of one host are made by, and what they hold."""

    backend: str = ""
    """Such as `bubblewrap`, or `container+runsc`."""
    runtime: str = ""
    """The program that makes them, such as `bubblewrap 0.11.0` or `runc of Podman 4.3.1`."""
    grades: LimitGrades = LimitGrades()
