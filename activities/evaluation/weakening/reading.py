"""Both versions of changed tests, read by the process that parses. Whatever was not read is said to be so."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from activities.evaluation.changes import SYMLINK, Change, is_readable
from activities.evaluation.parsing.asking import MOST_FILE_BYTES, ask, source_of
from activities.evaluation.paths import TESTS, matches
from activities.evaluation.weakening.facts import Unit, unit_of
from activities.repository.git import Git

PYTHON = (".py",)
SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
MOST_FILES = 200


@dataclass(frozen=True)
class ComparedTests:
    """One changed file of tests."""

    path: str
    before: tuple[Unit, ...] = ()
    after: tuple[Unit, ...] = ()
    is_new: bool = False
    problem: str = ""
    """Why it could not be read; then neither version is known."""


def comparable(changes: Sequence[Change], test_paths: tuple[str, ...]) -> list[Change]:
    """Changed files of tests in a language that is read."""
    patterns = (*TESTS, *test_paths)
    return [
        change
        for change in changes
        if PurePosixPath(change.path).suffix in (*PYTHON, *SCRIPTS)
        and not change.is_deleted
        and SYMLINK not in (change.old_mode, change.new_mode)
        and (matches(change.path, patterns) or PurePosixPath(change.path).name == "conftest.py")
    ]


class TestReader:
    """Reads what tests assert, on base and with the patch."""

    __test__ = False

    def __init__(self, git: Git) -> None:
        self._git = git

    async def read(
        self, git_dir: Path, changes: tuple[Change, ...], test_paths: tuple[str, ...]
    ) -> tuple[ComparedTests, ...]:
        """Of a patch's tests. Raises GitError."""
        chosen = comparable(changes, test_paths)
        if not chosen or not is_readable(changes):
            return ()
        found: list[ComparedTests] = []
        questions: list[tuple[Change, list[str]]] = []
        for number, change in enumerate(chosen):
            if number >= MOST_FILES:
                found.append(ComparedTests(change.path, problem=f"more than {MOST_FILES} files of tests are changed"))
                continue
            sources = [
                "" if change.is_added else await source_of(self._git, git_dir, change.old_blob),
                await source_of(self._git, git_dir, change.new_blob),
            ]
            if any(source is None for source in sources):
                found.append(ComparedTests(change.path, problem=f"it is larger than {MOST_FILE_BYTES} bytes"))
            else:
                questions.append((change, [source or "" for source in sources]))
        answers = await ask(
            [
                {"ask": "tests", "suffix": PurePosixPath(change.path).suffix, "source": source}
                for change, sources in questions
                for source in sources
            ]
        )
        for number, (change, _) in enumerate(questions):
            pair = answers[2 * number : 2 * number + 2]
            if problem := next((str(answer["problem"]) for answer in pair if "problem" in answer), ""):
                found.append(ComparedTests(change.path, problem=problem))
            else:
                before, after = (tuple(unit_of(unit) for unit in answer["units"]) for answer in pair)
                found.append(ComparedTests(change.path, before, after, is_new=change.is_added))
        return tuple(found)
