"""The stand-in behaves as Slack does where tests rely on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.chat.slack.access import SlackAccess, SlackAway, SlackRefused
from activities.policy.slack_table import SlackTable
from tests.support.slack.server import Slack, slack_server
from tests.support.slack.workspace import BOT_TOKEN


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        server.channel("C0SHOP")
        server.user("U0ADA")
        yield server


@pytest.fixture
def access(slack: Slack, tmp_path: Path) -> SlackAccess:
    token = tmp_path / "token"
    token.write_text(BOT_TOKEN)
    table = SlackTable.model_validate({"api": slack.api, "bot_token": {"file": token}, "app_token": {"file": token}})
    return SlackAccess(lambda: table)


async def test_what_is_posted_is_found_again_by_its_metadata_and_can_be_changed(
    slack: Slack, access: SlackAccess
) -> None:
    metadata = {"event_type": "asked", "event_payload": {"key": "k"}}
    posted = await access.call("chat.postMessage", channel="C0SHOP", text="Hello", metadata=metadata)
    found = await access.call("conversations.history", channel="C0SHOP", include_all_metadata=True)
    assert [one["metadata"] for one in found["messages"]] == [metadata]
    await access.call("chat.update", channel="C0SHOP", ts=posted["ts"], text="Hello again")
    (message,) = slack.channels["C0SHOP"].messages
    assert (message.text, message.edits) == ("Hello again", 1)


async def test_what_slack_refuses_is_refused(slack: Slack, access: SlackAccess) -> None:
    slack.channel("C0ELSE", has_bot=False)
    long_ago = slack.trigger()
    slack.triggers[long_ago] -= 10
    view = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
    too_long = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]
    for method, arguments, code in (
        ("chat.postMessage", {"channel": "C0ELSE", "text": "x"}, "not_in_channel"),
        ("chat.postMessage", {"channel": "C0NONE", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "C0SHOP"}, "no_text"),
        ("chat.postMessage", {"channel": "C0SHOP", "text": "x", "blocks": too_long}, "invalid_blocks"),
        ("chat.postMessage", {"channel": "C0SHOP", "text": "x", "thread_ts": "1.2"}, "thread_not_found"),
        ("users.info", {"user": "U0NONE"}, "user_not_found"),
        ("views.open", {"trigger_id": long_ago, "view": view}, "expired_trigger_id"),
        ("views.open", {"trigger_id": "made up", "view": view}, "invalid_trigger_id"),
        ("conversations.open", {"users": "U0ADA"}, "missing_scope"),
        ("nothing.likeThis", {}, "unknown_method"),
    ):
        with pytest.raises(SlackRefused) as refused:
            await access.call(method, **arguments)
        assert refused.value.code == code, method


async def test_a_limit_says_how_long_it_lasts_and_a_revoked_token_what_to_do(slack: Slack, access: SlackAccess) -> None:
    slack.fail("chat.postMessage", retry_after=7)
    with pytest.raises(SlackAway) as away:
        await access.call("chat.postMessage", channel="C0SHOP", text="x")
    assert away.value.again_in is not None and away.value.again_in.total_seconds() == 7
    slack.fail("auth.test", "token_revoked")
    with pytest.raises(SlackAway, match="write another"):
        await access.call("auth.test")
    slack.bot_token = "xoxb-another"
    with pytest.raises(SlackAway, match="invalid_auth"):
        await access.call("auth.test")


async def test_an_answer_that_is_lost_was_done_all_the_same(slack: Slack, access: SlackAccess) -> None:
    slack.fail("chat.postMessage", lose_answer=True)
    with pytest.raises(SlackAway):
        await access.call("chat.postMessage", channel="C0SHOP", text="x")
    assert len(slack.channels["C0SHOP"].messages) == 1


async def test_a_token_that_a_command_prints_is_printed_once_while_it_may_be_used(slack: Slack, tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    command = ["sh", "-c", f"echo x >> {printed}; echo {BOT_TOKEN}"]
    source = {"command": command, "seconds": 60}
    table = SlackTable.model_validate({"api": slack.api, "bot_token": source, "app_token": source})
    access = SlackAccess(lambda: table)
    for _ in range(3):
        await access.call("auth.test")
    assert printed.read_text() == "x\n"
