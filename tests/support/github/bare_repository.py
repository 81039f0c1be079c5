"""A bare git repository, and what GitHub does inside one without a work tree."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NO_COMMIT = "0" * 40
_COMMITTER = {"GIT_COMMITTER_NAME": "GitHub", "GIT_COMMITTER_EMAIL": "noreply@github.com"}
_AUTHOR = {"GIT_AUTHOR_NAME": "GitHub", "GIT_AUTHOR_EMAIL": "noreply@github.com"}
_SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    # The rules of branches say what may be deleted.
    "receive.denyDeleteCurrent": "ignore",
    "receive.hideRefs": "refs/pull",
    "core.logAllRefUpdates": "always",
    "gc.auto": "0",
}


class GitFailed(Exception):
    """A git command failed; the message is what it said."""


@dataclass(frozen=True)
class Author:
    """Who a commit is by."""

    name: str
    email: str


class BareRepository:
    """One bare repository. Its commands know no configuration but its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, default_branch: str) -> "BareRepository":
        path.mkdir(parents=True)
        repository = cls(path)
        repository.git("init", "--quiet", "--bare", f"--initial-branch={default_branch}", ".")
        for name, value in _SETTINGS.items():
            repository.git("config", name, value)
        return repository

    def git(
        self,
        *arguments: str,
        stdin: str = "",
        where: Path | None = None,
        variables: Mapping[str, str] = {},
        strip: bool = True,
    ) -> str:
        """What a git command writes. Raises GitFailed."""
        done = self.run(*arguments, stdin=stdin, where=where, variables=variables)
        if done.returncode != 0:
            raise GitFailed(f"git {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip() if strip else done.stdout

    def run(
        self, *arguments: str, stdin: str = "", where: Path | None = None, variables: Mapping[str, str] = {}
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ("git", *arguments),
            cwd=where or self.path,
            input=stdin,
            env=plain_environment() | dict(variables),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )

    def refs(self) -> dict[str, str]:
        """All branches and tags: full name to commit."""
        told = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
        return dict(line.split(" ", 1) for line in told.splitlines())

    def commit_of(self, name: str) -> str | None:
        """The commit that a ref or a hash names."""
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return done.stdout.strip() or None

    def branch(self, name: str) -> str | None:
        return self.commit_of(f"refs/heads/{name}")

    def contains(self, newer: str, older: str) -> bool:
        """Whether one commit is in another's history."""
        return self.run("merge-base", "--is-ancestor", older, newer).returncode == 0

    def merge_base(self, one: str, other: str) -> str | None:
        return self.run("merge-base", one, other).stdout.strip() or None

    def between(self, older: str, newer: str) -> list[str]:
        """The commits that `newer` has and `older` has not, oldest first."""
        return self.git("rev-list", "--reverse", "--topo-order", f"{older}..{newer}").split()

    def move(self, ref: str, to: str, expected: str | None = None) -> None:
        """Point a ref at a commit, if it is where it is expected to be. Raises GitFailed."""
        self.git("update-ref", ref, to, *([expected] if expected is not None else []))

    def delete(self, ref: str) -> None:
        self.git("update-ref", "-d", ref)

    def write(
        self, branch: str, files: Mapping[str, str | None], message: str, author: Author, parent: str | None = None
    ) -> str:
        """Commit files onto a branch, made from `parent` if it is not there; None deletes a file."""
        tip = self.branch(branch) or parent
        with tempfile.TemporaryDirectory(prefix="jm-index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if tip:
                self.git("read-tree", tip, variables=index)
            lines = []
            for path, content in files.items():
                if content is None:
                    lines.append(f"0 {NO_COMMIT}\t{path}")
                else:
                    blob = self.git("hash-object", "-w", "--stdin", stdin=content)
                    lines.append(f"100644 {blob}\t{path}")
            self.git("update-index", "--index-info", stdin="\n".join(lines) + "\n", variables=index)
            tree = self.git("write-tree", variables=index)
        commit = self.commit_tree(tree, [tip] if tip else [], message, author)
        self.move(f"refs/heads/{branch}", commit)
        return commit

    def commit_tree(self, tree: str, parents: list[str], message: str, author: Author) -> str:
        """Make a commit, by GitHub on somebody's behalf."""
        options = [word for parent in parents for word in ("-p", parent)]
        named = {"GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email}
        return self.git("commit-tree", tree, *options, stdin=message, variables=named | _COMMITTER)

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of both, or None where they conflict."""
        done = self.run("merge-tree", "--write-tree", base, head)
        if done.returncode not in (0, 1):
            raise GitFailed(done.stderr.strip())
        return done.stdout.splitlines()[0] if done.returncode == 0 else None

    def rebased(self, base: str, head: str) -> str | None:
        """The head's own commits on top of the base: the last of them, or None where they conflict."""
        return self._in_work_tree(base, "cherry-pick", "--keep-redundant-commits", *self.between(base, head))

    def reverted(self, onto: str, commits: list[str]) -> str | None:
        """Commits taken back, newest first: the last revert, or None where they conflict."""
        merges = [commit for commit in commits if len(self.git("log", "-1", "--format=%P", commit).split()) > 1]
        mainline = ("-m", "1") if merges else ()
        return self._in_work_tree(onto, "revert", "--no-edit", *mainline, *reversed(commits))

    def _in_work_tree(self, start: str, *command: str) -> str | None:
        """Run a command that needs a work tree in one of its own, and say where it came to."""
        with tempfile.TemporaryDirectory(prefix="jm-work-tree-") as folder:
            work = Path(folder) / "work"
            self.git("worktree", "add", "--quiet", "--detach", str(work), start)
            try:
                # A commit that is picked keeps its author; a revert is GitHub's own.
                named = _COMMITTER | (_AUTHOR if command[0] == "revert" else {})
                done = self.run(*command, where=work, variables=named)
                return self.git("rev-parse", "HEAD", where=work) if done.returncode == 0 else None
            finally:
                self.git("worktree", "remove", "--force", str(work))


def plain_environment() -> dict[str, str]:
    """This process's, without any git settings of this machine or of a caller's repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
