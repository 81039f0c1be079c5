"""`journeyman linear check`: each thing that is missing in Linear is named with how to mend it, and nothing else is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.linear.server import linear_server
from tests.support.linear.stand_in import TOKEN, Fault, Linear
from tests.workers.terminal import typed
from workers.linear_check import examine_linear
from workers.settings import Settings


@pytest.fixture
def linear(state: Path) -> Iterator[Linear]:
    with linear_server() as server:
        server.team("ENG")
        server.label_named("Journeyman")
        (state / "token").write_text(TOKEN)
        (state / "secret").write_text("a secret of the webhook's")
        lines = [
            f'api = "{server.api}"',
            f'token = {{ file = "{state / "token"}" }}',
            'address = "127.0.0.1:8787"',
            f'secrets = ["{state / "secret"}"]',
            'teams = { ENG = "/srv/git/shop" }',
        ]
        (state / "journeyman.toml").write_text("\n".join(["[linear]", *lines]) + "\n")
        server.webhooks.append(
            {
                "id": "w",
                "url": "https://agents.example/webhooks/linear",
                "enabled": True,
                "resourceTypes": ["Issue", "Comment"],
                "allPublicTeams": True,
                "team": None,
            }
        )
        yield server


def missing(state: Path) -> dict[str, str]:
    """What is wrong, by name, each with how it is mended."""
    found = examine_linear(Settings(state=state))
    assert all(bool(one.mend) != one.ok for one in found)
    return {one.name: f"{one.detail} | {one.mend}" for one in found if not one.ok}


async def test_where_nothing_is_missing_it_says_so(state: Path, linear: Linear) -> None:
    told = await typed(state, "linear", "check", "--json")
    assert told.code == 0, told.out + told.error
    assert [one["name"] for one in json.loads(told.out)] == ["token", "actor", "team ENG", "label", "webhook", "secret"]
    assert TOKEN not in told.out


def test_each_thing_that_is_missing_is_named_with_its_remedy(state: Path, linear: Linear) -> None:
    (team,) = linear.teams.values()
    team["all_states"][:] = [one for one in team["all_states"] if one["type"] != "started"]
    linear.labels.clear()
    linear.app["app"] = False
    linear.webhooks[0]["resourceTypes"] = ["Issue"]
    (state / "secret").write_text("short")
    found = missing(state)
    assert set(found) == {"actor", "team ENG", "label", "webhook", "secret"}
    assert "started" in found["team ENG"] and "Comment" in found["webhook"]
    team["archivedAt"] = "2026-01-01T00:00:00Z"
    linear.webhooks[0]["enabled"] = False
    found = missing(state)
    assert "archived" in found["team ENG"] and "switched off" in found["webhook"]
    linear.teams.clear()
    linear.webhooks.clear()
    found = missing(state)
    assert "no access" in found["team ENG"] and "no webhook tells" in found["webhook"]
    assert "https://YOUR-NAME/webhooks/linear" in found["webhook"]


def test_a_token_without_the_scope_to_see_webhooks_is_no_fault(state: Path, linear: Linear) -> None:
    linear.faults = [Fault("Webhooks", "errors")]
    assert missing(state) == {}


def test_a_revoked_token_is_the_first_thing_to_mend(state: Path, linear: Linear) -> None:
    linear.tokens.clear()
    assert list(missing(state)) == ["token"]
    (state / "journeyman.toml").write_text("")
    assert list(missing(state)) == ["Linear"]
