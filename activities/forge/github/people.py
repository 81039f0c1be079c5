"""What GitHub says of people: who may write to a repository, and who is in a team."""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

from activities.forge.github.access import GitHubAccess
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused

_WRITES = frozenset({"admin", "maintain", "write"})
_FORBIDDEN, _NOT_FOUND = 403, 404


class GitHubPeople:
    """Asks each time: what somebody may can change from one minute to the next."""

    def __init__(self, access: GitHubAccess) -> None:
        self._access = access

    async def may_write(self, url: str, login: str) -> bool:
        """Whether this account may push to the repository, by whichever team or role.

        Raises GitHubRefused or GitHubUnavailable.
        """
        repository = await self._access.repository(url)

        def ask() -> bool:
            with translated(f"asking what {login} may do in {repository.full_name}"):
                return repository.get_collaborator_permission(login) in _WRITES

        try:
            return await asyncio.to_thread(ask)
        except GitHubRefused as refused:
            if refused.status == _NOT_FOUND:
                # There is no such account any more.
                return False
            raise

    async def in_a_team(self, url: str, login: str, teams: Sequence[str]) -> bool:
        """Whether this account is an active member of one of the teams, each `organisation/team`.

        Raises GitHubRefused, also where the App may not read members, or GitHubUnavailable.
        """
        repository = await self._access.repository(url)
        for team in teams:
            organisation, _, slug = team.partition("/")
            path = f"/orgs/{quote(organisation)}/teams/{quote(slug)}/memberships/{quote(login)}"

            def ask(path: str = path, team: str = team) -> bool:
                with translated(f"asking whether {login} is in {team}"):
                    return bool(repository.requester.requestJsonAndCheck("GET", path)[1].get("state") == "active")

            try:
                if await asyncio.to_thread(ask):
                    return True
            except GitHubRefused as refused:
                if refused.status != _NOT_FOUND:
                    raise
        return False
