"""Asking the process that parses, and waiting no longer than for its share of time."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from activities.repository.git import Git

SECONDS = 30
MOST_FILE_BYTES = 1024 * 1024
LOST = "reading it took too long or broke, as did all that comes after it"
_MOST_BYTES = 48 * 1024 * 1024
_PURPOSE = "reading a changed file"


async def ask(questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """An answer to each question; one with `problem` says why there is none."""
    if not questions:
        return []
    reader = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "activities.evaluation.parsing.reader"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    told = "".join(json.dumps(question) + "\n" for question in questions)
    said = bytearray()
    try:
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as both:
            both.create_task(_tell(reader, told.encode()))
            both.create_task(_hear(reader, said))
    except TimeoutError:
        pass  # what it has answered until then counts
    finally:
        if reader.returncode is None:
            reader.kill()
            await reader.wait()
    lines = bytes(said).split(b"\n")[:-1][: len(questions)]
    # Decoding megabytes of answers would hold up heartbeats.
    answers = await asyncio.to_thread(lambda: [_decoded(line) for line in lines])
    return answers + [{"problem": LOST}] * (len(questions) - len(answers))


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return {"problem": "what was read of it makes no sense"}


async def _tell(reader: Process, questions: bytes) -> None:
    assert reader.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        reader.stdin.write(questions)
        await reader.stdin.drain()
        reader.stdin.close()


async def _hear(reader: Process, said: bytearray) -> None:
    assert reader.stdout is not None
    # It bounds its answers itself, as long as nothing that it parses has taken it over.
    while len(said) < _MOST_BYTES and (more := await reader.stdout.read(1024 * 1024)):
        said += more


async def source_of(git: Git, git_dir: Path, blob: str) -> str | None:
    """A blob as text; None if it is larger than is read. Raises GitError."""
    size = await git.line("cat-file", "-s", blob, purpose=_PURPOSE, git_dir=git_dir)
    if int(size) > MOST_FILE_BYTES:
        return None
    data = await git.run("cat-file", "blob", blob, purpose=_PURPOSE, git_dir=git_dir)
    return data.decode("utf-8", "replace")
