"""What a supervisor knows of the sandbox it keeps: the seam between its loop and a backend.

Standard library only, since supervisors load it. The loop decides when a run ends and what is told about it; a
confinement starts one sandbox, says what it hears of it, and ends it.
"""

from typing import Protocol

Broken = tuple[str, str]
"""Which limit ended the run, as a RunEnd, and what to tell about it."""


class Confinement(Protocol):
    """One sandbox, by whichever backend."""

    @property
    def output(self) -> int:
        """Descriptor from which everything it writes is read, in the order it was written; without blocking."""
        ...

    @property
    def reports(self) -> tuple[int, ...]:
        """Descriptors that become readable when there is something to hear; without blocking."""
        ...

    @property
    def started(self) -> bool:
        """Whether the first process inside is there."""
        ...

    @property
    def inside(self) -> int:
        """That process's id on this host; 0 while that is not known, and where it is never known."""
        ...

    @property
    def frozen(self) -> bool:
        """Whether it was told to stand still."""
        ...

    @property
    def exit_code(self) -> int | None:
        """The command's own, once it has ended by itself; 128 and the number of a signal, as a shell has it."""
        ...

    def start(self) -> None:
        """Begin to make it. Raises OSError where that fails at once; what fails later ends `runs`."""
        ...

    def hear(self, descriptor: int) -> bool:
        """Take in what one of `reports` has. False when nothing more will come from it."""
        ...

    def runs(self) -> bool:
        """Whether the command goes on: False once it has ended, or the sandbox around it has."""
        ...

    def broken_limit(self) -> Broken | None:
        """The first limit found to be broken. Asked about ten times a second."""
        ...

    def broken_at_the_end(self) -> Broken | None:
        """What is known of broken limits when all is over."""
        ...

    def keep_frozen(self, wanted: bool) -> None:
        """Stop every process, or let all go on. Called every tick while it is frozen."""
        ...

    def stands_still(self) -> bool:
        """Whether every process has stopped since it was told to."""
        ...

    def kill(self) -> bool:
        """Kill everything of it. True when nothing is left; otherwise it is called again in a moment."""
        ...

    def memory_peak(self) -> int:
        """Bytes."""
        ...

    def cpu_seconds(self) -> float:
        """Of all its processes."""
        ...

    def remove(self) -> None:
        """Remove what is left of it on this host, after everything is dead."""
        ...

    def how_it_ended(self, said: str) -> tuple[str, str]:
        """A RunEnd and what to tell, if no exit code is known. `said` is the end of its output."""
        ...
