"""Steps that answer by script: workflows are tested with the real server and these instead of the world."""

import asyncio
import hashlib
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker, WorkflowRunner

from activities.budget import BudgetActivities
from activities.decisions.signing import DecisionSigner, DecisionVerifier, SignatureRefused
from activities.forge.turns import MergeTurnActivities
from tests.support.strict_runner import STRICT_RUNNER
from workers.worker import WORKFLOWS
from workflows import queues
from workflows.agent_task import AgentTask
from workflows.models.artifact import ArtifactRef
from workflows.models.checkpoint import Checkpoint
from workflows.models.conversation import ConversationOrder, Shown
from workflows.models.decision import Action, Decision, DecisionReceipt, SignedDecision
from workflows.models.delivery import DeliveryOrder, DeliveryResult, SweptDeliveries, Taken
from workflows.models.drill import CanaryOrder, CanaryProposal, DrillResult
from workflows.models.evidence import CheckRun, Evaluation, Finding, Severity
from workflows.models.gate import Permit, Risk, RiskTier, Verdict
from workflows.models.intent import Intent, task_id, task_workflow_id
from workflows.models.packages import PackageChanges
from workflows.models.patch import ExportResult, Patch
from workflows.models.person import Person
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import (
    MergeOutcome,
    MergeResult,
    PullRequest,
    PullRequestState,
    RevertOutcome,
    RevertResult,
)
from workflows.models.run import Placement, RunEnd, RunResult
from workflows.models.standing import Standing, StandingOrder
from workflows.models.status import Stage, TaskOrder, TaskStatus
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
from workflows.models.task import Repository, Task
from workflows.models.turn import TurnOrder, Turns
from workflows.models.usage import Reserve, Reserved, Settle
from workflows.models.watch import BaseState, LookOrder

ALICE, BOB, CAROL = (Person(id=name, account=f"os:{name}") for name in ("alice", "bob", "carol"))


