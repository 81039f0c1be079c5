"""Keys for two roles that trust each other and share no directory."""

from dataclasses import dataclass
from pathlib import Path

from activities.decisions.keys import PUBLIC_SUFFIX, SigningKey, TrustedKeys, write_public


@dataclass(frozen=True)
class RoleKeys:
    """Where the keys of one role are."""

    role: str
    directory: Path


def pair(directory: Path, *roles: str) -> tuple[RoleKeys, ...]:
    """For each role a directory with its own key and the public halves of the others'; keys that are there stay.

    Raises KeyUnusable, or OSError where nothing can be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    made = [RoleKeys(role, directory.resolve() / role) for role in roles]
    keys = {each.role: SigningKey.load_or_create(each.directory, each.role) for each in made}
    for each in made:
        for other in set(roles) - {each.role}:
            trusted = each.directory / f"{other}s"
            trusted.mkdir(exist_ok=True, mode=0o700)
            write_public(trusted / f"{other}{PUBLIC_SUFFIX}", keys[other].public_key)
    for each in made:
        for other in set(roles) - {each.role}:
            # Raises for what somebody else could write to, or had planted there before.
            TrustedKeys.of_role(each.directory, other)
    return tuple(made)
