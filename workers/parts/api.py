"""The steps that act on other people's servers, and those that share something between tasks through Temporal."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio.client import Client

from activities.archive.steps import RecordActivities
from activities.budget import BudgetActivities
from activities.forge.drill import DrillActivities
from activities.forge.github.adopting import AdoptingActivities
from activities.forge.github.looking import PullRequestActivities
from activities.forge.revert_preview import RevertPreviews
from activities.forge.standing import StandingActivities
from activities.forge.steps import ForgeActivities
from activities.forge.turns import MergeTurnActivities
from activities.gate.steps import GateActivities
from activities.gate.watching import WatchActivities
from activities.policy.people import co_author, find_person
from workers.parts.halts import read_halts
from workers.parts.shared import SharedParts


def api_steps(client: Client, shared: SharedParts) -> Sequence[Callable[..., Any]]:
    """All of them; they need no host and no sandbox."""
    attested = shared.attesting()
    turns, budget = MergeTurnActivities(client), BudgetActivities(client)
    halts, drills = read_halts(shared.settings, shared.objects), shared.drilling()
    forge = ForgeActivities(
        shared.forge,
        shared.admissions,
        attested,
        shared.authority,
        shared.artifacts,
        shared.mirrors,
        shared.patches,
        shared.policies,
        gate=shared.gate,
        trust=shared.demoting(),
        watch=shared.watch,
        whose_turn=turns.whose,
        halts=halts,
        drills=drills,
        co_author=lambda person: co_author(shared.owners.platform(), person),
        pages=shared.settings.pages,
    )
    adopting = AdoptingActivities(
        shared.github,
        shared.git,
        shared.mirrors,
        shared.patches,
        shared.admissions,
        attested,
        lambda login: _person_on_github(shared, login),
    )
    pulls = PullRequestActivities(shared.github, shared.admissions, attested)
    gate = GateActivities(shared.gate, shared.admissions, shared.authority, attested)
    standing = StandingActivities(
        shared.forge,
        shared.admissions,
        attested,
        shared.authority,
        shared.withdrawals,
        shared.gate,
        shared.mirrors,
        shared.policies,
        halts,
    )
    watch = WatchActivities(shared.watch, shared.admissions, attested, RevertPreviews(shared.git, shared.mirrors))
    drill = DrillActivities(
        shared.forge,
        shared.git,
        shared.mirrors,
        shared.patches,
        shared.artifacts,
        shared.owners,
        drills,
        halts,
    )
    record = RecordActivities(
        shared.chains,
        shared.ended,
        shared.withdrawals,
        shared.host_answers,
        shared.authority,
        attested,
        shared.traces,
    )
    return [
        forge.propose,
        forge.rebase,
        gate.judge,
        standing.show_standing,
        watch.look_at_base,
        forge.merge,
        forge.close_pull_request,
        forge.revert,
        pulls.look_at_pull_request,
        adopting.adopt_push,
        pulls.tell_where_asked,
        drill.propose_canary,
        drill.merge_canary,
        drill.finish_drill,
        turns.take_turn,
        turns.give_turn_back,
        budget.reserve_budget,
        budget.settle_budget,
        record.verify_decision,
        record.record,
    ]


def _person_on_github(shared: SharedParts, login: str) -> str:
    person = find_person(shared.owners.platform(), "github", login)
    return person.id if person is not None else f"github:{login}"
