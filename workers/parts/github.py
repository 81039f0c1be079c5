"""As whom this installation asks GitHub: for all its work, and for taking merges back."""

from activities.forge.github.access import GitHubAccess
from activities.policy.github_table import GitHubTable
from activities.policy.owners import OwnersFiles


def github_access(owners: OwnersFiles) -> tuple[GitHubAccess, GitHubAccess]:
    """Both, as the platform's file says at each moment."""

    def reverting() -> GitHubTable | None:
        table = owners.platform().github
        return table.reverting if table is not None else None

    return GitHubAccess(lambda: owners.platform().github), GitHubAccess(reverting)
