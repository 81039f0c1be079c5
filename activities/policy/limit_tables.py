"""The `[limits]` tables of the owners' files: what each kind of sandbox may use."""

from typing import Literal

from pydantic import ByteSize, Field

from activities.policy.document import Document
from workflows.models.limits import Limits


class LimitTable(Document):
    """Limits of one kind of sandbox, each optional. Sizes are bytes or text such as `"512 MiB"`."""

    wall_seconds: float | None = Field(default=None, gt=0)
    """From its start to its end; where no file states it, 30 minutes of a run, 15 of a check or set-up."""
    memory_bytes: ByteSize | None = Field(default=None, gt=0)
    """All its processes together, its scratch space included; 4 GiB if no file states it."""
    processes: int | None = Field(default=None, gt=0)
    """Processes and threads at any one time; 512 if no file states it."""
    cpus: float | None = Field(default=None, gt=0)
    """Processors' worth of time; 2 if no file states it."""
    disk_bytes: ByteSize | None = Field(default=None, gt=0)
    """By how much its workspace may grow; 4 GiB if no file states it."""
    file_bytes: ByteSize | None = Field(default=None, gt=0)
    """The largest single file; 1 GiB if no file states it."""
    scratch_bytes: ByteSize | None = Field(default=None, gt=0)
    """Size of /tmp and of the home directory, each in memory; 512 MiB if no file states it."""
    output_bytes: ByteSize | None = Field(default=None, gt=0)
    """Standard output and error together; 64 MiB if no file states it."""

    def tighten(self, limits: Limits) -> Limits:
        """The stricter of both, limit by limit."""
        stated = self._stated()
        return limits.model_copy(update={name: min(getattr(limits, name), value) for name, value in stated.items()})

    def replace(self, limits: Limits) -> Limits:
        """These limits, and the given ones where none is stated: only for the owner of the defaults."""
        return limits.model_copy(update=self._stated())

    def _stated(self) -> dict[str, int | float]:
        # ByteSize is an int that shows itself in units; limits are compared and hashed as plain numbers.
        return {name: value if isinstance(value, float) else int(value) for name, value in self if value is not None}


class LimitTables(Document):
    """Limits by kind of sandbox."""

    run: LimitTable = LimitTable()
    """The agent's own."""
    check: LimitTable = LimitTable()
    """One check of one tree."""
    setup: LimitTable = LimitTable()
    """Making an environment layer."""

    def of(self, kind: Literal["run", "check", "setup"]) -> LimitTable:
        """The table of one kind of sandbox."""
        return {"run": self.run, "check": self.check, "setup": self.setup}[kind]
