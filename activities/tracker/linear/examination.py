"""Whether all is set up in Linear: looked at step by step, as far as Linear tells. Nothing is written there."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities.policy.linear_table import LinearTable
from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.failed import LinearAway, LinearRefused
from activities.webhooks.signature import SecretUnusable, WebhookSecrets

PATH = "/webhooks/linear"
_TOLD = ("Issue", "Comment")
"""What a webhook of the workspace has to tell; sessions come with the App's own."""
_NEEDED = ("started", "completed")
_SETTINGS = "https://linear.app/settings/api"


@dataclass(frozen=True)
class Looked:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


class Examination:
    """Of one configuration."""

    def __init__(self, table: LinearTable, access: LinearAccess) -> None:
        self._table = table
        self._access = access
        self._actor = LinearActor(access)

    async def steps(self) -> list[Looked]:
        """All of them; without a token that is taken, the rest can't be looked at."""
        found = await _look("token", "write a token of the App where linear.token says", self._token)
        if not found[0].ok:
            return [*found, *self._secrets()]
        looks: tuple[tuple[str, Callable[[], Awaitable[list[Looked]]]], ...] = (
            ("teams", self._teams),
            ("label", self._label),
            ("webhook", self._webhook),
        )
        for name, look in looks:
            found += await _look(name, "as the line says; then run this again", look)
        return [*found, *self._secrets()]

    async def _token(self) -> list[Looked]:
        me = await self._actor.me()
        found = [Looked("token", True, f"{me.names[0] if me.names else me.id}, in the workspace {me.workspace}")]
        told = (
            "an App's own actor" if me.is_app else "a person: what is written there is that person's, and no loop guard"
        )
        mend = "authorise the App with actor=app, scopes read, write, app:assignable, app:mentionable"
        return [*found, Looked("actor", me.is_app, told, mend)]

    async def _teams(self) -> list[Looked]:
        answer = await self._access.ask(documents.TEAMS, keys=sorted(self._table.teams))
        known = {one["key"]: one for one in answer["teams"]["nodes"]}
        return [self._team(key, known.get(key)) for key in sorted(self._table.teams)]

    def _team(self, key: str, team: Mapping[str, Any] | None) -> Looked:
        name, mend = f"team {key}", f"give the App access to {key} in Linear, or take it from linear.teams"
        if team is None:
            return Looked(name, False, "there is none, or the App has no access to it", mend)
        if team["archivedAt"] or team["retiredAt"]:
            return Looked(name, False, "it is archived, so nothing that happens there begins a task", mend)
        states = [one["type"] for one in team["states"]["nodes"]]
        lacking = [one for one in _NEEDED if one not in states]
        if not {"unstarted", "backlog"} & set(states):
            lacking.append("unstarted")
        told = f"no state of the kind {', '.join(lacking)}: issues are not moved there" if lacking else "has all states"
        return Looked(name, not lacking, told, f"add one in the settings of {key}: Workflow")

    async def _label(self) -> list[Looked]:
        wanted = self._table.label
        if not wanted:
            return [Looked("label", True, "none: issues are assigned or delegated to the App")]
        answer = await self._access.ask(documents.LABELS, name=wanted)
        found = answer["issueLabels"]["nodes"]
        told = f"{wanted!r} is there" if found else f"there is no label {wanted!r}"
        return [Looked("label", bool(found), told, f"make the label {wanted!r} in Linear, or change linear.label")]

    async def _webhook(self) -> list[Looked]:
        if self._table.address is None:
            return [Looked("webhook", True, f"none: Linear is asked every {self._table.poll_seconds:g} s, no sessions")]
        try:
            answer = await self._access.ask(documents.WEBHOOKS)
        except LinearRefused:
            return [Looked("webhook", True, "not known: only a token with the scope `admin` may look at webhooks")]
        return [self._hooked([one for one in answer["webhooks"]["nodes"] if str(one["url"]).endswith(PATH)])]

    def _hooked(self, found: Sequence[Mapping[str, Any]]) -> Looked:
        mend = (
            f"on the App's page ({_SETTINGS}) switch its webhook on, for https://YOUR-NAME{PATH}, with the events "
            "Issues, Comments and Agent session events"
        )
        if not found:
            return Looked("webhook", False, f"no webhook tells an address that ends in {PATH}", mend)
        if not any(one["enabled"] for one in found):
            return Looked("webhook", False, f"the one for {found[0]['url']} is switched off", mend)
        told = {kind for one in found if one["enabled"] for kind in one["resourceTypes"]}
        if missing := [one for one in _TOLD if one not in told]:
            return Looked("webhook", False, f"it does not tell of {', '.join(missing)}", mend)
        return Looked("webhook", True, f"tells {found[0]['url']}")

    def _secrets(self) -> list[Looked]:
        if self._table.address is None:
            return []
        try:
            count = WebhookSecrets(lambda: self._table.secrets).check()
        except SecretUnusable as unusable:
            return [Looked("secret", False, str(unusable), "write the webhook's signing secret into that file")]
        return [Looked("secret", True, f"{count} to check signatures with, at {self._table.address}")]


async def _look(name: str, mend: str, look: Callable[[], Awaitable[list[Looked]]]) -> list[Looked]:
    try:
        return await look()
    except (LinearAway, LinearRefused) as error:
        return [Looked(name, False, str(error), mend)]
