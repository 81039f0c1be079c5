"""Who acted in Slack, as a person of this installation: by the directory and by what Slack says of the account now."""

from collections.abc import Mapping
from typing import Any

from activities.chat.slack.access import SlackAccess, SlackRefused
from activities.chat.slack.identity import SlackIdentity
from activities.policy.documents import PlatformPolicy
from activities.policy.owners import OwnersFiles
from activities.policy.people import find_person
from workers.gateway.senders import NotAllowed
from workflows.models.person import Person


class SlackSenders:
    """Asks Slack each time: whoever was deactivated, or left a group, since they asked may decide nothing more."""

    def __init__(self, owners: OwnersFiles, access: SlackAccess, identity: SlackIdentity) -> None:
        self._owners = owners
        self._access = access
        self._identity = identity

    async def commanding(self, user: str) -> Person:
        """Who may command agents. Raises NotAllowed, SlackRefused, SlackAway."""
        found = await self._account(user)
        team = (await self._identity.get()).team
        if found.get("is_bot") or user == "USLACKBOT":
            raise NotAllowed("a bot did it, and bots command no agents", is_told=False)
        if found.get("deleted"):
            raise NotAllowed("this account of Slack is deactivated, and commands no agents", is_told=False)
        if found.get("is_stranger") or not _is_of(found, team):
            raise NotAllowed("only members of this workspace command agents, not people of another", is_told=True)
        if found.get("is_restricted") or found.get("is_ultra_restricted"):
            raise NotAllowed("guests of this workspace command no agents", is_told=True)
        platform = self._owners.platform()
        await self._refuse_outside(platform, user)
        person = _person(platform, user, found)
        if person is None:
            raise NotAllowed(
                f"nobody is known by your account of Slack, {user}. The platform's owner writes "
                f'`slack = "{user}"` into your table below `[people]` in journeyman.toml, or your confirmed address '
                "as `mail`",
                is_told=True,
            )
        return person

    async def _account(self, user: str) -> Mapping[str, Any]:
        try:
            told = await self._access.call("users.info", user=user)
        except SlackRefused as refused:
            if refused.code in {"user_not_found", "user_not_visible"}:
                raise NotAllowed("Slack does not know this account", is_told=False) from refused
            raise
        found = told.get("user")
        if not isinstance(found, dict) or found.get("id") != user:
            raise NotAllowed("Slack told of another account", is_told=False)
        return found

    async def _refuse_outside(self, platform: PlatformPolicy, user: str) -> None:
        """Whoever is in none of the user groups that may command, where there are such."""
        groups = platform.slack.groups if platform.slack is not None else ()
        for group in groups:
            told = await self._access.call("usergroups.users.list", usergroup=group)
            if user in told.get("users", ()):
                return
        if groups:
            raise NotAllowed(f"only members of the user groups {', '.join(groups)} command agents here", is_told=True)


def _is_of(found: Mapping[str, Any], team: str) -> bool:
    teams = found.get("enterprise_user", {}).get("teams", ()) if isinstance(found.get("enterprise_user"), dict) else ()
    return found.get("team_id") == team or team in teams


def _person(platform: PlatformPolicy, user: str, found: Mapping[str, Any]) -> Person | None:
    if (known := find_person(platform, "slack", user)) is not None:
        return known
    mail = str((found.get("profile") or {}).get("email") or "").lower()
    # Only an address that Slack has had confirmed; and nobody's who is known by another account there.
    if not mail or found.get("is_email_confirmed") is not True:
        return None
    for person, entry in platform.people.items():
        if entry.mail.lower() == mail and not entry.slack:
            return Person(id=person, account=f"slack:{user}", name=entry.name or person)
    return None
