"""Sessions that people begin with the App in Linear: answered within seconds, then carried out like any other words."""

from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.failed import LinearRefused
from activities.tracker.linear.issue import Issue
from activities.tracker.linear.meaning import Commented, SessionBegun, SessionPrompted
from activities.tracker.linear.sessions import LinearSessions, SaidInSession
from activities.tracker.linear.spoken import approval, spoken
from activities.webhooks.commands import Command, Verb, command
from workers.gateway.conversations import Conversations
from workers.gateway.delivered import Carrying, ignored, refused
from workers.gateway.linear_commands import LinearCommands, Said
from workers.gateway.linear_greeting import greet
from workers.gateway.linear_senders import LinearSenders
from workflows.models.conversation import Place
from workflows.models.delivery import DeliveryResult, Taken


class SessionWords:
    """What people say there."""

    def __init__(
        self,
        commands: LinearCommands,
        conversations: Conversations,
        senders: LinearSenders,
        sessions: LinearSessions,
        actor: LinearActor,
    ) -> None:
        self._commands = commands
        self._conversations = conversations
        self._senders = senders
        self._sessions = sessions
        self._actor = actor

    async def begun(self, told: SessionBegun, at: Carrying) -> DeliveryResult:
        """Somebody mentioned the App, or delegated an issue to it."""
        await greet(self._sessions, told.session_id)
        return await self._carried_out(told, at, await self._sessions.beginning(told.session_id))

    async def prompted(self, told: SessionPrompted, at: Carrying) -> DeliveryResult:
        """Somebody answered, said more, or wants it stopped."""
        return await self._carried_out(told, at, await self._sessions.said(told.session_id, told.activity_id))

    async def heard_before(self, told: SessionBegun | SessionPrompted, result: DeliveryResult) -> DeliveryResult:
        """The same words came as a comment: what they brought about is shown in the session, too."""
        issue = await self._commands.current(told.issue.id)
        if issue is not None and result.task_id:
            await self._join(issue, told.session_id, result)
        else:
            await self._sessions.say(told.session_id, "response", "This is answered below the issue.", "elsewhere")
        return ignored("it was told as a comment", result.task_id)

    async def _carried_out(
        self, told: SessionBegun | SessionPrompted, at: Carrying, really: SaidInSession | None
    ) -> DeliveryResult:
        if really is None or (really.by, really.issue_id) != (told.by, told.issue.id):
            return ignored("Linear knows of nothing that they said there")
        issue = await self._commands.current(told.issue.id)
        if issue is None:
            return refused("the issue is gone, or of a team that is archived or not configured")
        person = await self._senders.commanding(told.by)
        wanted = Command(Verb.CANCEL) if really.stop else await self._wanted(really.body)
        if approval(wanted.words) is not None:
            result = await self._approved(told, at)
        else:
            said = Said(wanted, person, at.received_at, told.comment_id)
            result = await self._commands.command(issue, said, at)
        await self._join(issue, told.session_id, result)
        return result

    async def _approved(self, told: SessionBegun | SessionPrompted, at: Carrying) -> DeliveryResult:
        """By the comment that it was said in: it says when, and so which evidence there was to see."""
        if told.comment_id:
            comment = Commented(told.issue, told.comment_id, "", told.by, None)
            result = await self._commands.commented(comment, at)
            if result.outcome is not Taken.IGNORED:
                return result
        return refused("approve in a comment of its own: `/agent approve COMMIT`")

    async def _wanted(self, body: str) -> Command:
        heard = spoken(body, (await self._actor.me()).names)
        meant = heard or command(f"/agent {body.strip()}".rstrip()) or Command(Verb.TELL, body.strip())
        # Nobody wrote a command's sign there: with more words it is rather the agent that is told so.
        return Command(Verb.TELL, body.strip()) if meant.verb is Verb.REVERT and meant.words and not heard else meant

    async def _join(self, issue: Issue, session_id: str, result: DeliveryResult) -> None:
        if result.task_id:
            await self._conversations.join(
                result.task_id, Place(key=f"linear-session:{issue.organization}:{session_id}")
            )

    async def answer(self, told: SessionBegun | SessionPrompted, result: DeliveryResult, mark: str) -> None:
        """Say what came of it, where the task's own state does not."""
        kind = {Taken.REFUSED: "error", Taken.WAITS: "thought"}.get(result.outcome, "response")
        try:
            await self._sessions.say(told.session_id, kind, result.detail, mark)
        except LinearRefused:
            # The session is gone: nobody is there to be told.
            return