def sha(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def ref(name: str) -> ArtifactRef:
    return ArtifactRef(sha256=hashlib.sha256(name.encode()).hexdigest(), size=1, name=name)


def a_task(**changes: Any) -> Task:
    key = f"cli:{uuid.uuid4().hex}"
    intent = Intent(key=key, requester=ALICE)
    values = {"id": task_id(key), "intent": intent, "repository": Repository(url="/r", name="r"), "goal": "mend add()"}
    return Task.model_validate(values | changes)


def a_patch(head: str, base: str = "base-1", diff: str = "diff") -> Patch:
    digest = hashlib.sha256(diff.encode()).hexdigest()
    return Patch(
        base_commit=sha(base),
        tree=sha(f"tree {head}"),
        head=sha(head),
        bundle=ref("b"),
        diff=ref("d"),
        diff_sha256=digest,
    )


def a_verdict(order: GateOrder, permits: Permit = Permit.PERSON, **changes: Any) -> Verdict:
    values = {"permits": permits, "earned": 1, "phase": 1, "risk": Risk(tier=RiskTier.LOW), "version": "1"}
    values |= {"head": order.patch.head, "evidence_hash": order.evaluation.evidence_hash, "policy_hash": "policy-1"}
    return Verdict.model_validate(values | changes)


class Script:
    """What the world answers; tests change single answers."""

    def __init__(self, *, host: str = "h1", hosts: dict[str, "asyncio.Event"] | None = None) -> None:
        self.host = host
        self.policy = TaskPolicy(hash="policy-1", feedback_rounds=1)
        self.calls: list[tuple[str, Any]] = []
        self.proposed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """By task id: whether the task's pull request was asked for."""
        self.findings: Callable[[EvaluateOrder], tuple[Finding, ...]] = lambda order: ()
        self.exported: Callable[[ExportOrder], ExportResult] = lambda order: ExportResult(
            patch=a_patch(f"head-{order.round}")
        )
        self.merged: Callable[[MergeOrder], MergeResult] = lambda order: MergeResult(
            outcome=MergeOutcome.MERGED, commit=sha("merge"), base_commit=sha("merge")
        )
        self.reverted: Callable[[RevertOrder], RevertResult] = lambda order: RevertResult(
            outcome=RevertOutcome.REVERTED, commit=sha("revert")
        )
        self.canary: Callable[[], MergeOutcome] = lambda: MergeOutcome.MERGED
        self.rebased: Callable[[RebaseOrder], RebaseResult] = lambda order: RebaseResult()
        self.run: Callable[[RunOrder], RunResult] = lambda order: RunResult(
            run_id=order.run_id, end=RunEnd.EXITED, exit_code=0, succeeded=True, summary="mended it", agent="scripted"
        )
        self.packages: Callable[[PackagesOrder], PackageChanges] = lambda order: PackageChanges()
        self.base: Callable[[LookOrder], BaseState] = lambda order: BaseState()
        self.standing: Callable[[StandingOrder], Standing] = lambda order: Standing()
        self.verdict: Callable[[GateOrder], Verdict] = a_verdict
        self.pull: Callable[[LookAtPullRequest], PullRequestState] = lambda order: PullRequestState(is_open=True)
        self.adopted: Callable[[AdoptOrder], Adopted] = lambda order: Adopted(refused="it was not judged")
        self.told: Callable[[], None] = lambda: None
        self.shown: Callable[[ConversationOrder], Shown] = lambda order: Shown(is_over=True)
        self.taken: Callable[[DeliveryOrder], DeliveryResult] = lambda order: DeliveryResult(outcome=Taken.DONE)
        self.checkpoint: Checkpoint | None = None
        """On record of a run whose host was lost."""
        self.prepare_error: str = ""
        self.full_disks = 0
        """So many times prepare finds no room."""
        self.holds_propose = asyncio.Event()
        self.holds_propose.set()
        self.halted: set[str] = set()
        """Steps that answer that their work is halted."""
        self.holds_run = asyncio.Event()
        self.holds_run.set()
        self.holds_merge = asyncio.Event()
        self.holds_merge.set()
        self.entered_merge = asyncio.Event()
        self.holds_record = asyncio.Event()
        self.holds_record.set()
        self.verifier: DecisionVerifier | None = None
        self.turns: MergeTurnActivities | None = None
        self.budget: BudgetActivities | None = None
        """Real: what tasks share through Temporal is shared here too."""

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)

    def last(self, name: str) -> Any:
        return [order for called, order in self.calls if called == name][-1]

    def refuse_halted(self, name: str) -> None:
        if name in self.halted:
            raise ApplicationError("halted (everything) by eve: leak", type="Halted", non_retryable=True)

    def _note(self, name: str, order: Any) -> None:
        self.calls.append((name, order))
        if isinstance(order, ProposeOrder):
            self.proposed[order.task.id].set()


