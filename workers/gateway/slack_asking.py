"""Work that is asked for in Slack: which repository, which intent, and where people talk about it from then on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.agents.plain_text import plain
from activities.archive.contract import IntentIndex
from activities.chat.slack.access import SlackAccess, SlackRefused
from activities.chat.slack.goals import Said, goal_of, said_in
from activities.chat.slack.identity import SlackIdentity
from activities.chat.slack.repositories import like, listed, meant, short
from activities.chat.slack.words import shown
from activities.policy.owners import OwnersFiles
from activities.tracker.naming import issue_key, named_issue
from activities.tracker.teams import address_of
from workers.gateway.admission import Admission
from workers.gateway.conversations import Conversations
from workers.gateway.delivered import Carrying, done, ignored, refused
from workers.gateway.messages import Admitted, NewTask
from workers.gateway.tracing import Asked
from workflows.models.conversation import Place
from workflows.models.delivery import DeliveryResult
from workflows.models.person import Person
from workflows.models.task import MAX_GOAL_CHARS

ASKED = "journeyman_asked"
"""Kind of the metadata by which the message about a command is found again."""
_GOAL_SHOWN = 600
_SOON = timedelta(seconds=60)
_MOST_READ, _MOST_PAGES = 200, 5
"""Messages of a thread at a time, and how often: Slack tells the oldest first, and the newest go along."""
_ELSEWHERE = "the App may not write in this channel"
_NOT_THERE = {
    "not_in_channel": "the App is not in this channel (`/invite` it here)",
    "channel_not_found": "the App is not in this channel (`/invite` it here)",
    "is_archived": "this channel is archived",
    "restricted_action": _ELSEWHERE,
    "no_permission": _ELSEWHERE,
}
"""Why a task is shown elsewhere than where it was asked for, by what Slack says."""


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for, and where."""

    person: Person
    user: str
    team: str
    channel: str
    thread_ts: str
    """Empty where a message about it has to be posted first."""
    key: str
    """Of the intent, unless an issue is named."""
    words: str
    ts: str = ""
    """Of the message that asks, which is no context of itself."""
    repository: str = ""
    task_type: str = ""
    agent: str = ""
    base: str = ""
    scope: tuple[str, ...] = ()
    acceptance: tuple[str, ...] = ()
    again: bool = False

    @property
    def thread_key(self) -> str:
        """By which whatever is said in the thread is about the same intent."""
        return f"slack:{self.team}:{self.channel}:{self.thread_ts}" if self.channel and self.thread_ts else ""


