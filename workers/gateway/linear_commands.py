"""Issues of Linear's that become tasks, and what people say about them there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from activities.archive.contract import IntentIndex
from activities.policy.linear_table import LinearTable
from activities.policy.owners import OwnersFiles
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.goals import acceptance, goal
from activities.tracker.linear.issue import Issue
from activities.tracker.linear.issues import LinearIssues
from activities.tracker.linear.meaning import Commented, TaskWanted
from activities.tracker.linear.spoken import ELSEWHERE, approval, spoken
from activities.tracker.naming import issue_key
from activities.webhooks.commands import Command, Verb
from workers.gateway.admission import Admission
from workers.gateway.commanding import Commanding
from workers.gateway.conversations import Conversations
from workers.gateway.delivered import Carrying, NotYet, TasksThere, done, ended, ignored, refused
from workers.gateway.linear_senders import LinearSenders
from workers.gateway.messages import NewTask
from workers.gateway.tracing import Asked
from workflows.models.conversation import Place
from workflows.models.delivery import DeliveryResult
from workflows.models.person import Person
from workflows.models.question import Choice
from workflows.models.status import Stage, TaskStatus
from workflows.presentation import as_code

_CHOICES: Mapping[str, Choice] = {choice.value: choice for choice in Choice}


@dataclass(frozen=True)
class Said:
    """A command, by whom and when."""

    command: Command
    person: Person
    at: datetime
    comment_id: str = ""
    """Of the command, which is not told twice; empty where it is in no comment."""


class LinearCommands:
    """Asks for tasks as whoever commanded it, and passes on what is about a task that there is."""

    def __init__(
        self,
        owners: OwnersFiles,
        admission: Admission,
        intents: IntentIndex,
        tasks: TasksThere,
        conversations: Conversations,
        commanding: Commanding,
        senders: LinearSenders,
        issues: LinearIssues,
        actor: LinearActor,
    ) -> None:
        self._owners = owners
        self._admission = admission
        self._intents = intents
        self._tasks = tasks
        self._conversations = conversations
        self._commanding = commanding
        self._senders = senders
        self._issues = issues
        self._actor = actor

    async def wanted(self, told: TaskWanted, at: Carrying) -> DeliveryResult:
        """An issue was labelled, assigned or delegated: it is asked how it is now."""
        me = await self._actor.me()
        if told.to and me.id not in told.to:
            return ignored("it was assigned to somebody else")
        issue = await self.current(told.issue.id)
        if issue is None:
            return ignored("the issue is gone, or of a team that is archived or not configured")
        if not (me.id in issue.responsible if told.to else self._table().label.lower() in issue.labels):
            return ignored("it is not labelled or assigned so any more")
        person = await self._senders.commanding(told.by)
        return await self._ask(issue, Said(Command(Verb.TELL), person, await self._wanted_at(issue, told, at)))

    async def commented(self, told: Commented, at: Carrying) -> DeliveryResult:
        """Somebody wrote a comment: what counts is what Linear says of it now."""
        comment = await self._issues.comment(told.comment_id)
        if comment is None or comment.user_id != told.by or comment.issue_id != told.issue.id:
            return ignored("the comment is gone, or is somebody else's")
        command = spoken(comment.body, (await self._actor.me()).names)
        if command is None or comment.is_bot:
            return ignored("it speaks to nobody here")
        issue = await self.current(told.issue.id)
        if issue is None:
            return ignored("the issue is gone, or of a team that is archived or not configured")
        person = await self._senders.commanding(told.by)
        return await self.command(issue, Said(command, person, comment.created_at, comment.id), at)

    async def command(self, issue: Issue, said: Said, at: Carrying) -> DeliveryResult:
        """Carry out one, about the issue's task or to have one."""
        verb, words = said.command.verb, said.command.words.strip()
        if verb is Verb.ELSEWHERE and (how := ELSEWHERE.get(words)) is not None:
            return refused(f"{as_code(f'/agent {words}')} is no command here: {how}")
        if verb is Verb.AGAIN:
            return await self._ask(issue, said)
        known = await self.task_of(issue)
        if known is None:
            if verb is not Verb.TELL or approval(words) is not None or words.lower() in _CHOICES:
                return self._no_task()
            return await self._ask(issue, said)
        await self._join(issue, known.task.id)
        if verb is Verb.CANCEL:
            return await self._commanding.cancel(known, said.person, at, where="in Linear")
        if verb is Verb.MERGE:
            return await self._commanding.merge(known, said.person, at)
        if verb is Verb.REVERT:
            return await self._commanding.revert(known, said.person, why=words or "in Linear")
        if (commit := approval(words)) is not None:
            return await self._commanding.approve(known, commit, said.at, said.person, at)
        choice = _CHOICES.get(words.lower())
        if choice is not None and known.stage is not Stage.ENDED:
            return await self._answer(known, choice, said, at)
        if not words and known.stage is not Stage.ENDED:
            return ignored(f"task {as_code(known.task.id)} is about this already", known.task.id)
        return await self._commanding.tell(known, words, said.person, at)

    async def _answer(self, known: TaskStatus, choice: Choice, said: Said, at: Carrying) -> DeliveryResult:
        """What was chosen is about what was asked then: a later question may be about other hosts, or more money."""
        task, question = known.task.id, known.question
        if known.stage is not Stage.QUESTION or question is None:
            return refused(
                f"task {as_code(task)} asks nothing now, so its agent was not told `{choice}`: `/agent WORDS` tells it "
                "what to change",
                task,
            )
        if said.at < question.asked_at:
            return refused(
                f"task {as_code(task)} asked something else after these words: read it, and answer again", task
            )
        return await self._commanding.answer(known, choice, said.person, at)

    async def current(self, issue_id: str) -> Issue | None:
        """An issue that is there, of a team that is configured."""
        issue = await self._issues.issue(issue_id)
        if issue is None or issue.is_gone or issue.team not in self._table().teams:
            return None
        return issue if issue.organization == (await self._actor.me()).organization else None

    async def task_of(self, issue: Issue) -> TaskStatus | None:
        """The task that an issue has, if it has one."""
        keys = _keys(issue)
        for key in keys:
            known = await self._intents.find(key)
            if known is not None:
                # Found by the name it has now, it may have been asked for by another.
                return await self._tasks.of_intent(known.task_id, keys)
        return None

    async def _ask(self, issue: Issue, said: Said) -> DeliveryResult:
        person, command = said.person, said.command
        remarks = await self._issues.remarks(issue.id, said.at, but=said.comment_id)
        keys = _keys(issue)
        # Another attempt is one of what was asked for before, whatever the issue was called then.
        known = [key for key in keys if await self._intents.find(key) is not None]
        if not known and command.verb is Verb.AGAIN:
            return self._no_task()
        begins = not known or command.verb is Verb.AGAIN
        if begins and await self._was_rewritten(issue, said):
            return refused(
                "nothing was begun: somebody else changed the title or the description after it was asked for. Look at "
                "them, and ask with `/agent WORDS`"
            )
        key = known[0] if known else keys[0]
        asked = NewTask(
            goal=goal(issue, command.words, person.name or person.id, remarks),
            repository=self._table().teams[issue.team],
            acceptance=acceptance(issue),
            key=key,
            again=command.verb is Verb.AGAIN,
        )
        # Tried again after its answer was lost, it finds its own words on record, which may be others by now.
        admitted = await self._admission.admit(
            asked,
            person,
            Asked("", ""),
            link=issue.url[:2000],
            aliases=[one for one in keys if one != key],
            is_adopted=True,
        )
        task = admitted.task_id
        await self._join(issue, task)
        if admitted.new:
            return done(f"task {as_code(task)} begins", task)
        status = await self._tasks.of_intent(task, keys)
        if status is not None and status.stage is Stage.ENDED:
            return refused(ended(task, status.outcome), task)
        return ignored(f"task {as_code(task)} is about this already", task)

    async def _was_rewritten(self, issue: Issue, said: Said) -> bool:
        me = said.person.account.removeprefix("linear:")
        changes = await self._issues.changes(issue.id)
        return any(one.is_text and one.at >= said.at and one.actor != me for one in changes)

    async def _wanted_at(self, issue: Issue, told: TaskWanted, at: Carrying) -> datetime:
        """When somebody labelled or assigned it: what others write after that is nothing that they asked for."""
        label, to = self._table().label.lower(), told.to
        theirs = [
            change.at
            for change in await self._issues.changes(issue.id)
            if change.actor == told.by and (change.to & to if to else label in change.labels)
        ]
        # An issue that was made so has no such entry.
        return max(theirs, default=max(issue.updated_at, at.received_at))

    def _no_task(self) -> DeliveryResult:
        label = self._table().label
        labelled = f"give it the label {as_code(label)}, or " if label else ""
        return refused(f"this issue has no task yet: {labelled}write `/agent WORDS`")

    async def _join(self, issue: Issue, task_id: str) -> None:
        await self._conversations.join(task_id, Place(key=f"linear:{issue.organization}:{issue.id}"))

    def _table(self) -> LinearTable:
        table = self._owners.platform().linear
        if table is None:
            raise NotYet("[linear] is gone from journeyman.toml: write it again, or terminate this workflow")
        return table


def _keys(issue: Issue) -> list[str]:
    """Of the intent that an issue is, the one that counts now first.

    The last is Linear's own id: a team whose key is changed gives its issues other names, and tells no earlier ones.
    """
    return [issue_key(name) for name in dict.fromkeys((issue.identifier, *issue.previous, issue.id))]
