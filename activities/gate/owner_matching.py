"""Finding the lines of a CODEOWNERS file that fit the changed paths, in a process of its own with little time.

Its patterns become regular expressions, and both they and the paths may be chosen so that matching takes for ever. In
this process nothing else would happen meanwhile, heartbeats included.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence

from codeowners import CodeOwners

from activities.evaluation.parsing.confinement import confine

SECONDS = 10.0
_MODULE = "activities.gate.owner_matching"


class NotMatched(Exception):
    """It took too long, or the file can't be read; the message says which."""


async def names_of(text: str, paths: Sequence[str]) -> list[tuple[str, ...]]:
    """Of each path the names that own it, as the file writes them. Raises NotMatched."""
    matcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", _MODULE),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(SECONDS):
            told, _ = await matcher.communicate(json.dumps([text, list(paths)]).encode())
    except TimeoutError:
        told = b""
    finally:
        with contextlib.suppress(ProcessLookupError):
            matcher.kill()
        await matcher.wait()
    if not told:
        raise NotMatched("takes too long to be compared with the changed paths: make its patterns simpler, or fewer")
    answer = json.loads(told)
    if isinstance(answer, str):
        raise NotMatched(f"can't be read: {answer}")
    return [tuple(names) for names in answer]


def main() -> None:
    """Answer one question: of each path its names, or in one string what is wrong with the file."""
    confine()
    text, paths = json.loads(sys.stdin.buffer.read())
    try:
        found = CodeOwners(text)
        answer: object = [[name for _, name in found.of(path)] for path in paths]
    except ValueError as error:
        answer = str(error)
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
