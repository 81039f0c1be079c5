"""`journeyman init`: what a repository needs so that agents can work in it, found rather than asked for."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from activities.policy.detect import detect
from activities.policy.reading import TEAM_FILE, read_team
from activities.policy.render import render_team_file
from workers.cli.client import CommandFailed

_MOST_BYTES = 256 * 1024
_AGENTS_FILE_CHARS = 40_000
"""Beyond this an AGENTS.md takes more of the agent's context than it saves."""


def onboard(path: Path, *, force: bool) -> Iterator[str]:
    """Write .journeyman/team.toml and say what was found, a line at a time. Raises CommandFailed."""
    if not (path / ".git").exists():
        raise CommandFailed(
            f"{path} is not a git work tree: run it in one, or `git init` first; of a bare one, run it in a clone "
            "and push"
        )
    target = path / TEAM_FILE
    if target.exists() and not force:
        read_team(target.read_bytes())
        yield f"{TEAM_FILE} is there and valid; --force writes it anew"
    else:
        detected = detect(_tracked(path), lambda name: _read(path / name))
        target.parent.mkdir(exist_ok=True)
        target.write_text(render_team_file(detected))
        yield f"wrote {TEAM_FILE}"
        for check in detected.checks:
            yield f"  check {check.name}: {check.command}"
        if not detected.checks:
            yield "  found no checks: name the command that tests this repository under [[checks]]"
        for command in detected.setup.commands:
            yield f"  set-up: {command}"
    yield from _agents_file(path / "AGENTS.md")
    yield f"commit {TEAM_FILE} to the base branch: only what is there counts"


def _agents_file(path: Path) -> Iterator[str]:
    if not path.is_file():
        yield "there is no AGENTS.md: every agent will find out anew what your team knows (see docs/concepts.md)"
        return
    length = len(path.read_text(errors="replace"))
    if length > _AGENTS_FILE_CHARS:
        yield f"AGENTS.md has {length} characters, more than {_AGENTS_FILE_CHARS}: move parts into folders"
    else:
        yield f"AGENTS.md is there ({length} characters)"


def _tracked(path: Path) -> list[str]:
    """Tracked files and new ones that are not ignored. The person's own git, in the person's own work tree."""
    listed = subprocess.run(
        ["git", "-C", str(path), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        raise CommandFailed(f"git can't list the files of {path}: {listed.stderr.decode(errors='replace').strip()}")
    return [name.decode(errors="surrogateescape") for name in listed.stdout.split(b"\0") if name]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()[:_MOST_BYTES] if path.is_file() else None
    except OSError:
        return None
