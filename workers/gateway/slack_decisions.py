"""What people decide in Slack about a task: buttons, words, and answers to what it asks."""

from activities.chat.slack.button import APPROVE, APPROVE_MERGE, REJECT, REVERT, Button, ButtonBroken, answered
from activities.chat.slack.heard import ChangesFormSent, Pressed
from workers.gateway.commanding import Commanding, evidence, head
from workers.gateway.conversations import Conversations
from workers.gateway.deciding import Deciding
from workers.gateway.delivered import Carrying, NotYet, done, ended, ignored, refused
from workers.gateway.messages import NewDecision
from workers.gateway.reading import Reading
from workers.gateway.refusals import NotFound, Refused
from workflows.models.decision import Action, DecisionReceipt
from workflows.models.delivery import DeliveryResult
from workflows.models.person import Person
from workflows.models.question import Choice
from workflows.models.status import Stage, TaskStatus

IN_ITS_THREAD = "`@agent again` in its thread"


class SlackDecisions:
    """Turns it into decisions, signed as any other: the gateway knows the person by Slack's word."""

    def __init__(
        self, deciding: Deciding, commanding: Commanding, reading: Reading, conversations: Conversations
    ) -> None:
        self._commanding = commanding
        self._deciding = deciding
        self._reading = reading
        self._conversations = conversations

    async def status(self, task_id: str) -> TaskStatus | None:
        """Where a task stands; None if there is none. Raises NotYet where no worker answers."""
        try:
            return (await self._reading.view(task_id)).status
        except NotFound:
            return None
        except Refused as error:
            raise NotYet(str(error)) from error

    async def pressed(self, heard: Pressed, person: Person, at: Carrying) -> DeliveryResult:
        """A button: it is about what was shown beside it, and about nothing newer."""
        try:
            button = Button.parse(heard.value)
        except ButtonBroken as broken:
            return refused(str(broken))
        status = await self.status(button.task)
        if status is None:
            return refused(f"there is no task {button.task} here any more")
        try:
            return await self._pressed(heard.action, button, status, person, at)
        finally:
            # Refused or not: what is shown may be older than what it was decided by.
            await self._conversations.changed(button.task)

    async def changes(self, heard: ChangesFormSent, person: Person, at: Carrying) -> DeliveryResult:
        """What should change, about what was shown beside the button that asked for it."""
        try:
            button = Button.parse(heard.button)
        except ButtonBroken as broken:
            return refused(str(broken))
        status = await self.status(button.task)
        if status is None:
            return refused(f"there is no task {button.task} here any more")
        if old := _is_old(button, status):
            return refused(old, button.task)
        return await self.tell(status, heard.words, person, at)

    async def tell(self, status: TaskStatus, words: str, person: Person, at: Carrying) -> DeliveryResult:
        """Send a task back to its agent with a person's words; while the agent is at work they wait."""
        return await self._commanding.tell(status, words, person, at)

    async def cancel(self, status: TaskStatus, person: Person, at: Carrying) -> DeliveryResult:
        """Stop a task."""
        task = status.task.id
        if status.stage is Stage.ENDED:
            return ignored(f"task {task} has ended as {status.outcome} already", task)
        await self._decide(task, NewDecision(action=Action.CANCEL, message="in Slack"), person, at)
        return done(f"task {task} is stopped", task)

    async def merge(self, status: TaskStatus, person: Person, at: Carrying) -> DeliveryResult:
        """Merge what was approved, as it was approved."""
        task = status.task.id
        asked = NewDecision(action=Action.MERGE, head=head(status), evidence_hash=evidence(status))
        await self._decide(task, asked, person, at, "-merge")
        return done(f"task {task} is being merged", task)

    async def _pressed(
        self, action: str, button: Button, status: TaskStatus, person: Person, at: Carrying
    ) -> DeliveryResult:
        task = button.task
        if action == REVERT:
            return await self._commanding.revert(status, person, why="in Slack")
        if (choice := answered(action)) is not None:
            return await self._answer(choice, button, status, person, at)
        if status.stage is Stage.ENDED:
            return refused(has_ended(status), task)
        if old := _is_old(button, status):
            return refused(old, task)
        if action == REJECT:
            await self._decide(task, NewDecision(action=Action.REJECT, head=button.head), person, at)
            return done(f"task {task} is rejected", task)
        if action not in {APPROVE, APPROVE_MERGE}:
            return refused("this button is none that is known here: have the task shown anew", task)
        stage: str = status.stage
        if not (action == APPROVE_MERGE and status.stage is Stage.APPROVED):
            asked = NewDecision(action=Action.APPROVE, head=button.head, evidence_hash=button.evidence)
            receipt = await self._decide(task, asked, person, at)
            stage, missing = receipt.stage, receipt.message
            if action == APPROVE or stage != Stage.APPROVED:
                return done(f"your approval of task {task} counts{f'; {missing}' if missing else ''}", task)
        asked = NewDecision(action=Action.MERGE, head=button.head, evidence_hash=button.evidence)
        await self._decide(task, asked, person, at, "-merge")
        return done(f"task {task} is being merged", task)

    async def _answer(
        self, choice: Choice, button: Button, status: TaskStatus, person: Person, at: Carrying
    ) -> DeliveryResult:
        question = status.question
        if status.stage is not Stage.QUESTION or question is None or question.id != button.question:
            return refused(f"task {button.task} does not ask that any more", button.task)
        return await self._commanding.answer(status, choice, person, at)

    async def _decide(
        self, task: str, asked: NewDecision, person: Person, at: Carrying, more: str = ""
    ) -> DecisionReceipt:
        return await self._deciding.decide(task, asked, person, once=f"{at.digest}{more}")


def has_ended(status: TaskStatus) -> str:
    """That a task has ended, and what can be done."""
    return ended(status.task.id, status.outcome, IN_ITS_THREAD)


def _is_old(button: Button, status: TaskStatus) -> str:
    """Why a button is about something else than what there is now; empty if it is not."""
    if button.head and button.head != head(status):
        now = head(status)[:12] or "no patch"
        return f"this button is about {button.head[:12]}, and task {button.task} is at {now}: look at it again"
    if button.evidence and button.evidence != evidence(status):
        return f"task {button.task} was judged again since this was shown: look at the evidence again"
    return ""
