"""As whom this installation asks GitHub: for all its work, for taking merges back, and for reviews."""

from dataclasses import dataclass

from activities.forge.github.access import GitHubAccess
from activities.policy.github_table import GitHubTable
from activities.policy.owners import OwnersFiles


@dataclass(frozen=True)
class GitHubIdentities:
    """Each as the platform's file says at each moment."""

    working: GitHubAccess
    reverting: GitHubAccess
    """As whoever pushes reverts."""
    reviewing: GitHubAccess
    """As whoever reviews; serves nothing where nobody does."""


def github_identities(owners: OwnersFiles) -> GitHubIdentities:
    """All of them."""

    def table() -> GitHubTable | None:
        return owners.platform().github

    def reverting() -> GitHubTable | None:
        found = table()
        return found.reverting if found is not None else None

    def reviewing() -> GitHubTable | None:
        found = table()
        return found.reviewing if found is not None else None

    return GitHubIdentities(GitHubAccess(table), GitHubAccess(reverting), GitHubAccess(reviewing))
