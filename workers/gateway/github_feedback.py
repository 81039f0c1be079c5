"""What people say of a task on GitHub: feedback, reviews, an end, and that its pull request is not as it was."""

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.forge.github.discussion import GitHubDiscussion, ReviewNow
from activities.webhooks.hidden import shown
from activities.webhooks.meaning import PullChanged, Reviewed
from activities.webhooks.stored import Deliveries
from workers.gateway.commanding import MOST_SAID, Commanding, evidence, head
from workers.gateway.deciding import Deciding
from workers.gateway.delivered import Delivered, TasksThere, done, ignored, refused
from workers.gateway.messages import NewDecision
from workers.gateway.refusals import Refused
from workers.gateway.senders import Senders
from workflows.models.decision import Action
from workflows.models.delivery import DeliveryResult
from workflows.models.intent import task_workflow_id
from workflows.models.person import Person
from workflows.models.status import Stage, TaskStatus


class GitHubFeedback:
    """Turns it into decisions, signed as any other: the gateway knows the person by GitHub's word."""

    def __init__(
        self,
        temporal: Client,
        deciding: Deciding,
        tasks: TasksThere,
        commanding: Commanding,
        senders: Senders,
        discussion: GitHubDiscussion,
        deliveries: Deliveries,
    ) -> None:
        self._temporal = temporal
        self._deciding = deciding
        self._tasks = tasks
        self._commanding = commanding
        self._senders = senders
        self._discussion = discussion
        self._deliveries = deliveries

    async def tell(self, status: TaskStatus, words: str, person: Person, at: Delivered) -> DeliveryResult:
        """Send a task back to its agent with a person's words; while the agent is at work they wait."""
        return await self._commanding.tell(status, shown(words, MOST_SAID).strip(), person, at)

    async def cancel(self, status: TaskStatus, person: Person, at: Delivered) -> DeliveryResult:
        """Stop a task."""
        return await self._commanding.cancel(status, person, at, where="on GitHub")

    async def merge(self, status: TaskStatus, person: Person, at: Delivered) -> DeliveryResult:
        """Merge what was approved, as it was approved."""
        return await self._commanding.merge(status, person, at)

    async def revert(self, status: TaskStatus, words: str, person: Person) -> DeliveryResult:
        """Take its merge back."""
        return await self._commanding.revert(status, person, why=shown(words, MOST_SAID).strip() or "on GitHub")

    async def reviewed(self, told: Reviewed, at: Delivered) -> DeliveryResult:
        """A review is a decision about the commit that was reviewed, and only while GitHub still counts it."""
        status = await self._tasks.of_pull(told.task_id, told.number, at)
        if status is None:
            return ignored("it is not the pull request of a task")
        if status.stage is Stage.ENDED:
            return ignored(f"the task has ended as {status.outcome}", told.task_id)
        if told.state == "dismissed":
            return await self._dismissed(told, status, at)
        person = await self._senders.commanding(at.url, told.reviewer)
        theirs = [
            one
            for one in await self._discussion.reviews(at.url, told.number)
            if one.login.lower() == told.reviewer.login.lower() and one.state != "COMMENTED"
        ]
        newest = max(theirs, key=lambda one: one.id, default=None)
        if newest is None or (newest.id, newest.state.lower()) != (told.review_id, told.state):
            return ignored("a later review of theirs counts, or this one was dismissed", told.task_id)
        if not await self._deliveries.claim(f"{at.url} review {newest.id} {newest.state}", at.digest):
            return ignored("another delivery has told the same", told.task_id)
        if told.state == "approved":
            return await self._approved(told.number, newest, status, person, at)
        said = [newest.words.strip(), *await self._discussion.lines_of(at.url, told.number, newest.id)]
        words = "\n\n".join(filter(None, said)) or "Changes are asked for, and it is not said which."
        return await self.tell(status, words, person, at)

    async def changed(self, told: PullChanged, at: Delivered) -> DeliveryResult:
        """The task's workflow looks itself: what a delivery says may be old by now."""
        status = await self._tasks.of_pull(told.task_id, told.number, at)
        if status is None:
            return ignored("it is not the pull request of a task")
        try:
            await self._temporal.get_workflow_handle(task_workflow_id(told.task_id)).signal("pull_request_changed")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return ignored("the task has ended", told.task_id)
        return done("its task looks at the pull request", told.task_id)

    async def _approved(
        self, number: int, review: ReviewNow, status: TaskStatus, person: Person, at: Delivered
    ) -> DeliveryResult:
        task, judged = status.task.id, head(status)
        if review.commit != judged:
            return refused(
                f"this approval is about `{review.commit[:12]}`, and the task is at `{judged[:12]}`: look at it again",
                task,
            )
        now = await self._discussion.pull(at.url, number)
        if now.head != review.commit:
            return refused(
                f"somebody pushed `{now.head[:12]}` to the branch, which was not judged: this approval does not count",
                task,
            )
        if status.stage is Stage.APPROVED:
            return ignored("it is approved already", task)
        if await self._commanding.is_newer(status, review.at):
            return refused("it was judged again after this review: look at the evidence, and review again", task)
        asked = NewDecision(
            action=Action.APPROVE,
            head=review.commit,
            evidence_hash=evidence(status),
            message=shown(review.words, MOST_SAID),
        )
        receipt = await self._deciding.decide(task, asked, person, once=at.digest)
        return done(f"the approval counts; the task is at stage {receipt.stage}", task)

    async def _dismissed(self, told: Reviewed, status: TaskStatus, at: Delivered) -> DeliveryResult:
        """It takes an approval away, so whoever may dismiss a review on GitHub may do that."""
        person = self._senders.person(told.reviewer)
        now = await self._discussion.review(at.url, told.number, told.review_id)
        if now is None or (now.login.lower(), now.state) != (told.reviewer.login.lower(), "DISMISSED"):
            return ignored("GitHub does not say that this review was dismissed", told.task_id)
        if person is None or person.id not in status.approved_by:
            return ignored("there is no approval of theirs to take back", told.task_id)
        asked = NewDecision(action=Action.WITHDRAW, message="the review was dismissed on GitHub")
        try:
            await self._deciding.decide(told.task_id, asked, person, once=at.digest)
        except Refused as error:
            return refused(str(error), told.task_id)
        return done("the approval is taken back", told.task_id)
