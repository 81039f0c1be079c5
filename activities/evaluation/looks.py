"""Looking at a patch in ways that may break on what is in it: then the rest goes on, and a person is told.

What is out of order on the host is no such thing: the step fails and is tried again.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from activities.archive.objects import ArchiveError
from activities.evaluation.checks import ChecksInterrupted
from activities.repository.git import GitError
from workflows.models.evidence import Finding, Severity

Seen = TypeVar("Seen")
_OF_THE_HOST = (ChecksInterrupted, GitError, ArchiveError, OSError)


class Looks:
    """Those of one evaluation."""

    def __init__(self) -> None:
        self._broke: list[str] = []

    async def take(self, name: str, look: Awaitable[Seen], instead: Seen) -> Seen:
        """What is seen, or `instead` if looking broke. Raises what is out of order on the host."""
        try:
            return await look
        except _OF_THE_HOST:
            raise
        except Exception as error:
            return self._note(name, error, instead)

    def glance(self, name: str, look: Callable[[], Seen], instead: Seen) -> Seen:
        """The same for what needs no waiting."""
        try:
            return look()
        except Exception as error:
            return self._note(name, error, instead)

    def findings(self) -> Iterator[Finding]:
        """One for each that broke."""
        for name in self._broke:
            message = f"{name}, so look for what it would have found"
            yield Finding(rule="detector-failed", severity=Severity.PERSON, message=message)

    def _note(self, name: str, error: Exception, instead: Seen) -> Seen:
        # The error's own text may quote what the patch holds, a secret for example.
        self._broke.append(f"{name} broke ({type(error).__name__})")
        return instead
