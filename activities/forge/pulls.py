"""The local forge's pull requests: JSON files beside the repository, one for each."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from workflows.models.base import Model


class Pull(Model):
    """One pull request of the local forge."""

    schema_version: int = 1
    number: int
    branch: str
    base: str
    head: str
    title: str
    body: str
    state: Literal["open", "merged", "closed"] = "open"
    merge_commit: str = ""
    reason: str = ""


class Pulls:
    """The pull requests of one repository, in a folder of this installation's.

    Not in the repository itself: its owner could have root write wherever a link there leads.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder

    def all(self) -> list[Pull]:
        """Every pull request, by number; a file that is none is passed over."""
        found = []
        for path in sorted(self._folder.glob("*.json"), key=lambda path: (len(path.name), path.name)):
            with suppress(ValidationError, OSError):
                found.append(Pull.model_validate_json(path.read_bytes()))
        return found

    def of_branch(self, branch: str) -> Pull | None:
        """The newest pull request of a branch."""
        return next((pull for pull in reversed(self.all()) if pull.branch == branch), None)

    def create(self, *, branch: str, base: str, head: str, title: str, body: str) -> Pull:
        """Create one under the next free number. The caller sees to it that a branch has one open at most."""
        number = max((pull.number for pull in self.all()), default=0)
        while True:
            number += 1
            pull = Pull(number=number, branch=branch, base=base, head=head, title=title, body=body)
            draft = self._draft(pull)
            try:
                # A link can't replace: of two that want this number, one goes on to the next.
                self._path(number).hardlink_to(draft)
            except FileExistsError:
                continue
            finally:
                draft.unlink()
            return pull

    def save(self, pull: Pull) -> Pull:
        """Replace the record of a pull request, whole or not at all."""
        self._draft(pull).rename(self._path(pull.number))
        return pull

    def _draft(self, pull: Pull) -> Path:
        draft = self._folder / f".{pull.number}.{os.getpid()}.{os.urandom(4).hex()}"
        with draft.open("w") as file:
            file.write(pull.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        return draft

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.json"
