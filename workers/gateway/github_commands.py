"""Issues that become tasks, and commands in comments."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.archive.contract import IntentIndex
from activities.forge.github.confirming import Confirming, Happened
from activities.forge.github.discussion import GitHubDiscussion
from activities.policy.owners import OwnersFiles
from activities.tracker.naming import issue_key, named_issue
from activities.tracker.teams import teams_of
from activities.webhooks.commands import ELSEWHERE, Verb
from activities.webhooks.goals import issue_goal
from activities.webhooks.meaning import Commanded, TaskWanted
from activities.webhooks.payloads import Issue
from activities.webhooks.stored import Deliveries
from workers.gateway.admission import Admission
from workers.gateway.conversations import Conversations
from workers.gateway.delivered import Delivered, TasksThere, done, ended, ignored, refused
from workers.gateway.github_feedback import GitHubFeedback
from workers.gateway.messages import NewTask
from workers.gateway.senders import Senders
from workers.gateway.tracing import Asked
from workflows.models.conversation import Place
from workflows.models.delivery import DeliveryResult
from workflows.models.person import Person
from workflows.models.status import Stage, TaskStatus
from workflows.presentation import as_code

_OLDEST = timedelta(days=7)
"""GitHub keeps what it could not deliver for three days, and tells it again when it is asked to."""
_TASK_BRANCH = re.compile(r"journeyman/([a-z2-7]{10})")


@dataclass(frozen=True)
class _Asking:
    """Who asks for a task, when, and how."""

    person: Person
    at: datetime
    words: str = ""
    comment_id: int = 0
    """Of the command, which is not told twice."""
    again: bool = False
    names: str = ""
    """Words of theirs that may name an issue of the tracker."""


class GitHubCommands:
    """Asks for tasks as whoever commanded it, and passes on what is about a task that there is."""

    def __init__(
        self,
        owners: OwnersFiles,
        admission: Admission,
        intents: IntentIndex,
        tasks: TasksThere,
        senders: Senders,
        discussion: GitHubDiscussion,
        confirming: Confirming,
        deliveries: Deliveries,
        feedback: GitHubFeedback,
        conversations: Conversations,
    ) -> None:
        self._owners = owners
        self._admission = admission
        self._intents = intents
        self._tasks = tasks
        self._senders = senders
        self._discussion = discussion
        self._confirming = confirming
        self._deliveries = deliveries
        self._feedback = feedback
        self._conversations = conversations

    async def wanted(self, told: TaskWanted, at: Delivered) -> DeliveryResult:
        """An issue was labelled or assigned."""
        person = await self._senders.commanding(at.url, told.by)
        happened = await self._confirming.wanted(at.url, told)
        if again := await self._again(happened, at):
            return again
        asking = _Asking(person, happened.at, names=told.issue.title)
        return await self._ask(told.issue, asking, at)

    async def commanded(self, told: Commanded, at: Delivered) -> DeliveryResult:
        """Somebody wrote a command."""
        person = await self._senders.commanding(at.url, told.by)
        happened = await self._confirming.commanded(at.url, told)
        if again := await self._again(happened, at):
            return again
        if told.command.verb is Verb.ELSEWHERE:
            word = told.command.words
            return refused(f"{as_code(f'/agent {word}')} is no command: {ELSEWHERE[word]}")
        if told.on_pull:
            return await self._on_pull(told, happened, person, at)
        assert told.issue is not None, "what is not about a pull request is about an issue"
        known = await self._of_issue(told.number, at)
        wanted = told.command
        asking = _Asking(person, happened.at, wanted.words, told.comment_id, wanted.verb is Verb.AGAIN, wanted.words)
        if asking.again:
            await self._confirming.says(at.url, told.issue)
            return await self._ask(told.issue, asking, at)
        if known is not None and wanted.verb is Verb.CANCEL:
            return await self._feedback.cancel(known, person, at)
        if known is not None and wanted.verb is Verb.REVERT:
            return await self._feedback.revert(known, wanted.words, person)
        if wanted.verb is not Verb.TELL:
            return refused(f"there is nothing to {wanted.verb} here: write it below the task's pull request")
        if known is not None and (wanted.words.strip() or known.stage is Stage.ENDED):
            return await self._feedback.tell(known, wanted.words, person, at)
        if known is None:
            await self._confirming.says(at.url, told.issue)
        return await self._ask(told.issue, asking, at)

    async def _again(self, happened: Happened, at: Delivered) -> DeliveryResult | None:
        """What is said of what another delivery has told, or lies so far back that GitHub tells it no more."""
        if at.received_at - happened.at > _OLDEST:
            return refused(f"this is from {happened.at:%Y-%m-%d}, which is too long ago: ask again")
        if not await self._deliveries.claim(happened.known_as, at.digest):
            return ignored("another delivery has told the same")
        return None

    async def _on_pull(self, told: Commanded, happened: Happened, person: Person, at: Delivered) -> DeliveryResult:
        now = await self._discussion.pull(at.url, told.number)
        if now.is_fork:
            return refused("this comes from a fork, and no agent works on what is there")
        branch = _TASK_BRANCH.fullmatch(now.branch)
        status = await self._tasks.of_pull(branch[1], told.number, at) if branch is not None else None
        if status is None:
            return refused("this is not the pull request of a task: agents are commanded there, and below issues")
        carry_out: dict[Verb, Callable[[TaskStatus, Person, Delivered], Awaitable[DeliveryResult]]] = {
            Verb.CANCEL: self._feedback.cancel,
            Verb.MERGE: self._feedback.merge,
        }
        if told.command.verb in carry_out:
            return await carry_out[told.command.verb](status, person, at)
        if told.command.verb is Verb.REVERT:
            return await self._feedback.revert(status, told.command.words, person)
        if told.command.verb is Verb.AGAIN:
            return refused("another attempt is asked for where the task was: below the issue")
        words = told.command.words
        if happened.place and words.strip():
            words = f"About {as_code(happened.place, 300)}: {words}"
        return await self._feedback.tell(status, words, person, at)

    async def _of_issue(self, number: int, at: Delivered) -> TaskStatus | None:
        known = await self._intents.find(_key(number, at))
        return await self._tasks.status(known.task_id, at) if known is not None else None

    async def _ask(self, issue: Issue, asking: _Asking, at: Delivered) -> DeliveryResult:
        person = asking.person
        remarks = await self._discussion.remarks(at.url, issue.number, asking.at, but=asking.comment_id)
        goal = issue_goal(issue.title, issue.body or "", asking.words, person.name or person.id, remarks)
        key, *aliases = self._keys(issue.number, asking, at)
        asked = NewTask(goal=goal, repository=at.url, key=key, again=asking.again)
        # Tried again after its answer was lost, it finds its own words on record, which may be others by now.
        admitted = await self._admission.admit(
            asked, person, Asked("", ""), link=issue.html_url[:2000], aliases=aliases, is_adopted=True
        )
        task = admitted.task_id
        known = await self._intents.find(key)
        if known is not None and not known.key.startswith("github:"):
            # What goes by this issue's own name, the task itself tells here.
            await self._conversations.join(task, Place(key=_key(issue.number, at)))
        if admitted.new:
            return done(f"task {as_code(task)} begins: `journeyman show {task}` tells where it stands", task)
        status = await self._tasks.status(task, at)
        if status is not None and status.stage is Stage.ENDED:
            return refused(ended(task, status.outcome), task)
        return ignored(f"task {as_code(task)} is about this already", task)

    def _keys(self, number: int, asking: _Asking, at: Delivered) -> list[str]:
        """Of the intent, the strongest first: an issue of the tracker that is about this repository, then this one."""
        named = named_issue(asking.names, teams_of(self._owners.platform(), at.url))
        return [*([issue_key(named)] if named else []), _key(number, at)]


def _key(number: int, at: Delivered) -> str:
    return f"github:{at.name}#{number}"
