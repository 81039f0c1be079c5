"""Asking the process that parses, and waiting no longer than for its share of time."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from activities.repository.git import Git

SECONDS = 30
MOST_FILE_BYTES = 1024 * 1024
LOST = "reading it took too long or broke, as did all that comes after it"
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
    answers = await asyncio.to_thread(lambda: [dict(json.loads(line)) for line in lines])
    return answers + [{"problem": LOST}] * (len(questions) - len(answers))


async def source_of(git: Git, git_dir: Path, blob: str) -> str | None:
    """A blob as text; None if it is larger than is read. Raises GitError."""
    size = await git.line("cat-file", "-s", blob, purpose=_PURPOSE, git_dir=git_dir)
    if int(size) > MOST_FILE_BYTES:
        return None
    data = await git.run("cat-file", "blob", blob, purpose=_PURPOSE, git_dir=git_dir)
    return data.decode("utf-8", "replace")
