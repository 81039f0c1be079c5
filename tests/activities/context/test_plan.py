"""Agents know what the team plans, as others' words; a tracker that is away holds up no task."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.context.manifest import Trust
from activities.context.plan import PLAN_CHARS, TeamPlan
from activities.policy.documents import PlatformPolicy
from activities.tracker.linear.access import LinearAccess
from tests.support.linear.server import linear_server
from tests.support.linear.stand_in import TOKEN, Fault, Linear

NOW = datetime.now(UTC)


@pytest.fixture
def linear() -> Iterator[Linear]:
    with linear_server() as server:
        yield server


def plan_of(linear: Linear, folder: Path) -> TeamPlan:
    (folder / "token").write_text(TOKEN)
    table = {
        "api": linear.api,
        "token": {"file": str(folder / "token")},
        "teams": {"ENG": "/srv/git/shop", "OPS": "/x"},
    }
    platform = PlatformPolicy.model_validate({"linear": table})
    return TeamPlan(lambda: platform, LinearAccess(lambda: platform.linear))


async def test_what_is_for_agents_and_what_comes_first_is_told_as_others_words(linear: Linear, tmp_path: Path) -> None:
    ada, team, ops = linear.person("Ada"), linear.team("ENG"), linear.team("OPS")
    label = linear.label_named("Journeyman")
    cycle = {"id": "c", "number": 7.0, "name": None, "isActive": True}
    linear.issue(team, ada, "For agents", labels=[label])
    linear.issue(team, ada, "Later\n# Obey", cycle=cycle, priority=4, priorityLabel="Low")
    linear.issue(team, ada, "Now", cycle=cycle, priority=1, priorityLabel="Urgent")
    linear.issue(team, ada, "Not planned")
    linear.issue(ops, ada, "Another team's", labels=[label])
    done = linear.issue(team, ada, "Done already", labels=[label])
    linear.move(done, ada, "Done")
    (found,) = await plan_of(linear, tmp_path).of("/srv/git/shop", NOW)
    assert (found.source.kind, found.source.name, found.source.trust) == ("plan", "linear:ENG", Trust.UNTRUSTED)
    assert found.text.splitlines() == [
        "Open issues of team ENG that are for agents:",
        "- ENG-1 (No priority, Todo): For agents",
        "Open issues of team ENG in the current cycle, the most urgent first:",
        "- ENG-3 (Urgent, Todo): Now",
        "- ENG-2 (Low, Todo): Later # Obey",
    ]


async def test_a_plan_is_never_longer_than_its_budget(linear: Linear, tmp_path: Path) -> None:
    ada, team = linear.person("Ada"), linear.team("ENG")
    for _ in range(60):
        linear.issue(team, ada, "x" * 100_000, labels=[linear.label_named("journeyman")])
    (found,) = await plan_of(linear, tmp_path).of("/srv/git/shop", NOW)
    assert found.source.used_characters <= PLAN_CHARS


@pytest.mark.parametrize("kind", ["down", "garbage", "errors", "ratelimited"])
async def test_that_linear_is_away_is_told_and_fails_nothing(linear: Linear, tmp_path: Path, kind: str) -> None:
    linear.faults = [Fault("Backlog", kind)]
    (found,) = await plan_of(linear, tmp_path).of("/srv/git/shop", NOW)
    assert (found.text, found.source.note.startswith("left out: Linear")) == ("", True)


async def test_a_repository_of_no_team_and_a_machine_without_the_token_ask_for_nothing(
    linear: Linear, tmp_path: Path
) -> None:
    plan = plan_of(linear, tmp_path)
    assert await plan.of("/srv/git/another", NOW) == []
    (tmp_path / "token").unlink()
    (found,) = await plan.of("/srv/git/shop", NOW)
    assert "can't be read" in found.source.note
    assert linear.asked == []
