"""The guarded tree: the patch's sources under base's tests and check definitions.

A patch that turns tests green by changing them, or the way they are run, fails here. Files of this kind that the patch
added stay out, those it deleted come back.
"""

import os
import tempfile
from pathlib import Path

from activities.evaluation.changes import ABSENT, Change
from activities.evaluation.check_scripts import named_files
from activities.evaluation.paths import is_guarded
from activities.repository.git import Git
from workflows.models.policy import TaskPolicy


def guarded_changes(changes: tuple[Change, ...], policy: TaskPolicy) -> tuple[Change, ...]:
    """The changes that the guarded tree takes back."""
    definitions = (*policy.check_definitions, *named_files(policy.checks))
    return tuple(c for c in changes if is_guarded(c.path, policy.test_paths, definitions))


async def guarded_tree(git: Git, git_dir: Path, head: str, taken_back: tuple[Change, ...]) -> str:
    """Write head's tree with those changes taken back, through an index of its own. Raises GitError."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        purpose = "mixing base's tests into the patch"
        await git.run("read-tree", f"{head}^{{tree}}", purpose=purpose, git_dir=git_dir, environment=index)
        # An entry also replaces what is in its way: a file where base has a folder, or the other way round.
        entries = b"".join(_entry(change) for change in taken_back)
        await git.run(
            *("update-index", "-z", "--index-info"),
            purpose=purpose,
            git_dir=git_dir,
            environment=index,
            stdin=entries,
        )
        written = await git.run("write-tree", purpose=purpose, git_dir=git_dir, environment=index)
    return written.decode().strip()


def _entry(change: Change) -> bytes:
    """A line for update-index: base's mode and blob for the path; mode 0 takes the path out."""
    mode = "0" if change.old_mode == ABSENT else change.old_mode
    return f"{mode} {change.old_blob}\t".encode() + os.fsencode(change.path) + b"\0"
