"""Small real repositories for tests."""

import os
import subprocess
from pathlib import Path


def git(directory: Path, *arguments: str, stdin: bytes | None = None) -> str:
    """Run git as a person would, away from this machine's configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        **{f"GIT_{role}_NAME": "Ada" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "ada@example.com" for role in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments], check=True, capture_output=True, env=environment, input=stdin
    )
    return done.stdout.decode(errors="replace").strip()


def make_repository(path: Path, files: dict[str, str] | None = None, *, bare: bool = False) -> Path:
    """A repository with one commit on main."""
    work = path if not bare else path.with_name(path.name + "-work")
    work.mkdir(parents=True)
    git(work, "init", "--quiet", "--initial-branch=main")
    commit_files(work, files if files is not None else {"calc.py": "def add(a, b):\n    return a - b\n"})
    if bare:
        git(work, "clone", "--quiet", "--bare", str(work), str(path))
    return path


def commit_files(work: Path, files: dict[str, str], message: str = "change") -> str:
    """Write files and commit them; returns the commit."""
    for name, content in files.items():
        file = work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    git(work, "add", "--all", "--force")
    git(work, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(work, "rev-parse", "HEAD")


def commit_to_bare(bare: Path, files: dict[str, str], message: str = "change", branch: str = "main") -> str:
    """Commit onto a branch of a bare repository by pushing from a clone."""
    clone = bare.with_name(f"{bare.name}-clone-{os.urandom(3).hex()}")
    git(bare.parent, "clone", "--quiet", "--branch", branch, str(bare), str(clone))
    commit = commit_files(clone, files, message)
    git(clone, "push", "--quiet", "origin", branch)
    return commit
