"""Which teams of the tracker a repository belongs to, as `[linear].teams` says."""

from contextlib import suppress
from pathlib import Path

from activities.policy.documents import PlatformPolicy
from activities.policy.github_table import address
from workflows.models.policy import PolicyRefusal


def teams_of(platform: PlatformPolicy, repository: str) -> list[str]:
    """Their keys. `repository`: its address, as tasks have it."""
    teams = platform.linear.teams if platform.linear is not None else {}
    return sorted(team for team, asked in teams.items() if address_of(platform, asked) == repository)


def address_of(platform: PlatformPolicy, asked: str) -> str:
    """The address that tasks have of a repository as an owner wrote it; empty where that names none."""
    with suppress(PolicyRefusal):
        found = address(platform.github, asked)
        return found if "://" in found else str(Path(found).expanduser().resolve())
    return ""
