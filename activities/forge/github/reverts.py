"""Whether reverts may be pushed onto a protected base: what a promotion into the last phase asks for."""

import asyncio
from dataclasses import dataclass

from activities.forge.github.access import GitHubAccess
from activities.forge.github.base_rules import BaseRules, base_rules
from activities.forge.github.errors import translated

HOW = (
    "let the App that pushes reverts bypass the ruleset (mode `always`); what branch protection demands of checks, "
    "have a ruleset demand instead: docs/how-to/github.md"
)


@dataclass(frozen=True)
class Pushing:
    """What an App meets at base."""

    slug: str
    """Of the App; empty for a user's token."""
    branch: str
    rules: BaseRules

    @property
    def who(self) -> str:
        """For people."""
        return f"App {self.slug}" if self.slug else "the token's user"


class Reverts:
    """Answers it by asking GitHub, as whoever pushes reverts."""

    def __init__(self, access: GitHubAccess) -> None:
        self._access = access

    async def refusal(self, url: str) -> str:
        """Why reverts of merges there would wait as pull requests; empty if they are pushed. For people.

        Raises GitHubRefused or GitHubUnavailable.
        """
        pushing = await asyncio.to_thread(pushing_onto_base, self._access, url)
        if not pushing.rules.stopping:
            return ""
        return f"{pushing.who} may not push onto {pushing.branch} past {'; '.join(pushing.rules.stopping)}"


def pushing_onto_base(access: GitHubAccess, url: str) -> Pushing:
    """What whoever `access` acts as meets at the default branch of a repository. Blocks."""
    slug = ""
    if access.app_id is not None:
        with access.app() as integration, translated("reading the App"):
            slug = integration.get_app().slug
    repository = access.blocking_repository(url)
    branch = repository.default_branch
    return Pushing(slug, branch, base_rules(repository, branch, slug))
