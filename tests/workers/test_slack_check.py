"""`journeyman slack check`: each thing that is missing in Slack is named with how to mend it, and nothing else is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.slack.server import Slack, slack_server
from tests.support.slack.workspace import SCOPES, SECRET
from tests.workers.terminal import typed
from workers.settings import Settings
from workers.slack_check import examine_slack


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        server.channel("C0SHOP", name="shop")
        server.channel("C0APART", name="apart", has_bot=False)
        server.channel("C0OLD", name="old", is_archived=True)
        server.groups["S0MENDERS"] = ["U0ADA", "U0EVE"]
        yield server


def write(state: Path, slack: Slack, *lines: str, socket: bool = False) -> None:
    for name, text in (("bot", slack.bot_token), ("app", slack.app_token), ("secret", SECRET)):
        (state / name).write_text(f"{text}\n")
    heard = f'address = "127.0.0.1:8787"\nsigning_secrets = ["{state}/secret"]'
    if socket:
        heard = f'app_token = {{ file = "{state}/app" }}'
    table = ["[slack]", f'api = "{slack.api}"', f'bot_token = {{ file = "{state}/bot" }}', heard, *lines]
    (state / "journeyman.toml").write_text("\n".join(table) + '\n[people.ada]\nslack = "U0ADA"\n')


async def missing(state: Path) -> dict[str, str]:
    """What is wrong, by name, each with how it is mended."""
    found = await examine_slack(Settings(state=state))
    assert all(bool(one.mend) != one.ok for one in found)
    return {one.name: f"{one.detail} | {one.mend}" for one in found if not one.ok}


GOOD = ('repositories = ["github:acme/shop"]', 'groups = ["S0MENDERS"]', 'channels = { C0SHOP = "github:acme/shop" }')


@pytest.mark.parametrize("socket", [False, True])
async def test_what_is_set_up_well_is_left_alone_and_nothing_is_written(
    state: Path, slack: Slack, socket: bool
) -> None:
    write(state, slack, *GOOD, socket=socket)
    assert await missing(state) == {}
    done = await typed(state, "slack", "check", "--json")
    told = {one["name"]: one["detail"] for one in json.loads(done.out)}
    assert done.code == 0
    assert told["token"] == "of agent in Acme (T0ACME)"
    assert told["group S0MENDERS"] == "2 members, of whom [people] names 1 by their account"
    assert told["channel C0SHOP"] == "#shop: github:acme/shop"
    assert ("Socket Mode" in told["hearing"]) == socket
    assert not [one for one in slack.calls if one.method.startswith(("chat.", "views."))]


async def test_each_thing_that_is_missing_is_named_with_what_mends_it(state: Path, slack: Slack) -> None:
    channels = 'channels = { C0APART = "r", C0OLD = "r", C0NONE = "r" }'
    write(state, slack, 'groups = ["S0NONE"]', channels)
    (state / "secret").write_text("short")
    slack.scopes = tuple(one for one in SCOPES if one != "users:read.email")
    found = await missing(state)
    assert found.keys() == {"scopes", "hearing", "group S0NONE", "channel C0APART", "channel C0OLD", "channel C0NONE"}
    assert "nobody is known by their address" in found["scopes"] and "reinstall" in found["scopes"]
    assert "holds no signing secret" in found["hearing"]
    assert "/invite @agent" in found["channel C0APART"]
    assert "archived" in found["channel C0OLD"]
    done = await typed(state, "slack", "check")
    assert done.code != 0 and "something is missing in Slack" in done.error


async def test_a_token_that_counts_no_more_is_told_and_the_rest_is_looked_at(state: Path, slack: Slack) -> None:
    write(state, slack, socket=True)
    slack.bot_token, slack.app_token = "xoxb-another", "xapp-another"
    found = await missing(state)
    assert "write another where slack.bot_token says" in found["token"]
    assert "write another where slack.app_token says" in found["hearing"]
    assert "none is listed" in found["repositories"]


async def test_a_repository_and_a_token_that_are_not_there_are_named(state: Path, slack: Slack) -> None:
    write(state, slack, f'repositories = ["{state}", "{state}/gone.git"]')
    assert (await missing(state))["repositories"].count("gone.git") == 1
    (state / "bot").unlink()
    assert "No such file" in (await missing(state))["token"]


async def test_without_a_table_it_says_what_to_write(state: Path) -> None:
    (state / "journeyman.toml").write_text("")
    assert "write [slack]" in (await missing(state))["Slack"]
