"""One directory of persons, so that two accounts of one human being are one requester and one approver."""

import re
from typing import Literal

from activities.policy.documents import PlatformPolicy
from activities.policy.github_table import GITHUB_COM
from workflows.models.person import Person

_ADDRESS = re.compile(r"[^\s<>@,;]{1,100}@[^\s<>@,;]{1,200}")
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


def co_author(platform: PlatformPolicy, person: Person) -> str:
    """As `Co-authored-by` names them, `NAME <ADDRESS>`; empty if the directory has no address of theirs.

    Without a mail address it is the one that GitHub keeps for a login (docs.github.com, Setting your commit email).
    """
    entry = platform.people.get(person.id)
    if entry is None:
        return ""
    on_github = entry.github and platform.github is not None and platform.github.web == GITHUB_COM
    address = entry.mail or (f"{entry.github}@users.noreply.github.com" if on_github else "")
    name = " ".join("".join(c for c in entry.name or person.id if c not in "<>").split())
    return f"{name} <{address}>" if _ADDRESS.fullmatch(address) else ""
