"""Both versions of changed tests, read by a process of its own that may not use more than its share.

Source is data here, written by anybody: it is parsed and never executed, and a parser that hangs, crashes or eats
memory ends with its process. Whatever was not read is said to be so.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from activities.evaluation.changes import SYMLINK, Change, is_readable
from activities.evaluation.paths import TESTS, matches
from activities.evaluation.weakening.facts import Unit, unit_of
from activities.repository.git import Git

PYTHON = (".py",)
SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
MOST_FILES = 200
MOST_FILE_BYTES = 1024 * 1024
SECONDS = 30


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
            sources = [await self._source(git_dir, change.old_blob, change.is_added)]
            sources.append(await self._source(git_dir, change.new_blob, is_absent=False))
            if any(source is None for source in sources):
                found.append(ComparedTests(change.path, problem=f"it is larger than {MOST_FILE_BYTES} bytes"))
            else:
                questions.append((change, [source or "" for source in sources]))
        answers = await _answers([(change.path, source) for change, sources in questions for source in sources])
        for number, (change, _) in enumerate(questions):
            before, after = answers[2 * number : 2 * number + 2]
            problem = before if isinstance(before, str) else after if isinstance(after, str) else ""
            if isinstance(before, str) or isinstance(after, str):
                found.append(ComparedTests(change.path, problem=problem))
            else:
                found.append(ComparedTests(change.path, before, after, is_new=change.is_added))
        return tuple(found)

    async def _source(self, git_dir: Path, blob: str, is_absent: bool) -> str | None:
        if is_absent:
            return ""
        purpose = "reading a test"
        size = await self._git.line("cat-file", "-s", blob, purpose=purpose, git_dir=git_dir)
        if int(size) > MOST_FILE_BYTES:
            return None
        data = await self._git.run("cat-file", "blob", blob, purpose=purpose, git_dir=git_dir)
        return data.decode("utf-8", "replace")


async def _answers(questions: list[tuple[str, str]]) -> list[tuple[Unit, ...] | str]:
    """Units of each source, or why they are not known."""
    if not questions:
        return []
    told = "".join(
        json.dumps({"suffix": PurePosixPath(path).suffix, "source": source}) + "\n" for path, source in questions
    )
    reader = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "activities.evaluation.weakening.reader"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await reader.communicate(told.encode())
    except TimeoutError:
        said = b""
    finally:
        if reader.returncode is None:
            reader.kill()
            await reader.wait()
    lines = said.split(b"\n")[:-1][: len(questions)]
    # Decoding megabytes of answers would hold up heartbeats.
    answers = await asyncio.to_thread(lambda: [_answer(line) for line in lines])
    lost = "reading it took too long or broke, as did all that comes after it"
    return answers + [lost] * (len(questions) - len(answers))


def _answer(line: bytes) -> tuple[Unit, ...] | str:
    answer = json.loads(line)
    if "problem" in answer:
        return str(answer["problem"])
    return tuple(unit_of(unit) for unit in answer["units"])
