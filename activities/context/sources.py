"""Reading the sources of a startup context from the mirror at base; never from a workspace, which agents write."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from activities.agents.plain_text import plain
from activities.context.manifest import Source, Trust
from activities.repository.git import Git
from activities.repository.mirror import Mirror, Mirrors

AGENTS_FILE = "AGENTS.md"
MOST_AGENTS_FILES = 20
AGENTS_FILE_CHARS = 24_000
"""About six thousand tokens: beyond that a file for agents is a book they don't follow."""
RECENT_COMMITS = 15
SUBJECT_CHARS = 200


@dataclass(frozen=True)
class Part:
    """One source with the text of it that may go into the prompt."""

    source: Source
    text: str


def part(
    kind: str, name: str, trust: Trust, data: bytes, limit: int, *, changed_at: datetime | None = None, now: datetime
) -> Part:
    """A source whose text is cut to `limit` characters, and says so."""
    text = data.decode("utf-8", "replace")
    kept = text[:limit]
    source = Source(
        kind=kind,
        name=name,
        trust=trust,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        used_characters=len(kept),
        truncated=len(kept) < len(text),
        changed_at=changed_at,
        age_days=max(0, (now - changed_at).days) if changed_at else None,
    )
    cut = f"\n[{len(text) - len(kept)} more characters are left out]" if source.truncated else ""
    return Part(source, kept + cut)


class BaseSources:
    """What base has to say to an agent."""

    def __init__(self, git: Git, mirrors: Mirrors) -> None:
        self._git = git
        self._mirrors = mirrors

    async def agents_files(self, mirror: Mirror, commit: str, now: datetime) -> list[Part]:
        """AGENTS.md of the root and of folders, outermost first, so that the nearest comes last and wins."""
        paths = [path for path in await self._mirrors.paths(mirror, commit) if path.rpartition("/")[2] == AGENTS_FILE]
        paths.sort(key=lambda path: (path.count("/"), path))
        parts = [await self._agents_file(mirror, commit, path, now) for path in paths[:MOST_AGENTS_FILES]]
        parts += [
            _left_out(path, f"only the outermost {MOST_AGENTS_FILES} are read")
            for path in paths[MOST_AGENTS_FILES:][:50]
        ]
        return parts

    async def _agents_file(self, mirror: Mirror, commit: str, path: str, now: datetime) -> Part:
        if not path.isprintable():
            return _left_out(path, "its path has characters that can't be shown")
        data = await self._mirrors.read(mirror, commit, path)
        if data is None:
            return _left_out(path, "it is a link or a submodule, not a file")
        stamp = await self._git.line(
            *("log", "-1", "--format=%ct", commit, "--", path), purpose=f"dating {path}", git_dir=mirror.path
        )
        changed_at = datetime.fromtimestamp(int(stamp), UTC) if stamp.isdecimal() else None
        return part("agents-file", path, Trust.BASE, data, AGENTS_FILE_CHARS, changed_at=changed_at, now=now)

    async def recent_commits(self, mirror: Mirror, commit: str, now: datetime) -> Part:
        """Subject lines of base's last commits, newest first."""
        listed = await self._git.run(
            *("log", f"-{RECENT_COMMITS}", "--first-parent", "--format=%h%x00%ct%x00%s%x00%x00", commit),
            purpose="reading recent commits",
            git_dir=mirror.path,
        )
        entries = [entry.strip(b"\n").split(b"\0") for entry in listed.split(b"\0\0\n") if entry.strip(b"\0\n")]
        lines = [
            f"{name.decode()} {plain(subject.decode('utf-8', 'replace').replace(chr(10), ' '), SUBJECT_CHARS)}"
            for name, _, subject in entries
        ]
        newest = datetime.fromtimestamp(int(entries[0][1]), UTC) if entries else None
        text = "\n".join(lines).encode()
        return part("commits", commit, Trust.BASE, text, 10_000, changed_at=newest, now=now)


def _left_out(path: str, why: str) -> Part:
    source = Source(
        kind="agents-file",
        name=plain(path.encode("utf-8", "backslashreplace").decode(), 300),
        trust=Trust.BASE,
        sha256=hashlib.sha256(b"").hexdigest(),
        size=0,
        used_characters=0,
        note=f"left out: {why}",
    )
    return Part(source, "")
