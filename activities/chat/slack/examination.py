"""Whether all is set up in Slack: looked at step by step, as far as Slack tells. Nothing is written there."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from activities.chat.slack.access import SlackAccess, SlackAway, SlackRefused
from activities.chat.slack.repositories import listed
from activities.chat.slack.scopes import SCOPES
from activities.chat.slack.signature import SlackSecrets
from activities.policy.documents import PlatformPolicy
from activities.policy.slack_table import SlackTable
from activities.webhooks.signature import SecretUnusable

_APPS = "https://api.slack.com/apps"
_PATH = "/webhooks/slack"


@dataclass(frozen=True)
class Looked:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


Steps = AsyncIterator[Looked]


class Examination:
    """Of one configuration."""

    def __init__(self, platform: PlatformPolicy, table: SlackTable, access: SlackAccess) -> None:
        self._platform = platform
        self._table = table
        self._access = access

    async def steps(self) -> list[Looked]:
        """All of them; without a token that counts, those that need none."""
        found = [one async for one in _look("token", self._token)]
        looks: dict[str, Callable[[], Steps]] = {"hearing": self._hearing, "repositories": self._repositories}
        if found[0].ok:
            looks |= {"user groups": self._groups, "channels": self._channels}
        for name, look in looks.items():
            found += [one async for one in _look(name, look)]
        return found

    async def _token(self) -> Steps:
        told, scopes = await self._access.granted()
        yield Looked("token", True, f"of {told.get('user')} in {told.get('team')} ({told.get('team_id')})")
        missing = [name for name in SCOPES if name not in scopes]
        mend = f"{_APPS}   # OAuth & Permissions: add them, then reinstall the App"
        if missing:
            lacks = "; ".join(f"lacks {name}: {SCOPES[name]}" for name in missing)
            yield Looked("scopes", False, lacks, mend)
            return
        more = sorted(scopes - SCOPES.keys())
        beyond = f", and {', '.join(more)} that nothing here needs" if more else ""
        yield Looked("scopes", True, f"all that are needed{beyond}")

    async def _hearing(self) -> Steps:
        if self._table.address is None:
            await self._access.try_connecting()
            yield Looked("hearing", True, "by Socket Mode")
            return
        try:
            count = SlackSecrets(lambda: self._table.signing_secrets).check()
        except SecretUnusable as error:
            yield Looked("hearing", False, str(error), f"{_APPS}   # Basic Information: Signing Secret")
            return
        secrets = "a signing secret" if count == 1 else f"{count} signing secrets"
        yield Looked("hearing", True, f"at {self._table.address}{_PATH}, with {secrets}")

    async def _groups(self) -> Steps:
        if not self._table.groups:
            yield Looked("user groups", True, "none is named: whoever [people] names may command")
        for group in self._table.groups:
            mend = "name a user group by its id, in `groups` of [slack]"
            try:
                told = await self._access.call("usergroups.users.list", usergroup=group)
            except SlackRefused as refused:
                yield Looked(f"group {group}", False, str(refused), mend)
                continue
            members = told.get("users", ())
            known = sum(entry.slack in members for entry in self._platform.people.values() if entry.slack)
            detail = f"{len(members)} members, of whom [people] names {known} by their account"
            yield Looked(f"group {group}", True, detail)

    async def _channels(self) -> Steps:
        for channel, repository in self._table.channels.items():
            try:
                told = (await self._access.call("conversations.info", channel=channel))["channel"]
            except SlackRefused as refused:
                mend = "write `/invite @agent` there, or take it out of `channels` in [slack]"
                yield Looked(f"channel {channel}", False, str(refused), mend)
                continue
            name = f"#{told.get('name') or channel}"
            if told.get("is_archived"):
                detail = f"{name} is archived"
                yield Looked(f"channel {channel}", False, detail, "take it out of `channels` in [slack]")
            elif not told.get("is_member"):
                detail = f"the App is not in {name}: tasks that are asked for there are shown elsewhere"
                yield Looked(f"channel {channel}", False, detail, f"write `/invite @agent` in {name}")
            else:
                yield Looked(f"channel {channel}", True, f"{name}: {repository}")

    async def _repositories(self) -> Steps:
        known = listed(self._table)
        if not known:
            mend = 'repositories = ["github:OWNER/NAME"]   # in [slack]'
            yield Looked("repositories", False, "none is listed, so none can be asked for", mend)
            return
        gone = [one for one in known if one.startswith(("/", "~")) and not Path(one).expanduser().is_dir()]
        if gone:
            mend = "mend its path in [slack], or clone it there"
            yield Looked("repositories", False, f"not on this machine: {', '.join(gone)[:300]}", mend)
            return
        yield Looked("repositories", True, f"{len(known)} can be chosen")


async def _look(name: str, look: Callable[[], Steps]) -> Steps:
    try:
        async for one in look():
            yield one
    except SlackRefused as error:
        yield Looked(name, False, str(error), f"{_APPS}   # Install App")
    except SlackAway as error:
        yield Looked(name, False, str(error), "as the line says; then run this again")
