"""Takes a pack and a tree into a repository, in a process of its own, and says what that took.

`python -m tests.containment.taking HOW REPOSITORY PACK BASE TREE` with `trusting` for git as it is, or `intake`.
"""

import asyncio
import json
import resource
import subprocess
import sys
from pathlib import Path

from activities.repository.git import Git
from activities.repository.intake import ExportRefused, Intake


def trusting(repository: Path, pack: Path, base: str, tree: str) -> str:
    """As somebody does who believes what comes back."""
    git = ["git", f"--git-dir={repository}"]
    with pack.open("rb") as file:
        taken = subprocess.run(
            [*git, "index-pack", "--stdin", "--strict"], stdin=file, capture_output=True, check=False
        )
    looked = subprocess.run([*git, "diff-tree", "-r", base, tree], stdout=subprocess.DEVNULL, check=False)
    return "" if taken.returncode + looked.returncode == 0 else taken.stderr.decode(errors="replace") or "no such tree"


async def intake(repository: Path, pack: Path, base: str, tree: str) -> str:
    """As it is done here."""
    taking = Intake(Git(repository.parent / "git"))
    try:
        await taking.take(repository, pack.read_bytes())
        await taking.inspect(repository, base, tree)
    except ExportRefused as refused:
        return str(refused)
    return ""


def main() -> None:
    """Take it, and print JSON."""
    how, repository, pack, base, tree = sys.argv[1:]
    given = (Path(repository), Path(pack), base, tree)
    refused = trusting(*given) if how == "trusting" else asyncio.run(intake(*given))
    # Of this process the kernel's RUSAGE_SELF also counts whatever started it, as it was before it became this program.
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    peak = max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    sys.stdout.write(json.dumps({"refused": refused, "memory_bytes": 1024 * peak}) + "\n")


if __name__ == "__main__":
    main()
