"""The App's manifest allows what is asked of Slack, and no more: a workspace would be asked to trust us too far."""

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from activities.chat.slack.scopes import EVENTS, METHODS, SCOPES
from tests.support.slack.methods import METHODS as ANSWERED
from tests.support.slack.workspace import SCOPES as USUAL
from workers.gateway.slack_hearing import COMMAND, SHORTCUT

_ROOT = Path(__file__).parents[2]
_CALLED = re.compile(r"\.call\(\s*\"([a-zA-Z.]+)\"")
_NOT_THE_BOT_S = {"auth.test"}


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_ROOT / "infra" / "slack" / "manifest.yaml").read_text())
    return found


def called() -> set[str]:
    """Every method that the program asks for."""
    sources = (file for folder in ("activities/chat", "workers") for file in (_ROOT / folder).rglob("*.py"))
    return {name for file in sources for name in _CALLED.findall(file.read_text())}


def test_the_scopes_are_those_of_what_is_called_and_heard() -> None:
    assert set(manifest()["oauth_config"]["scopes"]["bot"]) == set(SCOPES) == set(USUAL)
    assert called() | _NOT_THE_BOT_S <= set(METHODS), "a method whose scopes nobody looked up"
    needed = {scope for name in called() for scope in METHODS[name]} | set(filter(None, EVENTS.values()))
    # A command takes its own, and an address is only there with one beside users:read.
    assert needed | {"commands", "users:read.email"} == set(SCOPES)


def test_the_stand_in_asks_for_no_less_than_slack() -> None:
    for name, scopes in METHODS.items():
        assert set(scopes) <= set(ANSWERED[name][0]), name
        assert bool(scopes) == bool(ANSWERED[name][0]), name


def test_what_is_heard_is_what_the_app_is_told() -> None:
    told = manifest()
    settings, address = told["settings"], "https://journeyman.example.com/webhooks/slack"
    assert set(settings["event_subscriptions"]["bot_events"]) == set(EVENTS)
    assert [one["command"] for one in told["features"]["slash_commands"]] == [COMMAND]
    assert [one["callback_id"] for one in told["features"]["shortcuts"]] == [SHORTCUT]
    where = [settings["event_subscriptions"]["request_url"], settings["interactivity"]["request_url"]]
    where += [settings["interactivity"]["message_menu_options_url"], told["features"]["slash_commands"][0]["url"]]
    assert set(where) == {address}
