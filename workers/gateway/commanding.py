"""What people command about a task from outside, wherever they are heard: words for its agent, an end, its merge."""

from datetime import datetime

from activities.archive.contract import TaskChains
from activities.decisions.attested import EVIDENCE
from workers.gateway.deciding import Deciding
from workers.gateway.delivered import BELOW_THE_ISSUE, Carrying, done, ended, ignored, refused, waits
from workers.gateway.messages import NewDecision
from workflows.models.decision import Action
from workflows.models.delivery import DeliveryResult
from workflows.models.person import Person
from workflows.models.pull_request import RevertOutcome
from workflows.models.question import Choice, QuestionKind
from workflows.models.status import Stage, TaskStatus

_TAKES_WORDS = frozenset({Stage.REVIEW, Stage.APPROVED, Stage.GUIDANCE})
MOST_SAID = 15_000


class Commanding:
    """Turns it into decisions, signed as any other: the gateway knows the person by that system's word."""

    def __init__(self, deciding: Deciding, chains: TaskChains, *, again: str = BELOW_THE_ISSUE) -> None:
        """`again`: how another attempt of a task that has ended is asked for there."""
        self._again = again
        self._deciding = deciding
        self._chains = chains

    async def tell(self, status: TaskStatus, words: str, person: Person, at: Carrying) -> DeliveryResult:
        """Send a task back to its agent with a person's words; while the agent is at work they wait."""
        task, question = status.task.id, status.question
        if status.stage is Stage.ENDED:
            return refused(ended(task, status.outcome, self._again), task)
        if not words.strip():
            return refused(f"say what task {task} should change: `/agent WORDS`", task)
        if status.stage is Stage.QUESTION and question and question.kind is QuestionKind.SPECIFICATION:
            answer = NewDecision(
                action=Action.ANSWER, question=question.id, choice=Choice.CONTINUE, message=words[:MOST_SAID]
            )
            await self._deciding.decide(task, answer, person, once=at.digest)
            return done("its agent begins with that", task)
        if status.stage not in _TAKES_WORDS:
            if at.is_last:
                return refused(f"task {task} was at stage {status.stage} all the time, and could not be told", task)
            return waits(f"task {task} is at stage {status.stage}: it is told once its patch is there", at, task)
        asked = NewDecision(action=Action.REQUEST_CHANGES, head=head(status), message=words[:MOST_SAID])
        await self._deciding.decide(task, asked, person, once=at.digest)
        return done("it goes back to its agent with that", task)

    async def answer(self, status: TaskStatus, choice: Choice, person: Person, at: Carrying) -> DeliveryResult:
        """Choose one of what a task's question offers, about exactly what it asks."""
        question = status.question
        if status.stage is not Stage.QUESTION or question is None or choice not in question.choices:
            return refused(f"task {status.task.id} does not ask that now", status.task.id)
        asked = NewDecision(
            action=Action.ANSWER,
            question=question.id,
            choice=choice,
            more_micro_usd=question.suggested_micro_usd if choice is Choice.CONTINUE else 0,
            hosts=question.hosts,
            packages=question.packages,
        )
        await self._deciding.decide(status.task.id, asked, person, once=at.digest)
        return done(f"answered: {choice}", status.task.id)

    async def cancel(self, status: TaskStatus, person: Person, at: Carrying, *, where: str) -> DeliveryResult:
        """Stop a task. `where` it was said, as in `on GitHub`."""
        task = status.task.id
        if status.stage is Stage.ENDED:
            return ignored(f"task {task} has ended as {status.outcome} already", task)
        asked = NewDecision(action=Action.CANCEL, message=where)
        await self._deciding.decide(task, asked, person, once=at.digest)
        return done("it is stopped", task)

    async def merge(self, status: TaskStatus, person: Person, at: Carrying) -> DeliveryResult:
        """Merge what was approved, as it was approved."""
        task = status.task.id
        asked = NewDecision(action=Action.MERGE, head=head(status), evidence_hash=evidence(status))
        await self._deciding.decide(task, asked, person, once=at.digest)
        return done("it is being merged", task)

    async def revert(self, status: TaskStatus, person: Person, *, why: str) -> DeliveryResult:
        """Take a merge back, and wait until base is restored or it is known why not."""
        task = status.task.id
        asked = NewDecision(action=Action.REVERT, message=why[:MOST_SAID])
        result = await self._deciding.revert(task, asked, person)
        if result.outcome.is_back:
            return done(f"the merge of task {task} is taken back", task)
        if result.outcome is RevertOutcome.PROPOSED:
            return done(f"taking back task {task} waits for a person: {result.pull_request}", task)
        where = f": {result.pull_request}" if result.pull_request else ""
        return refused(f"the merge of task {task} is not taken back: {result.detail or result.outcome}{where}", task)

    async def approve(
        self, status: TaskStatus, commit: str, said_at: datetime, person: Person, at: Carrying
    ) -> DeliveryResult:
        """Approve the commit that a person named by its beginning, by what there was to see of it when they did."""
        task, judged = status.task.id, head(status)
        if not judged:
            return refused(f"task {task} has no patch yet; it is at stage {status.stage}", task)
        if not commit:
            return refused(
                f"name the commit that you looked at, and nothing else on that line: `/agent approve {judged[:12]}`",
                task,
            )
        if not judged.startswith(commit):
            return refused(
                f"this approval is about `{commit[:12]}`, and the task is at `{judged[:12]}`: look at it again", task
            )
        if status.stage is Stage.APPROVED:
            return ignored("it is approved already", task)
        if await self.is_newer(status, said_at):
            return refused("it was judged again after these words: look at the evidence, and approve again", task)
        asked = NewDecision(action=Action.APPROVE, head=judged, evidence_hash=evidence(status))
        receipt = await self._deciding.decide(task, asked, person, once=at.digest)
        return done(f"the approval counts; the task is at stage {receipt.stage}", task)

    async def is_newer(self, status: TaskStatus, moment: datetime) -> bool:
        """Whether the evidence came on record after a moment: whoever decided then has not seen it."""
        wanted = evidence(status)
        for entry in await self._chains.entries(status.task.id):
            if entry.kind == EVIDENCE and entry.entry_id.startswith(f"{EVIDENCE}-{wanted}"):
                return datetime.fromisoformat(entry.recorded_at) > moment
        return False


def head(status: TaskStatus) -> str:
    """The commit that was judged last; empty if there is none."""
    return status.patch.head if status.patch is not None else ""


def evidence(status: TaskStatus) -> str:
    """The hash of what was found out about it; empty if nothing was."""
    return status.evaluation.evidence_hash if status.evaluation is not None else ""