class ScriptedSteps:
    """Every step interface, answering from a script."""

    def __init__(self, script: Script) -> None:
        self.s = script

    @activity.defn(name="prepare")
    async def prepare(self, order: PrepareOrder) -> Prepared:
        self.s._note("prepare", order)
        self.s.refuse_halted("prepare")
        if self.s.count("prepare") <= self.s.full_disks:
            raise ApplicationError("the disk of /state is 99 % full", type="DiskFull", non_retryable=True)
        if self.s.prepare_error:
            raise ApplicationError(self.s.prepare_error, non_retryable=True)
        base = order.resume_from.base_commit if order.resume_from else sha("base-1")
        return Prepared(
            placement=Placement(host=self.s.host, epoch=order.epoch),
            base_commit=base,
            start_tree=sha("t"),
            policy=self.s.policy,
            checkpoint=self.s.checkpoint if order.lost_epoch else None,
        )

    @activity.defn(name="gather_context")
    async def gather_context(self, order: ContextOrder) -> StartupContext:
        self.s._note("gather_context", order)
        self.s.refuse_halted("gather_context")
        return StartupContext(prompt=ref("p"), manifest=ref("m"))

    @activity.defn(name="run_agent")
    async def run_agent(self, order: RunOrder) -> RunResult:
        self.s._note("run_agent", order)
        self.s.refuse_halted("run_agent")
        while not self.s.holds_run.is_set():
            activity.heartbeat()
            await asyncio.sleep(0.1)
        return self.s.run(order)

    @activity.defn(name="export_patch")
    async def export_patch(self, order: ExportOrder) -> ExportResult:
        self.s._note("export_patch", order)
        self.s.refuse_halted("export_patch")
        return self.s.exported(order)

    @activity.defn(name="examine_packages")
    async def examine_packages(self, order: PackagesOrder) -> PackageChanges:
        self.s._note("examine_packages", order)
        return self.s.packages(order)

    @activity.defn(name="evaluate")
    async def evaluate(self, order: EvaluateOrder) -> Evaluation:
        self.s._note("evaluate", order)
        self.s.refuse_halted("evaluate")
        findings = self.s.findings(order)
        blocked = any(finding.severity is Severity.BLOCKER for finding in findings)
        return Evaluation(
            evidence=ref(f"evidence {order.patch.head}"),
            evidence_hash=hashlib.sha256(f"{order.patch.head}{findings}".encode()).hexdigest(),
            base_commit=order.patch.base_commit,
            head=order.patch.head,
            policy_hash=order.prepared.policy.hash,
            blocked=blocked,
            findings=findings,
            feedback=ref("feedback") if blocked else None,
            base_run=CheckRun(tree=sha("t")),
            summary="1 of 1 pass",
        )

    @activity.defn(name="release")
    async def release(self, order: ReleaseOrder) -> Released:
        self.s._note("release", order)
        return Released()

    @activity.defn(name="attend")
    async def attend(self, order: Attendance) -> Nothing:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.2)

    @activity.defn(name="sweep")
    async def sweep(self, order: Nothing) -> Swept:
        self.s._note("sweep", order)
        return Swept(layers=("old",))

    @activity.defn(name="propose")
    async def propose(self, order: ProposeOrder) -> PullRequest:
        self.s._note("propose", order)
        await self.s.holds_propose.wait()
        self.s.refuse_halted("propose")
        return PullRequest(number=1, url="local:/r#1", head=order.task.branch, base=order.task.base)

    @activity.defn(name="look_at_base")
    async def look_at_base(self, order: LookOrder) -> BaseState:
        self.s._note("look_at_base", order)
        return self.s.base(order)

    @activity.defn(name="judge")
    async def judge(self, order: GateOrder) -> Verdict:
        self.s._note("judge", order)
        return self.s.verdict(order)

    @activity.defn(name="show_standing")
    async def show_standing(self, order: StandingOrder) -> Standing:
        self.s._note("show_standing", order)
        return self.s.standing(order)

    @activity.defn(name="rebase")
    async def rebase(self, order: RebaseOrder) -> RebaseResult:
        self.s._note("rebase", order)
        return self.s.rebased(order)

    @activity.defn(name="merge")
    async def merge(self, order: MergeOrder) -> MergeResult:
        self.s._note("merge", order)
        self.s.entered_merge.set()
        await self.s.holds_merge.wait()
        self.s.refuse_halted("merge")
        return self.s.merged(order)

    @activity.defn(name="close_pull_request")
    async def close_pull_request(self, order: ClosePullRequestOrder) -> Nothing:
        self.s._note("close_pull_request", order)
        return Nothing()

    @activity.defn(name="look_at_pull_request")
    async def look_at_pull_request(self, order: LookAtPullRequest) -> PullRequestState:
        self.s._note("look_at_pull_request", order)
        return self.s.pull(order)

    @activity.defn(name="adopt_push")
    async def adopt_push(self, order: AdoptOrder) -> Adopted:
        self.s._note("adopt_push", order)
        return self.s.adopted(order)

    @activity.defn(name="tell_where_asked")
    async def tell_where_asked(self, order: TellOrder) -> Nothing:
        self.s._note("tell_where_asked", order)
        self.s.told()
        return Nothing()

    @activity.defn(name="take_delivery")
    async def take_delivery(self, order: DeliveryOrder) -> DeliveryResult:
        self.s._note("take_delivery", order)
        return self.s.taken(order)

    @activity.defn(name="show_conversation")
    async def show_conversation(self, order: ConversationOrder) -> Shown:
        self.s._note("show_conversation", order)
        return self.s.shown(order)

    @activity.defn(name="ask_for_deliveries")
    async def ask_for_deliveries(self, order: Nothing) -> SweptDeliveries:
        self.s._note("ask_for_deliveries", order)
        return SweptDeliveries(failed=2, asked_again=1)

    @activity.defn(name="revert")
    async def revert(self, order: RevertOrder) -> RevertResult:
        self.s._note("revert", order)
        return self.s.reverted(order)

    @activity.defn(name="propose_canary")
    async def propose_canary(self, order: CanaryOrder) -> CanaryProposal:
        self.s._note("propose_canary", order)
        task = a_task(id=order.drill_id)
        pull = PullRequest(number=1, url="local:/r#1", head=task.branch, base=task.base)
        return CanaryProposal(task=task, patch=a_patch("canary"), pull_request=pull)

    @activity.defn(name="merge_canary")
    async def merge_canary(self, order: CanaryOrder) -> MergeResult:
        self.s._note("merge_canary", order)
        return MergeResult(outcome=self.s.canary(), commit=sha("merge"), base_commit=sha("merge"))

    @activity.defn(name="finish_drill")
    async def finish_drill(self, result: DrillResult) -> DrillResult:
        self.s._note("finish_drill", result)
        return result

    @activity.defn(name="verify_decision")
    async def verify_decision(self, order: DecisionOrder) -> DecisionVerdict:
        self.s._note("verify_decision", order)
        if self.s.verifier is not None:
            try:
                self.s.verifier.verify(order.signed, datetime.now(UTC))
            except SignatureRefused as refused:
                return DecisionVerdict(valid=False, refusal=str(refused))
        return DecisionVerdict(valid=True)

    @activity.defn(name="take_turn")
    async def take_turn(self, order: TurnOrder) -> Turns:
        self.s._note("take_turn", order)
        assert self.s.turns is not None
        return await self.s.turns.take_turn(order)

    @activity.defn(name="give_turn_back")
    async def give_turn_back(self, order: TurnOrder) -> Nothing:
        self.s._note("give_turn_back", order)
        assert self.s.turns is not None
        return await self.s.turns.give_turn_back(order)

    @activity.defn(name="reserve_budget")
    async def reserve_budget(self, order: Reserve) -> Reserved:
        self.s._note("reserve_budget", order)
        assert self.s.budget is not None
        return await self.s.budget.reserve_budget(order)

    @activity.defn(name="settle_budget")
    async def settle_budget(self, order: Settle) -> Nothing:
        self.s._note("settle_budget", order)
        assert self.s.budget is not None
        return await self.s.budget.settle_budget(order)

    @activity.defn(name="record")
    async def record(self, order: RecordOrder) -> Nothing:
        self.s._note("record", order)
        await self.s.holds_record.wait()
        return Nothing()

    def all(self, *names: str) -> list[Callable[..., Any]]:
        return [getattr(self, name) for name in names]


