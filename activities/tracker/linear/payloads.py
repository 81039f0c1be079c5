"""The parts of Linear's webhooks that mean something here; the rest is not looked at.

https://linear.app/developers/webhooks, https://linear.app/developers/agent-interaction
"""

from pydantic import Field

from activities.webhooks.payloads import Part

_ID = r"^[A-Za-z0-9-]{1,64}$"
IDENTIFIER = r"^[A-Z][A-Z0-9]{0,9}-[1-9]\d{0,6}$"


class Actor(Part):
    """Who did it: a person, or a program."""

    id: str = Field(pattern=_ID)
    type: str = ""


class Team(Part):
    """Whose issue it is."""

    key: str = ""


class Label(Part):
    """Of an issue."""

    id: str = ""
    name: str = ""


class IssuePart(Part):
    """An issue, as far as it is named."""

    id: str = Field(pattern=_ID)
    identifier: str = Field(pattern=IDENTIFIER)
    team: Team | None = None
    labels: tuple[Label, ...] = ()
    assignee_id: str | None = Field(default=None, alias="assigneeId")
    delegate_id: str | None = Field(default=None, alias="delegateId")


class CommentPart(Part):
    """A comment."""

    id: str = Field(pattern=_ID)
    body: str = ""
    user_id: str | None = Field(default=None, alias="userId")
    issue: IssuePart | None = None
    created_at: str = Field(default="", alias="createdAt")


class ActivityPart(Part):
    """What was said last in a session."""

    id: str = Field(pattern=_ID)
    signal: str | None = None
    user_id: str | None = Field(default=None, alias="userId")
    source_comment_id: str | None = Field(default=None, alias="sourceCommentId")


class SessionPart(Part):
    """A session of the App's with people, about an issue."""

    id: str = Field(pattern=_ID)
    app_user_id: str = Field(default="", alias="appUserId")
    creator_id: str | None = Field(default=None, alias="creatorId")
    comment: CommentPart | None = None
    issue: IssuePart | None = None
    source_comment_id: str | None = Field(default=None, alias="sourceCommentId")


class Envelope(Part):
    """Around everything that Linear tells."""

    type: str
    action: str = ""
    organization_id: str = Field(default="", alias="organizationId")
    webhook_timestamp: float = Field(default=0, alias="webhookTimestamp")
    """Milliseconds since 1970."""
    actor: Actor | None = None


class IssueTold(Envelope):
    """An issue was made or changed."""

    data: IssuePart
    updated_from: dict[str, object] = Field(default={}, alias="updatedFrom")

    @property
    def labels_before(self) -> frozenset[str] | None:
        """The ids of its labels before, if those changed."""
        found = self.updated_from.get("labelIds")
        return frozenset(str(one) for one in found) if isinstance(found, list) else None


class CommentTold(Envelope):
    """A comment was written."""

    data: CommentPart


class SessionTold(Envelope):
    """A session began, or somebody said something in it."""

    agent_session: SessionPart = Field(alias="agentSession")
    agent_activity: ActivityPart | None = Field(default=None, alias="agentActivity")
