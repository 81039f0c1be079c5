"""The same job against the brief's straight-line script on a large repository: clone, branch, agent, commit, push.

The script has no Temporal, no sandbox, no evaluation and no record. What is compared is what each of them takes beside
the agent (and, for us, beside the checks, which the script leaves out).
"""

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.benchmarks.figures import Figure, median, spread
from tests.benchmarks.timing import timed
from tests.workers.installation import FILES, MEND, installed

COMMITS = 50_000
BLOB_BYTES = 4_200
"""Of random data in each commit, so that the repository comes to about 200 MB."""
_FILES = 2_000
_RUNS = 3


async def measure(state: Path) -> list[Figure]:
    """Alternate between both, so that a noisy moment hits both."""
    repository = state / "large.git"
    await asyncio.to_thread(generate, repository)
    ours, script = [], []
    async with installed(state) as installation:
        await timed(installation, repository, "mender")
        for number in range(_RUNS):
            script.append(await asyncio.to_thread(straight_line, repository, state / "script", number))
            ours.append((await timed(installation, repository, "mender")).own)
    ratio = round(median(ours) / median(script), 4)
    return [
        Figure(
            "overhead_vs_script",
            ratio,
            goal=1.0,
            detail=f"{COMMITS} commits, 200 MB, warm mirror: ours {median(ours):.2f} s, script {median(script):.2f} s "
            f"({spread(ours)})",
        )
    ]


def straight_line(repository: Path, folder: Path, number: int) -> float:
    """Seconds that the script takes beside its agent."""
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()
    _git(folder.parent, "clone", "--quiet", f"file://{repository}", str(folder))
    _git(folder, "checkout", "--quiet", "-b", f"agent/mend-{number}")
    agent = time.monotonic()
    subprocess.run(["sh", "-c", MEND], cwd=folder, check=True)
    agent = time.monotonic() - agent
    _git(folder, "add", "-A")
    _git(folder, "-c", "user.name=agent", "-c", "user.email=agent@example.com", "commit", "--quiet", "-m", "mend")
    _git(folder, "push", "--quiet", "origin", f"agent/mend-{number}")
    return time.monotonic() - began - agent


def generate(repository: Path) -> None:
    """A bare repository with a long history over the sample's files."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(repository)], check=True)
    importing = subprocess.Popen(
        ["git", "-C", str(repository), "fast-import", "--quiet"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert importing.stdin is not None
    with importing.stdin as stream:
        for number in range(COMMITS):
            stream.write(b"commit refs/heads/main\ncommitter Ada <ada@example.com> %d +0000\n" % (10**9 + number))
            stream.write(b"data 4\nwork\n")
            if number == 0:
                for name, text in FILES.items():
                    content = text.encode()
                    stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(content), content))
            stream.write(b"M 100644 inline data/%d.bin\ndata %d\n" % (number % _FILES, BLOB_BYTES))
            stream.write(os.urandom(BLOB_BYTES) + b"\n")
    if importing.wait() != 0:
        raise RuntimeError("git fast-import failed")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)