BEAT = timedelta(seconds=0.2)
HOST_STEPS = ("gather_context", "run_agent", "export_patch", "examine_packages", "evaluate", "release", "sweep")
API_STEPS = (
    "propose",
    "judge",
    "look_at_base",
    "show_standing",
    "rebase",
    "merge",
    "close_pull_request",
    "look_at_pull_request",
    "adopt_push",
    "tell_where_asked",
    "revert",
    "propose_canary",
    "merge_canary",
    "finish_drill",
    "verify_decision",
    "record",
)
GATEWAY_STEPS = ("take_delivery", "ask_for_deliveries", "show_conversation")
SHARING_STEPS = ("take_turn", "give_turn_back", "reserve_budget", "settle_budget")


@asynccontextmanager
async def workers(client: Client, script: Script, runner: WorkflowRunner = STRICT_RUNNER) -> AsyncIterator[None]:
    """All workers of one small installation, in this process."""
    async with working(client, script, runner), attending(client, script):
        yield


@asynccontextmanager
async def attending(client: Client, script: Script) -> AsyncIterator[None]:
    """The worker by which a host is known to be there."""
    steps = ScriptedSteps(script)
    queue = Placement(host=script.host).control_queue
    async with Worker(client, task_queue=queue, activities=steps.all("attend"), max_heartbeat_throttle_interval=BEAT):
        yield


