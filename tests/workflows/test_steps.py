"""Every step that a workflow may take is implemented once, with the same models, and reachable on its queue."""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

from activities.archive.steps import RecordActivities
from activities.budget import BudgetActivities
from activities.forge.github.adopting import AdoptingActivities
from activities.forge.github.looking import PullRequestActivities
from activities.forge.standing import StandingActivities
from activities.forge.steps import ForgeActivities
from activities.forge.turns import MergeTurnActivities
from activities.host.attending import Attending
from activities.host.briefing import BriefingActivities
from activities.host.capacity import CapacityActivities
from activities.host.exporting import ExportingActivities
from activities.host.judging import JudgingActivities
from activities.host.lifetimes import LifetimeActivities
from activities.host.running import RunningActivities
from workers.gateway.conversations import ConversationActivities
from workers.gateway.deliveries import DeliveryActivities
from workflows import steps

INTERFACES = (
    steps.PlacementSteps,
    steps.HostSteps,
    steps.ControlSteps,
    steps.ForgeSteps,
    steps.StandingSteps,
    steps.PullRequestSteps,
    steps.DeliverySteps,
    steps.ConversationSteps,
    steps.TurnSteps,
    steps.BudgetSteps,
    steps.RecordSteps,
)
IMPLEMENTATIONS = (
    CapacityActivities,
    BriefingActivities,
    RunningActivities,
    ExportingActivities,
    JudgingActivities,
    LifetimeActivities,
    Attending,
    ForgeActivities,
    StandingActivities,
    PullRequestActivities,
    AdoptingActivities,
    ConversationActivities,
    DeliveryActivities,
    MergeTurnActivities,
    BudgetActivities,
    RecordActivities,
)


def defined(classes: tuple[type, ...]) -> dict[str, Callable[..., Any]]:
    """Activity name to method."""
    found: dict[str, Callable[..., Any]] = {}
    for each in classes:
        for _, method in inspect.getmembers(each, inspect.isfunction):
            definition = getattr(method, "__temporal_activity_definition", None)
            if definition is not None:
                assert definition.name not in found, f"{definition.name} is implemented twice"
                found[definition.name] = method
    return found


@pytest.mark.parametrize("name", sorted(defined(INTERFACES)))
def test_a_step_is_implemented_as_the_workflow_calls_it(name: str) -> None:
    wanted, built = defined(INTERFACES)[name], defined(IMPLEMENTATIONS)[name]
    assert get_type_hints(built) == get_type_hints(wanted)


def test_nothing_is_implemented_that_no_workflow_calls() -> None:
    assert set(defined(IMPLEMENTATIONS)) == set(defined(INTERFACES))
