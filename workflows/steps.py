"""The steps a workflow may take, by interface; activities/ implements them, workers/ wires them.

Each interface is implemented by one class whose methods carry the same activity names and models.
"""

from typing import Protocol

from temporalio import activity

from workflows.models.conversation import ConversationOrder, Shown
from workflows.models.delivery import DeliveryOrder, DeliveryResult, SweptDeliveries
from workflows.models.drill import CanaryOrder, CanaryProposal, DrillResult
from workflows.models.evidence import Evaluation
from workflows.models.gate import Verdict
from workflows.models.packages import PackageChanges
from workflows.models.patch import ExportResult
from workflows.models.pull_request import MergeResult, PullRequest, PullRequestState, RevertResult
from workflows.models.run import RunResult
from workflows.models.standing import Standing, StandingOrder
from workflows.models.steps import (
    Adopted,
    AdoptOrder,
    Attendance,
    ClosePullRequestOrder,
    ContextOrder,
    DecisionOrder,
    DecisionVerdict,
    EvaluateOrder,
    ExportOrder,
    GateOrder,
    LookAtPullRequest,
    MergeOrder,
    Nothing,
    PackagesOrder,
    Prepared,
    PrepareOrder,
    ProposeOrder,
    RebaseOrder,
    RebaseResult,
    RecordOrder,
    Released,
    ReleaseOrder,
    RevertOrder,
    RunOrder,
    StartupContext,
    Swept,
    TellOrder,
)
from workflows.models.turn import TurnOrder, Turns
from workflows.models.usage import Reserve, Reserved, Settle
from workflows.models.watch import BaseState, LookOrder


class PlacementSteps(Protocol):
    """Taken by any host with a free place, from the shared sandbox queue."""

    @activity.defn(name="prepare")
    async def prepare(self, order: PrepareOrder) -> Prepared: ...


class HostSteps(Protocol):
    """Need the workspace, so they run on the queue of the host that has it."""

    @activity.defn(name="gather_context")
    async def gather_context(self, order: ContextOrder) -> StartupContext: ...

    @activity.defn(name="run_agent")
    async def run_agent(self, order: RunOrder) -> RunResult: ...

    @activity.defn(name="export_patch")
    async def export_patch(self, order: ExportOrder) -> ExportResult: ...

    @activity.defn(name="examine_packages")
    async def examine_packages(self, order: PackagesOrder) -> PackageChanges: ...

    @activity.defn(name="evaluate")
    async def evaluate(self, order: EvaluateOrder) -> Evaluation: ...

    @activity.defn(name="release")
    async def release(self, order: ReleaseOrder) -> Released: ...

    @activity.defn(name="sweep")
    async def sweep(self, order: Nothing) -> Swept: ...


class ControlSteps(Protocol):
    """Run on a host's control queue, which has slots of its own, so that a busy host is never taken for a dead one."""

    @activity.defn(name="attend")
    async def attend(self, order: Attendance) -> Nothing: ...


class ForgeSteps(Protocol):
    """Act on the forge with credentials no sandbox ever sees."""

    @activity.defn(name="propose")
    async def propose(self, order: ProposeOrder) -> PullRequest: ...

    @activity.defn(name="rebase")
    async def rebase(self, order: RebaseOrder) -> RebaseResult: ...

    @activity.defn(name="merge")
    async def merge(self, order: MergeOrder) -> MergeResult: ...

    @activity.defn(name="close_pull_request")
    async def close_pull_request(self, order: ClosePullRequestOrder) -> Nothing: ...

    @activity.defn(name="revert")
    async def revert(self, order: RevertOrder) -> RevertResult: ...


class PullRequestSteps(Protocol):
    """Find out what people did on the forge's own pages, and tell them there."""

    @activity.defn(name="look_at_pull_request")
    async def look_at_pull_request(self, order: LookAtPullRequest) -> PullRequestState: ...

    @activity.defn(name="adopt_push")
    async def adopt_push(self, order: AdoptOrder) -> Adopted: ...

    @activity.defn(name="tell_where_asked")
    async def tell_where_asked(self, order: TellOrder) -> Nothing: ...


class GateSteps(Protocol):
    """Decide by policy."""

    @activity.defn(name="judge")
    async def judge(self, order: GateOrder) -> Verdict: ...


class StandingSteps(Protocol):
    """Show on the forge where a pull request stands."""

    @activity.defn(name="show_standing")
    async def show_standing(self, order: StandingOrder) -> Standing: ...


class WatchSteps(Protocol):
    """Look at base after a merge."""

    @activity.defn(name="look_at_base")
    async def look_at_base(self, order: LookOrder) -> BaseState: ...


class DrillSteps(Protocol):
    """Try a revert in the canary repository."""

    @activity.defn(name="propose_canary")
    async def propose_canary(self, order: CanaryOrder) -> CanaryProposal: ...

    @activity.defn(name="merge_canary")
    async def merge_canary(self, order: CanaryOrder) -> MergeResult: ...

    @activity.defn(name="finish_drill")
    async def finish_drill(self, result: DrillResult) -> DrillResult: ...


class TurnSteps(Protocol):
    """Queue for merges onto a base that moves faster than patches can be evaluated."""

    @activity.defn(name="take_turn")
    async def take_turn(self, order: TurnOrder) -> Turns: ...

    @activity.defn(name="give_turn_back")
    async def give_turn_back(self, order: TurnOrder) -> Nothing: ...


class BudgetSteps(Protocol):
    """Share a day's money between tasks."""

    @activity.defn(name="reserve_budget")
    async def reserve_budget(self, order: Reserve) -> Reserved: ...

    @activity.defn(name="settle_budget")
    async def settle_budget(self, order: Settle) -> Nothing: ...


class DeliverySteps(Protocol):
    """Carry out what a forge told by webhook, in the gateway: they sign for the persons that the forge vouches for."""

    @activity.defn(name="take_delivery")
    async def take_delivery(self, order: DeliveryOrder) -> DeliveryResult: ...

    @activity.defn(name="ask_for_deliveries")
    async def ask_for_deliveries(self, order: Nothing) -> SweptDeliveries: ...


class ConversationSteps(Protocol):
    """Show a task where people talk about it, in the gateway: it has the tokens by which it is heard there."""

    @activity.defn(name="show_conversation")
    async def show_conversation(self, order: ConversationOrder) -> Shown: ...


class RecordSteps(Protocol):
    """Put facts on record in the archive."""

    @activity.defn(name="verify_decision")
    async def verify_decision(self, order: DecisionOrder) -> DecisionVerdict: ...

    @activity.defn(name="record")
    async def record(self, order: RecordOrder) -> Nothing: ...
