"""Forms in Slack: opened while what asked for them still counts, which is three seconds, and kept up to date.

Nothing here is on record, and nothing is decided: a form that was not opened is asked for again by whoever misses it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from activities.chat.slack.access import SlackAccess, SlackAway, SlackRefused
from activities.chat.slack.button import ButtonBroken
from activities.chat.slack.forms import TaskForm, Where, changes_view, chosen_now, options, where_of
from activities.chat.slack.heard import NotUnderstood, Pressed
from activities.chat.slack.repositories import like, listed
from activities.chat.slack.whispering import Whispering
from activities.chat.slack.words import shown
from activities.policy.combine import TASK_TYPES
from activities.policy.github_table import address
from activities.policy.owners import OwnersFiles, PolicyFileBroken
from workers.gateway.refusals import Refused
from workers.gateway.senders import NotAllowed
from workers.gateway.slack_senders import SlackSenders
from workers.gateway.trusting import Trusting
from workflows.models.policy import PolicyRefusal

_SEARCH_SECONDS = 2.0
"""For who somebody is: Slack waits three for options, and a form can be opened for as long."""
_TOO_SLOW = "The form could not be opened: Slack did not say in time who you are. Try again."
_NOT_NOW = (SlackAway, SlackRefused, PolicyFileBroken, NotUnderstood, ButtonBroken)
_PHASES = {
    1: "phase 1: a person approves, and a person merges",
    2: "phase 2: policy may approve what is of low risk, and a person merges",
    3: "phase 3: policy may approve and merge what is of low risk",
}
_log = logging.getLogger(__name__)


class SlackForms:
    """Opens forms, and answers while they are filled in."""

    def __init__(
        self,
        owners: OwnersFiles,
        access: SlackAccess,
        senders: SlackSenders,
        trusting: Trusting,
        whispering: Whispering,
    ) -> None:
        self._owners = owners
        self._access = access
        self._senders = senders
        self._trusting = trusting
        self._whispering = whispering
        self._running: set[asyncio.Task[None]] = set()

    def later(self, act: Awaitable[None]) -> None:
        """Have something done after the acknowledgement."""

        async def run() -> None:
            try:
                await act
            except _NOT_NOW as error:
                _log.warning("a view of Slack's could not be shown: %s", error)

        task = asyncio.create_task(run())
        # The loop itself keeps no task alive.
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def open_new(
        self, trigger: str, user: str, channel: str, *, thread_ts: str = "", goal: str = "", response_url: str = ""
    ) -> None:
        """The form for a new task."""

        def view() -> dict[str, Any]:
            table = self._owners.platform().slack
            repository = table.channels.get(channel, "") if table is not None else ""
            return self._form(Where(channel=channel, thread_ts=thread_ts), repository, goal)

        self.later(self._open(trigger, user, view, response_url))

    def open_changes(self, heard: Pressed) -> None:
        """The form that asks what should change."""

        def view() -> dict[str, Any]:
            return changes_view(where_of(heard.value, heard.channel, heard.thread_ts or heard.ts)).to_dict()

        self.later(self._open(heard.trigger, heard.user, view, heard.response_url))

    def show_phase(self, user: str, view: Mapping[str, Any]) -> None:
        """Tell in a form what policy may do with what is chosen."""
        self.later(self._show_phase(user, view))

    async def search(self, user: str, typed: str) -> list[dict[str, Any]]:
        """Repositories like what was typed; none for whoever may not ask for work."""
        try:
            async with asyncio.timeout(_SEARCH_SECONDS):
                await self._senders.commanding(user)
        except (NotAllowed, TimeoutError, *_NOT_NOW) as error:
            _log.info("no repositories are shown to %s: %s", user, error)
            return []
        table = self._owners.platform().slack
        return options(like(typed[:200], listed(table))) if table is not None else []

    async def _open(self, trigger: str, user: str, view: Callable[[], dict[str, Any]], response_url: str) -> None:
        try:
            # Whoever may not send it is not shown what is in it, and learns so before they fill it in.
            async with asyncio.timeout(_SEARCH_SECONDS):
                await self._senders.commanding(user)
            await self._access.call("views.open", trigger_id=trigger, view=view())
        except NotAllowed as error:
            if error.is_told:
                await self._whispering.tell(user, shown(str(error)), response_url=response_url)
        except TimeoutError:
            await self._whispering.tell(user, _TOO_SLOW, response_url=response_url)
        except _NOT_NOW as error:
            _log.warning("a form could not be opened in Slack: %s", error)
            said = f"The form could not be opened: {shown(str(error))}. Try again."
            await self._whispering.tell(user, said, response_url=response_url)

    async def _show_phase(self, user: str, view: Mapping[str, Any]) -> None:
        where, repository, task_type, goal = chosen_now(view)
        if not repository:
            return
        try:
            await self._senders.commanding(user)
            told = await self._phase(repository, task_type)
        except (NotAllowed, Refused) as error:
            told = shown(str(error))
        form = self._form(where, repository, goal, told)
        await self._access.call("views.update", view_id=view.get("id"), hash=view.get("hash"), view=form)

    async def _phase(self, repository: str, task_type: str) -> str:
        table = self._owners.platform().slack
        if table is None or repository not in listed(table):
            return "This repository is not listed in `[slack]`."
        try:
            url = address(self._owners.platform().github, repository)
        except PolicyRefusal as refusal:
            return shown(str(refusal))
        for line in await self._trusting.of(url):
            if line.task_type == task_type:
                by = f" (by {', '.join(line.capped_by)})" if line.capped_by else ""
                return f"*{shown(task_type)}* tasks there are in {_PHASES[line.in_force]}{shown(by)}."
        return f"There is no kind of work `{shown(task_type)}` in this repository."

    def _form(self, where: Where, repository: str, goal: str, phase: str = "") -> dict[str, Any]:
        agents = sorted(self._owners.platform().agents)
        form = TaskForm(where, TASK_TYPES, agents, repository, goal)
        if phase:
            form = TaskForm(where, TASK_TYPES, agents, repository, goal, phase)
        shown_form: dict[str, Any] = form.view().to_dict()
        return shown_form
