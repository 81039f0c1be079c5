"""Pushing to a repository on GitHub from a mirror's vault, and what its refusals mean."""

import re
from collections.abc import Awaitable, Callable, Mapping

from activities.repository.git import Git, GitError
from activities.repository.mirror import Mirror

GitEnvironment = Callable[[str], Awaitable[Mapping[str, str]]]
"""Variables by which git may reach an address."""
_PROTECTED = re.compile(r"GH006|GH013|protected branch|rule violations|pre-receive hook declined", re.IGNORECASE)
_MOVED = ("stale info", "fetch first", "non-fast-forward", "[rejected]")


class Protected(Exception):
    """GitHub takes no push to this branch; the message has its words."""


class Remote:
    """Branches of GitHub's repositories, moved from exactly what they are known to be."""

    def __init__(self, git: Git, environment: GitEnvironment) -> None:
        self._git = git
        self._environment = environment

    async def push(self, mirror: Mirror, commit: str, branch: str, *, expected: str | None) -> bool:
        """Put a branch at a commit of the vault; False if it was not at `expected` (empty: nowhere; None: wherever).

        Raises Protected, or GitError if trying again may help.
        """
        return await self.push_reference(mirror, commit, f"refs/heads/{branch}", expected=expected)

    async def at(self, mirror: Mirror, reference: str) -> str:
        """Where a reference is there; empty if it is not."""
        told = await self._git.run(
            *("ls-remote", "--", mirror.url, reference),
            purpose=f"looking for {reference}",
            git_dir=mirror.vault,
            environment=await self._environment(mirror.url),
        )
        return next((line.split()[0] for line in told.decode().splitlines() if line.endswith(f"\t{reference}")), "")

    async def fetch(self, mirror: Mirror, reference: str, to: str) -> None:
        """Have one of its references in the vault, under another name. Raises GitError."""
        await self._git.run(
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", mirror.url, f"+{reference}:{to}"),
            purpose=f"fetching {reference}",
            git_dir=mirror.vault,
            environment=await self._environment(mirror.url),
        )

    async def push_reference(self, mirror: Mirror, commit: str, reference: str, *, expected: str | None) -> bool:
        """The same for any reference, by its whole name."""
        lease = () if expected is None else (f"--force-with-lease={reference}:{expected}",)
        force = "+" if expected is None else ""
        try:
            await self._git.run(
                *("push", "--porcelain", "--no-verify", *lease, "--", mirror.url, f"{force}{commit}:{reference}"),
                purpose=f"pushing {reference}",
                git_dir=mirror.vault,
                environment=await self._environment(mirror.url),
            )
        except GitError as error:
            if _PROTECTED.search(error.said):
                raise Protected(_words(error.said)) from error
            if expected is not None and any(sign in error.said for sign in _MOVED):
                return False
            raise
        return True


def _words(said: str) -> str:
    """What GitHub's side said, without git's own lines."""
    lines = [line.removeprefix("remote:").strip() for line in said.splitlines() if line.startswith("remote:")]
    return " ".join(line for line in lines if line)[:600] or said[:600]
