"""What is asked of Slack, asked of a Slack that others wrote: `emulate` of Vercel Labs, not our word against our own.

It has no Socket Mode, no user groups, no commands and no response_url, and does not look at blocks; those are held
against the stand-in of ours (tests/support/slack) and slack_sdk's own models.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.chat.slack.access import SlackAccess, SlackRefused
from activities.chat.slack.forms import TaskForm, Where, changes_view
from activities.chat.slack.identity import SlackIdentity
from activities.policy.slack_table import SlackTable
from tests.support.emulated.slack import TOKEN, emulated_slack
from tests.support.slack.shown import refuse_unshowable


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackAccess]:
    place = tmp_path_factory.mktemp("emulated")
    with emulated_slack(place / "slack") as api:
        yield SlackAccess(lambda: _table(place, api))


def _table(place: Path, api: str) -> SlackTable:
    (place / "token").write_text(TOKEN)
    token = {"file": place / "token"}
    return SlackTable.model_validate({"api": api, "bot_token": token, "app_token": token})


async def test_messages_are_posted_found_and_changed_as_its_slack_has_them(access: SlackAccess) -> None:
    identity = await SlackIdentity(access).get()
    assert identity.team.startswith("T") and identity.user
    listed = await access.call("conversations.list")
    channel = next(one["id"] for one in listed["channels"] if one["name"] == "shop")
    metadata = {"event_type": "journeyman_asked", "event_payload": {"key": "slack:T1:2.3"}}
    posted = await access.call("chat.postMessage", channel=channel, text="A &lt;task&gt;", metadata=metadata)
    await access.call("chat.postMessage", channel=channel, text="below", thread_ts=posted["ts"])
    await access.call("chat.update", channel=channel, ts=posted["ts"], text="A task that has ended")
    told = await access.call("conversations.history", channel=channel, include_all_metadata=True)
    found = [one for one in told["messages"] if one["ts"] == posted["ts"]]
    assert [(one["text"], one["metadata"]) for one in found] == [("A task that has ended", metadata)]
    thread = await access.call("conversations.replies", channel=channel, ts=posted["ts"])
    assert [one["text"] for one in thread["messages"]] == ["A task that has ended", "below"]
    with pytest.raises(SlackRefused) as refused:
        await access.call("chat.postMessage", channel="C0NONE", text="x")
    assert refused.value.code == "channel_not_found"


async def test_forms_are_opened_once_with_what_an_interaction_brings_along(access: SlackAccess) -> None:
    users = await access.call("users.list")
    ada = next(one for one in users["members"] if one["name"] == "ada")
    info = (await access.call("users.info", user=ada["id"]))["user"]
    assert (info["profile"]["email"], info["deleted"], info["is_bot"]) == ("ada@acme.test", False, False)
    where = Where(channel="C1", thread_ts="1.2")
    for form in (TaskForm(where, ["bug-fix"], ["mender"], "github:acme/shop", "mend it").view(), changes_view(where)):
        view = form.to_dict()
        refuse_unshowable(view["blocks"], view)
        trigger = (await access.call("views.generateTriggerId", user_id=ada["id"]))["trigger_id"]
        opened = await access.call("views.open", trigger_id=trigger, view=view)
        assert opened["view"]["callback_id"] == form.callback_id
        assert opened["view"]["private_metadata"] == view["private_metadata"]
        with pytest.raises(SlackRefused) as again:
            await access.call("views.open", trigger_id=trigger, view=view)
        assert again.value.code in {"exchanged_trigger_id", "invalid_trigger_id"}