class SlackAsking:
    """Asks for tasks as whoever wants them."""

    def __init__(
        self,
        admission: Admission,
        intents: IntentIndex,
        conversations: Conversations,
        owners: OwnersFiles,
        access: SlackAccess,
        identity: SlackIdentity,
    ) -> None:
        self._admission = admission
        self._intents = intents
        self._conversations = conversations
        self._owners = owners
        self._access = access
        self._identity = identity

    async def ask(self, wanted: Wanted, at: Carrying) -> DeliveryResult:
        """Begin it, or find that it was begun. Raises Refused, SlackRefused, SlackAway, RPCError."""
        if not wanted.words.strip():
            return refused("say what should be different afterwards: `/agent GOAL`, or `/agent help`")
        issue, of_team = self._issue(wanted)
        repository = self._repository(wanted, of_team)
        if not repository:
            return refused(self._which(wanted.repository))
        platform = self._owners.platform()
        if issue and address_of(platform, repository) != address_of(platform, of_team):
            # What is named is about another repository than what is asked for.
            issue = ""
        thread = await self._thread(wanted)
        goal = goal_of(wanted.words, thread or [])
        if len(goal) > MAX_GOAL_CHARS:
            return refused(f"a goal has at most {MAX_GOAL_CHARS} characters: put the rest where a link leads")
        asked = NewTask(
            goal=goal,
            repository=repository,
            base=wanted.base,
            task_type=wanted.task_type or "bug-fix",
            agent=wanted.agent,
            scope=wanted.scope,
            acceptance=wanted.acceptance,
            key=issue or wanted.key,
            again=wanted.again,
        )
        keys = [one for one in dict.fromkeys((wanted.key, wanted.thread_key)) if one and one != asked.key]
        link = (await self._identity.get()).link(wanted.channel, wanted.ts or wanted.thread_ts)
        # Tried again after its answer was lost, it finds its own words on record.
        admitted = await self._admission.admit(
            asked, wanted.person, Asked("", ""), link=link, aliases=keys, is_adopted=True
        )
        # A message's menu is there in every channel, also where nothing can be shown below the message.
        where = await self._join(replace(wanted, thread_ts="") if thread is None else wanted, admitted, at)
        return _told(admitted, where)

    def _issue(self, wanted: Wanted) -> tuple[str, str]:
        """The key of the issue that the words name, and the repository that its team's issues are about."""
        linear = self._owners.platform().linear
        named = named_issue(wanted.words, linear.teams) if linear is not None else ""
        if linear is None or not named:
            return "", ""
        return issue_key(named), linear.teams[named.partition("-")[0]]

    def _repository(self, wanted: Wanted, of_team: str) -> str:
        table = self._owners.platform().slack
        if table is None:
            return ""
        known = listed(table)
        if wanted.repository:
            return meant(wanted.repository, known)
        usual = of_team or table.channels.get(wanted.channel, "")
        return usual or (known[0] if len(known) == 1 else "")

    def _which(self, asked: str) -> str:
        table = self._owners.platform().slack
        known = listed(table) if table is not None else ()
        if not known:
            return "no repository can be asked for here: the platform's owner lists them as `repositories` in `[slack]`"
        near = [short(one) for one in (like(asked, known) or known)[:5]]
        what = f"{asked[:100]!r} is no repository that is listed here" if asked else "this channel has no repository"
        named = f"in {near[0]}" if "/" in near[0] else f"repo:{near[0]}"
        return f"{what}: write `/agent {named} GOAL`{_or(near[1:])}"

    async def _thread(self, wanted: Wanted) -> list[Said] | None:
        """What was said before in the thread, as far as it can be read; None where the App is not."""
        if not wanted.thread_ts or wanted.thread_ts == wanted.ts:
            return []
        asked = {"channel": wanted.channel, "ts": wanted.thread_ts, "limit": _MOST_READ}
        said: list[Said] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            try:
                told = await self._access.call("conversations.replies", **asked, cursor=cursor)
            except SlackRefused as error:
                return None if error.code in _NOT_THERE else said
            said += said_in(told.get("messages", ()), but=wanted.ts)
            cursor = str((told.get("response_metadata") or {}).get("next_cursor") or "") or None
            if cursor is None:
                break
        return said

    async def _join(self, wanted: Wanted, admitted: Admitted, at: Carrying) -> str:
        """Have the task shown where it was asked for. Returns why it is shown elsewhere, if it is."""
        task, channel, thread, why = admitted.task_id, wanted.channel, wanted.thread_ts, ""
        if not thread:
            channel, thread, why = await self._posted(wanted, task, at)
        if not thread:
            return why
        place = f"slack:{wanted.team}:{channel}:{thread}"
        # So that what is said there is about this task.
        await self._intents.claim([wanted.key, place] if wanted.key != place else [place])
        await self._conversations.join(task, Place(key=place))
        return why

    async def _posted(self, wanted: Wanted, task: str, at: Carrying) -> tuple[str, str, str]:
        """Where the message about a command is; posted once, in the channel or else to the person alone."""
        for place in await self._conversations.places(task):
            team, channel, thread = place.parts if place.system == "slack" and len(place.parts) == 3 else ("", "", "")
            if team == wanted.team and channel and (channel == wanted.channel or channel.startswith("D")):
                return channel, thread, ""
        try:
            return (*await self._post(wanted.channel, wanted, at), "")
        except SlackRefused as error:
            if error.code not in _NOT_THERE:
                raise
            why = _NOT_THERE[error.code]
        try:
            return (*await self._post(wanted.user, wanted, at), f"{why}, so the task is shown in your messages")
        except SlackRefused:
            return "", "", f"{why}, so nothing of the task is shown in Slack"

    async def _post(self, channel: str, wanted: Wanted, at: Carrying) -> tuple[str, str]:
        now = datetime.now(UTC)
        if (activity.info().attempt > 1 or now - at.received_at > _SOON) and channel == wanted.channel:
            # Its answer may have been lost: nothing is posted twice.
            oldest = str((at.received_at - _SOON).timestamp())
            told = await self._access.call(
                "conversations.history", channel=channel, oldest=oldest, limit=_MOST_READ, include_all_metadata=True
            )
            for message in told.get("messages", ()):
                if _is_about(message, wanted.key):
                    return channel, str(message["ts"])
        who = f"<@{wanted.user}>"
        posted = await self._access.call(
            "chat.postMessage",
            channel=channel,
            text=f"{who} asks an agent: {shown(plain(' '.join(wanted.words.split()), _GOAL_SHOWN))}",
            metadata={"event_type": ASKED, "event_payload": {"key": wanted.key}},
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(posted["channel"]), str(posted["ts"])


def _is_about(message: object, key: str) -> bool:
    metadata = message.get("metadata") if isinstance(message, dict) and message.get("bot_id") else None
    if not isinstance(metadata, dict) or metadata.get("event_type") != ASKED:
        return False
    payload = metadata.get("event_payload")
    return isinstance(payload, dict) and payload.get("key") == key


def _told(admitted: Admitted, where: str) -> DeliveryResult:
    task = admitted.task_id
    if admitted.new:
        said = filter(None, (f"task {task} begins: `/agent status {task}` tells where it stands", admitted.message))
        return done("; ".join((*said, where) if where else said), task)
    if "has ended" in admitted.message:
        return refused(f"task {task} was about this, and has ended: `@agent again` in its thread", task)
    return ignored(f"task {task} is about this already{f'; {where}' if where else ''}", task)


def _or(names: Sequence[str]) -> str:
    return f", or one of {', '.join(names)}" if names else ""
