"""Telling one person something that the others in the channel don't see."""

from urllib.parse import urlsplit

import aiohttp
from slack_sdk.webhook.async_client import AsyncWebhookClient

from activities.chat.slack.access import SlackAccess, SlackRefused

_SECONDS = 10
_SLACK_S = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})


class Whispering:
    """By response_url while Slack takes it, else in the channel or in a direct message."""

    def __init__(self, access: SlackAccess, api: str) -> None:
        """`api`: address of the Web API; what answers beside it on this machine is believed to be Slack, too."""
        self._access = access
        self._api = api

    async def tell(self, user: str, text: str, *, channel: str = "", thread: str = "", response_url: str = "") -> None:
        """Tell somebody. `text` is mrkdwn. Raises SlackRefused where nothing reaches them, or SlackAway."""
        if response_url and await self._responded(response_url, text):
            return
        if channel:
            try:
                where = {"channel": channel, "user": user, "thread_ts": thread or None}
                await self._access.call("chat.postEphemeral", **where, text=text)
                return
            except SlackRefused:
                # Such as a channel in which the App is not.
                pass
        await self._access.call("chat.postMessage", channel=user, text=text, unfurl_links=False, unfurl_media=False)

    async def _responded(self, url: str, text: str) -> bool:
        if not self._is_slack_s(url):
            return False
        client = AsyncWebhookClient(url, timeout=_SECONDS, trust_env_in_session=True, retry_handlers=[])
        try:
            answer = await client.send(text=text, response_type="ephemeral", replace_original=False)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
        return answer.status_code == 200

    def _is_slack_s(self, url: str) -> bool:
        """Whether an address is Slack's: nobody has this installation call others."""
        found, api = urlsplit(url), urlsplit(self._api)
        if found.scheme == "https" and found.hostname in _SLACK_S:
            return True
        on_this_machine = api.hostname in {"127.0.0.1", "::1", "localhost"}
        return on_this_machine and (found.scheme, found.netloc) == (api.scheme, api.netloc)