@asynccontextmanager
async def working(client: Client, script: Script, runner: WorkflowRunner = STRICT_RUNNER) -> AsyncIterator[None]:
    """All others."""
    script.turns, script.budget = MergeTurnActivities(client), BudgetActivities(client)
    steps = ScriptedSteps(script)
    host = Placement(host=script.host)
    async with (
        Worker(client, task_queue=queues.ORCHESTRATE, workflows=WORKFLOWS, workflow_runner=runner),
        Worker(client, task_queue=queues.API, activities=steps.all(*API_STEPS, *SHARING_STEPS)),
        Worker(client, task_queue=queues.GATEWAY, activities=steps.all(*GATEWAY_STEPS)),
        Worker(client, task_queue=queues.SANDBOX, activities=steps.all("prepare")),
        Worker(client, task_queue=host.queue, activities=steps.all(*HOST_STEPS), max_heartbeat_throttle_interval=BEAT),
    ):
        yield


class Desk:
    """One task as the people around it see it."""

    def __init__(self, handle: WorkflowHandle[Any, Any], task: Task, signer: DecisionSigner) -> None:
        self.handle = handle
        self.task = task
        self.signer = signer

    @classmethod
    async def start(cls, client: Client, signer: DecisionSigner, task: Task | None = None, **order: Any) -> "Desk":
        task = task or a_task()
        handle = await client.start_workflow(
            AgentTask.run, TaskOrder(task=task, **order), id=task_workflow_id(task.id), task_queue=queues.ORCHESTRATE
        )
        return cls(handle, task, signer)

    async def status(self) -> TaskStatus:
        return await self.handle.query(AgentTask.status)

    async def reaches(self, *stages: Stage, seconds: float = 30) -> TaskStatus:
        async with asyncio.timeout(seconds):
            while (status := await self.status()).stage not in stages:
                await asyncio.sleep(0.02)
        return status

    async def result(self) -> TaskStatus:
        async with asyncio.timeout(30):
            status: TaskStatus = await self.handle.result()
            return status

    def sign(self, action: Action, person: Person, status: TaskStatus, **changes: Any) -> SignedDecision:
        now = datetime.now(UTC)
        values = {
            "action": action,
            "person": person,
            "task_id": self.task.id,
            "head": status.patch.head if status.patch else "",
            "evidence_hash": status.evaluation.evidence_hash if status.evaluation else "",
            "decided_at": now,
            "expires_at": now + timedelta(hours=1),
        }
        return self.signer.sign(Decision.model_validate(values | changes))

    async def decide(self, action: Action, person: Person = BOB, **changes: Any) -> DecisionReceipt:
        signed = self.sign(action, person, await self.status(), **changes)
        return await self.send(signed)

    async def send(self, signed: SignedDecision, action: Action | None = None) -> DecisionReceipt:
        name = str(action or signed.decision.action).replace("-", "_")
        receipt: DecisionReceipt = await self.handle.execute_update(name, signed, result_type=DecisionReceipt)
        return receipt
