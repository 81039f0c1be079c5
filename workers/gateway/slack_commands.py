"""Words after `/agent` and `@agent`, and forms: what each of them has done."""

from dataclasses import replace

from activities.archive.contract import IntentIndex
from activities.chat.slack.goals import words_of
from activities.chat.slack.heard import Commanded, Mentioned, Replied, TaskFormSent
from activities.chat.slack.words import ELSEWHERE, HELP, Verb, Words, as_plain, without_mention, words
from workers.gateway.delivered import Carrying, NotYet, done, ignored, refused
from workers.gateway.refusals import NotFound, Refused
from workers.gateway.slack_answers import SlackAnswers
from workers.gateway.slack_asking import SlackAsking, Wanted
from workers.gateway.slack_decisions import SlackDecisions
from workflows.models.delivery import DeliveryResult
from workflows.models.person import Person
from workflows.models.question import QuestionKind
from workflows.models.status import Stage, TaskStatus
from workflows.presentation import as_code


class SlackCommands:
    """Has them carried out, for somebody who may command."""

    def __init__(
        self,
        asking: SlackAsking,
        decisions: SlackDecisions,
        answers: SlackAnswers,
        intents: IntentIndex,
    ) -> None:
        self._asking = asking
        self._decisions = decisions
        self._answers = answers
        self._intents = intents

    async def commanded(self, heard: Commanded, person: Person, at: Carrying) -> DeliveryResult:
        """`/agent WORDS`. Raises Refused."""
        said = words(as_plain(heard.text))
        if (answer := await self._anywhere(said, person, at)) is not None:
            return answer
        if said.verb in {Verb.AGAIN, Verb.MERGE, Verb.CANCEL}:
            return refused(f"say that where the task is: `@agent {said.verb}` in its thread")
        key = f"slack:{heard.team}:{heard.trigger}"
        return await self._asking.ask(_wanted(said, heard, person, key), at)

    async def mentioned(self, heard: Mentioned, person: Person, at: Carrying) -> DeliveryResult:
        """`@agent WORDS`, in a thread of a task or where one is asked for. Raises Refused."""
        said = words(as_plain(without_mention(heard.text, heard.bot)))
        thread = heard.thread_ts or heard.ts
        key = f"slack:{heard.team}:{heard.channel}:{thread}"
        known = await self._known(key)
        if known is not None and said.verb is Verb.STATUS and not said.task:
            return done(self._answers.one(known))
        if known is not None and said.verb is Verb.CANCEL and not said.task:
            return await self._decisions.cancel(known, person, at)
        if (answer := await self._anywhere(said, person, at)) is not None:
            return answer
        wanted = _wanted(said, heard, person, key, thread)
        if said.verb is Verb.AGAIN:
            return await self._again(wanted, known, at)
        if known is not None and said.verb is Verb.MERGE:
            if not known.task.id.startswith(said.task):
                # Another task's id, or words for the agent that look like one.
                return refused(
                    f"nothing is merged: this thread is of task {as_code(known.task.id)}. Say `@agent merge` in the "
                    "thread of the one that is meant, or tell the agent in more words"
                )
            return await self._decisions.merge(known, person, at)
        if said.verb is not Verb.WORK:
            return refused("say what should be different afterwards: `@agent GOAL`, or `/agent help`")
        if known is None and heard.channel.startswith("D"):
            # There people also say hello and thanks: no agent begins with that.
            return refused("a task is begun by a command, here, too: `/agent GOAL`, or `/agent` for the form")
        if known is None:
            return await self._asking.ask(wanted, at)
        return await self._decisions.tell(known, said.text, person, at)

    async def replied(self, heard: Replied, person: Person, at: Carrying) -> DeliveryResult:
        """Plain words in a thread: the answer, while its task asks what is meant; else people talk to each other."""
        known = await self._known(f"slack:{heard.team}:{heard.channel}:{heard.thread_ts}")
        question = known.question if known is not None else None
        if known is None or known.stage is not Stage.QUESTION or question is None:
            return ignored("people talk to each other")
        if question.kind is not QuestionKind.SPECIFICATION or at.received_at < question.asked_at:
            return ignored("no words answer what the task asks")
        return await self._decisions.tell(known, as_plain(heard.text), person, at)

    async def form(self, heard: TaskFormSent, person: Person, at: Carrying) -> DeliveryResult:
        """The form for a new task. Raises Refused."""
        wanted = Wanted(
            person=person,
            user=heard.user,
            team=heard.team,
            channel=heard.channel or heard.user,
            thread_ts=heard.thread_ts,
            key=f"slack:{heard.team}:{heard.view}",
            words=heard.goal,
            repository=heard.repository,
            task_type=heard.task_type,
            agent=heard.agent,
            base=heard.base,
            scope=heard.scope,
            acceptance=heard.acceptance,
        )
        return await self._asking.ask(wanted, at)

    async def _anywhere(self, said: Words, person: Person, at: Carrying) -> DeliveryResult | None:
        """What does not depend on where it is said; None if it does."""
        match said.verb:
            case Verb.HELP:
                return done(HELP)
            case Verb.STATUS:
                if not said.task:
                    return done(await self._answers.open_tasks(person))
                return done(self._answers.one(await self._answers.found(said.task, person)))
            case Verb.MINE:
                return done(await self._answers.mine(person))
            case Verb.ELSEWHERE:
                return refused(f"{as_code(said.text)} is no command: {ELSEWHERE[said.text]}")
            case Verb.UNSURE:
                return refused(
                    f"nothing was begun: did you mean {as_code(said.text)}? A goal is said in more than one word; "
                    "`/agent help` tells the rest"
                )
            case Verb.HALT:
                return await self._answers.halt(said.text, person, at.digest)
            case Verb.CANCEL if said.task:
                return await self._decisions.cancel(await self._named(said.task, person), person, at)
            case _:
                return None

    async def _named(self, prefix: str, person: Person) -> TaskStatus:
        """The one to decide about. Raises NotFound, or NotYet where no worker answers: a decision waits for one."""
        try:
            return await self._answers.found(prefix, person)
        except NotFound:
            raise
        except Refused as error:
            raise NotYet(str(error)) from error

    async def _again(self, wanted: Wanted, known: TaskStatus | None, at: Carrying) -> DeliveryResult:
        if known is None:
            return refused("nothing was asked for in this thread, so there is nothing to try again")
        if known.stage is not Stage.ENDED:
            return refused(f"task {known.task.id} goes on; say what it should change, or `@agent cancel`")
        task = known.task
        anew = replace(
            wanted,
            words=wanted.words or words_of(task.goal),
            repository=wanted.repository or task.repository.url,
            task_type=wanted.task_type or task.task_type,
            agent=wanted.agent or task.agent,
            base=wanted.base or task.base,
            scope=wanted.scope or task.scope,
            acceptance=task.acceptance,
            again=True,
        )
        return await self._asking.ask(anew, at)

    async def _known(self, key: str) -> TaskStatus | None:
        found = await self._intents.find(key)
        return await self._decisions.status(found.task_id) if found is not None else None


def _wanted(said: Words, heard: Commanded | Mentioned, person: Person, key: str, thread: str = "") -> Wanted:
    return Wanted(
        person=person,
        user=heard.user,
        team=heard.team,
        channel=heard.channel,
        thread_ts=thread,
        key=key,
        words=said.text,
        ts=heard.ts if isinstance(heard, Mentioned) else "",
        repository=said.repository,
        task_type=said.task_type,
        agent=said.agent,
        base=said.base,
        scope=said.scope,
    )
