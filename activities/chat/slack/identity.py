"""As whom this installation is in Slack: which workspace, which bot, asked once for each token."""

from dataclasses import dataclass

from activities.chat.slack.access import SlackAccess


@dataclass(frozen=True)
class Identity:
    """What auth.test says."""

    team: str
    user: str
    """Of the bot."""
    web: str
    """Address of the workspace, such as `https://acme.slack.com/`."""

    def link(self, channel: str, ts: str) -> str:
        """The address of a message."""
        return f"{self.web}archives/{channel}/p{ts.replace('.', '')}" if self.web and ts else ""


class SlackIdentity:
    """Kept for as long as this process lives: a token of another workspace needs a new one, as its people do."""

    def __init__(self, access: SlackAccess) -> None:
        self._access = access
        self._known: Identity | None = None

    async def get(self) -> Identity:
        """Raises SlackRefused or SlackAway."""
        if self._known is None:
            told = await self._access.call("auth.test")
            self._known = Identity(str(told["team_id"]), str(told["user_id"]), str(told.get("url", "")))
        return self._known
