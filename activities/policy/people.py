"""One directory of persons, so that two accounts of one human being are one requester and one approver."""

from typing import Literal

from activities.policy.documents import PlatformPolicy
from workflows.models.person import Person

System = Literal["os", "slack", "linear", "github", "mail"]


def find_person(platform: PlatformPolicy, system: System, account: str) -> Person | None:
    """Who has this account; None if the directory does not name it."""
    for person, entry in platform.people.items():
        known = getattr(entry, system)
        # GitHub tells no capitals apart.
        if account and (known == account or (system == "github" and known.lower() == account.lower())):
            return Person(id=person, account=f"{system}:{account}", name=entry.name or person)
    return None


def accounts(platform: PlatformPolicy, system: System) -> dict[str, str]:
    """Account to id of the person, for one system."""
    return {found: person for person, entry in platform.people.items() if (found := getattr(entry, system))}
