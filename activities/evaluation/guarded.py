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
    """Write head's tree with those changes taken back. Raises GitError."""
    entries = [(change.old_mode, change.old_blob, change.path) for change in taken_back]
    return await _mixed(git, git_dir, head, entries)


async def base_with(git: Git, git_dir: Path, base: str, taken_over: tuple[Change, ...]) -> str:
    """Write base's tree with those changes, and none else, of a patch. Raises GitError."""
    return await _mixed(git, git_dir, base, [(change.new_mode, change.new_blob, change.path) for change in taken_over])


async def _mixed(git: Git, git_dir: Path, commit: str, entries: list[tuple[str, str, str]]) -> str:
    """A commit's tree with other modes and blobs at some paths, through an index of its own."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        purpose = "mixing files of base and patch"
        await git.run("read-tree", f"{commit}^{{tree}}", purpose=purpose, git_dir=git_dir, environment=index)
        # An entry also replaces what is in its way: a file where base has a folder, or the other way round.
        await git.run(
            *("update-index", "-z", "--index-info"),
            purpose=purpose,
            git_dir=git_dir,
            environment=index,
            stdin=b"".join(_entry(*entry) for entry in entries),
        )
        written = await git.run("write-tree", purpose=purpose, git_dir=git_dir, environment=index)
    return written.decode().strip()


def _entry(mode: str, blob: str, path: str) -> bytes:
    """A line for update-index; mode 0 takes the path out."""
    return f"{'0' if mode == ABSENT else mode} {blob}\t".encode() + os.fsencode(path) + b"\0"
