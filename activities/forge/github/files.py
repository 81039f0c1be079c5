"""Single files of a repository on GitHub, read before there is a mirror of it."""

import asyncio

from github import UnknownObjectException
from github.Repository import Repository as GitHubRepository

from activities.forge.github.access import GitHubAccess
from activities.forge.github.errors import translated


class GitHubFiles:
    """Reads what a request has to be held against at once; what a task is held to is read from the mirror."""

    def __init__(self, access: GitHubAccess) -> None:
        self._access = access

    async def read(self, url: str, branch: str, path: str) -> bytes | None:
        """A file on a branch; None if there is none, or if the repository is not on this GitHub.

        Raises GitHubRefused, GitHubUnavailable or NotConfigured.
        """
        if not self._access.serves(url):
            return None
        repository = await self._access.repository(url)
        return await asyncio.to_thread(_read, repository, branch, path)


def _read(repository: GitHubRepository, branch: str, path: str) -> bytes | None:
    with translated(f"reading {path}"):
        try:
            found = repository.get_contents(path, ref=f"refs/heads/{branch}")
        except UnknownObjectException:
            return None
        # A directory is a list; what is larger than 1 MB has no content here.
        return None if isinstance(found, list) or found.encoding != "base64" else found.decoded_content
