"""Record the histories that are replayed: `python -m tests.histories.record [PATH…]`, each path a method below.

Until it is released, a change of what workflows do is recorded anew; from then on an old history stays and the change
is made with `workflow.patched`.
"""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import (
    ALICE,
    BOB,
    CAROL,
    Desk,
    Script,
    a_patch,
    a_task,
    a_verdict,
    attending,
    sha,
    workers,
    working,
)
from workers.embedded.programs import program
from workers.temporal import DATA_CONVERTER
from workflows import queues, search_attributes
from workflows.agent_task import AgentTask
from workflows.conversation import Conversation
from workflows.delivery import Delivery
from workflows.delivery_sweep import DeliverySweep
from workflows.host_sweep import HostSweep
from workflows.merge_watch import MergeWatch
from workflows.models.checkpoint import Checkpoint
from workflows.models.conversation import ConversationOrder, Shown, conversation_workflow_id
from workflows.models.decision import Action, Decision
from workflows.models.delivery import (
    DELIVERY_SWEEP_ID,
    DeliveryOrder,
    DeliveryResult,
    Taken,
    delivery_workflow_id,
)
from workflows.models.drill import DRILL_WORKFLOW_ID, DrillOrder
from workflows.models.evidence import Finding, Severity
from workflows.models.gate import ApprovalNeeds, Permit
from workflows.models.intent import Intent, revert_workflow_id, watch_workflow_id
from workflows.models.observation import Observation
from workflows.models.packages import PackageChanges
from workflows.models.patch import ExportResult
from workflows.models.policy import Setup, TaskPolicy
from workflows.models.pull_request import (
    MergeOutcome,
    MergeResult,
    PullRequestState,
    RevertOutcome,
    RevertOutlook,
    RevertPreview,
    RevertResult,
)
from workflows.models.question import Choice
from workflows.models.run import HangKind, RunEnd, RunResult
from workflows.models.status import RevertRequest, Stage
from workflows.models.steps import Adopted, Nothing, RebaseResult, RunOrder, SweepOrder
from workflows.models.task import Repository
from workflows.models.turn import turns_workflow_id
from workflows.models.usage import Budget, Metered, team_budget_workflow_id
from workflows.models.watch import BaseState, WatchOrder
from workflows.revert_drill import RevertDrill
from workflows.revert_merge import RevertMerge

HERE = Path(__file__).parent
DELIVERED = HERE / "delivery" / "delivered.json"
TALKED = HERE / "conversation" / "followed.json"
ASKED_AGAIN = HERE / "delivery_sweep" / "asked-again.json"
SWEPT = HERE / "host_sweep" / "swept.json"
WATCHED = HERE / "merge_watch" / "watched.json"
PREPARED = HERE / "merge_watch" / "prepared.json"
TURNED_RED = HERE / "merge_watch" / "turned-red.json"
DRILLED = HERE / "revert_drill" / "drilled.json"
REVERTED = HERE / "revert_merge" / "reverted.json"
RED = Observation(
    repository="/r", commit="a" * 40, name="ci", good=False, person=ALICE, observed_at=datetime(2026, 1, 1, tzinfo=UTC)
)


class Recorder:
    """Takes one path through a task after the other."""

    def __init__(self, client: Client, signer: DecisionSigner) -> None:
        self._client = client
        self._signer = signer

    @asynccontextmanager
    async def task(self, name: str, script: Script, **order: Any) -> AsyncIterator[Desk]:
        """A task in the script's world; what became of it is written when the block has ended."""
        async with workers(self._client, script):
            desk = await Desk.start(self._client, self._signer, **order)
            yield desk
            await desk.result()
            await _write(desk.handle, HERE / "agent_task" / f"{name}.json")

    async def merged(self) -> None:
        async with self.task("merged", Script()) as desk:
            await _merge(desk)

    async def halted(self) -> None:
        """Where a place is taken, while the agent runs, and before anything is proposed."""
        script = Script()
        script.halted = {"prepare", "run_agent", "propose"}
        async with self.task("halted", script) as desk:
            for step in ("prepare", "run_agent", "propose"):
                while script.count(step) == 0 or "halted" not in (await desk.status()).message:
                    await asyncio.sleep(0.05)
                script.halted.discard(step)
            await _merge(desk)

    async def merged_by_policy(self) -> None:
        """Phase 3: nobody is asked."""
        script = Script()
        script.verdict = lambda order: a_verdict(order, Permit.MERGE, phase=3)
        async with self.task("merged-by-policy", script) as desk:
            await desk.result()

    async def resumed_before_merge(self) -> None:
        """Phase 3, halted when policy merges."""
        script = Script()
        script.verdict = lambda order: a_verdict(order, Permit.MERGE, phase=3)
        script.halted = {"merge"}
        async with self.task("resumed-before-merge", script) as desk:
            while script.count("merge") == 0 or "halted" not in (await desk.status()).message:
                await asyncio.sleep(0.05)
            script.halted = set()
            await desk.result()

    async def approved_by_policy(self) -> None:
        """Phase 2, after base has moved."""
        script = Script()
        script.verdict = lambda order: a_verdict(order, Permit.APPROVE, phase=2)
        script.merged = lambda order: MergeResult(
            outcome=MergeOutcome.MERGED if script.count("merge") > 1 else MergeOutcome.BASE_MOVED, commit=sha("merge")
        )
        script.rebased = lambda order: RebaseResult(patch=a_patch("rebased", base="base-2"))
        async with self.task("approved-by-policy", script) as desk:
            await desk.reaches(Stage.APPROVED)
            await desk.decide(Action.MERGE)
            await desk.result()

    async def approved_by_two(self) -> None:
        """One of them takes it back, an approval expires, and the goal was vague."""
        script = Script()
        script.verdict = lambda order: a_verdict(order, needs=ApprovalNeeds(count=2))
        async with self.task("approved-by-two", script, question="what is meant?") as desk:
            status = await desk.reaches(Stage.QUESTION)
            assert status.question is not None
            answer = {"question": status.question.id, "choice": Choice.CONTINUE, "message": "add() subtracts"}
            await desk.decide(Action.ANSWER, ALICE, **answer)
            await desk.reaches(Stage.REVIEW)
            await desk.decide(Action.APPROVE)
            await desk.decide(Action.WITHDRAW)
            await desk.decide(Action.APPROVE, expires_at=datetime.now(UTC) + timedelta(seconds=1))
            async with asyncio.timeout(30):
                while (await desk.status()).approved_by:
                    await asyncio.sleep(0.05)
            await desk.decide(Action.APPROVE)
            await desk.decide(Action.APPROVE, CAROL)
            await desk.decide(Action.MERGE)
            await desk.result()

    async def rejected(self) -> None:
        async with self.task("rejected", Script()) as desk:
            await desk.reaches(Stage.REVIEW)
            await desk.decide(Action.REJECT)

    async def cancelled(self) -> None:
        """While the agent runs."""
        script = Script()
        script.holds_run.clear()
        async with self.task("cancelled", script) as desk:
            await desk.reaches(Stage.RUN)
            await desk.decide(Action.CANCEL)
            script.holds_run.set()

    async def changes_requested(self) -> None:
        async with self.task("changes-requested", Script()) as desk:
            await desk.reaches(Stage.REVIEW)
            await desk.decide(Action.REQUEST_CHANGES, message="also say why")
            while (await desk.reaches(Stage.REVIEW)).round < 2:
                await asyncio.sleep(0.02)
            await _merge(desk)

    async def shown(self) -> None:
        """On a forge where others look: approved, taken back, sent back, base moves, and a merge queue lands it."""
        script, moves = Script(), [MergeOutcome.BASE_MOVED, MergeOutcome.ENQUEUED, MergeOutcome.MERGED]
        script.merged = lambda order: MergeResult(outcome=moves[script.count("merge") - 1], commit=sha("merge"))
        script.rebased = lambda order: RebaseResult(patch=a_patch("rebased", base="base-2"))
        shared = Repository(url="https://github.com/acme/shop", name="acme/shop", forge="github")
        async with self.task("shown", script, task=a_task(repository=shared)) as desk:
            await desk.reaches(Stage.REVIEW)
            await desk.decide(Action.APPROVE)
            await desk.decide(Action.WITHDRAW)
            await desk.decide(Action.REQUEST_CHANGES, message="also say why")
            while (await desk.reaches(Stage.REVIEW)).round < 2:
                await asyncio.sleep(0.02)
            await _merge(desk)
            while script.count("merge") < 2:
                await asyncio.sleep(0.02)
            await desk.handle.signal("observed")

    async def disk_full(self) -> None:
        """Waits for room on a disk, and is merged."""
        script = Script()
        script.full_disks = 1
        async with self.task("disk-full", script) as desk:
            await _merge(desk)

    async def base_moved(self) -> None:
        """Judged again, with the approval carried over."""
        script = Script()
        results = [MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=sha("base-2"))]
        landed = MergeResult(outcome=MergeOutcome.MERGED, commit=sha("merge"))
        script.merged = lambda order: results.pop() if results else landed
        script.rebased = lambda order: RebaseResult(patch=a_patch("head-rebased", base="base-2"))
        async with self.task("base-moved", script) as desk:
            await _merge(desk)

    async def conflicted(self) -> None:
        """Base moves and conflicts with the patch, which is made anew on the new one, and is merged."""
        script = Script()
        results = [MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=sha("base-2"))]
        landed = MergeResult(outcome=MergeOutcome.MERGED, commit=sha("merge"))
        script.merged = lambda order: results.pop() if results else landed
        script.rebased = lambda order: RebaseResult(conflicts=("calc.py",))
        async with self.task("conflicted", script) as desk:
            await _merge(desk)
            await desk.reaches(Stage.GUIDANCE)
            script.exported = lambda order: ExportResult(patch=a_patch("anew", base="base-2"))
            await desk.decide(Action.REQUEST_CHANGES, message="lay it onto base")
            await _merge(desk)

    async def blocked(self) -> None:
        """Fails its checks until the last round, and is rejected."""
        script = Script()
        script.findings = lambda order: (Finding(rule="checks-fail", severity=Severity.BLOCKER, message="red"),)
        async with self.task("blocked", script) as desk:
            await desk.reaches(Stage.GUIDANCE)
            await desk.decide(Action.REJECT)

    async def budget_asked(self) -> None:
        """Stands still at its cap, goes on with more, and is merged."""
        script = Script()
        script.policy = TaskPolicy(hash="p", budget=Budget(task_micro_usd=100, task_most_micro_usd=250))
        script.run = _paid
        async with self.task("budget-asked", script) as desk:
            question = (await desk.reaches(Stage.QUESTION)).question
            assert question is not None
            await desk.decide(Action.ANSWER, BOB, question=question.id, choice=Choice.CONTINUE, more_micro_usd=50)
            await _merge(desk)

    async def host_asked(self) -> None:
        """Stands still for a host that it was refused, goes on, and is merged."""
        script = Script()
        script.policy = TaskPolicy(hash="p", egress_asks=True)
        script.run = _refused
        async with self.task("host-asked", script) as desk:
            question = (await desk.reaches(Stage.QUESTION)).question
            assert question is not None
            await desk.decide(Action.ANSWER, BOB, question=question.id, choice=Choice.ALLOW_ONCE, hosts=question.hosts)
            await _merge(desk)

    async def hung(self) -> None:
        """Hangs twice, is let go on, and is merged."""
        script = Script()
        script.run = _hanging
        async with self.task("hung", script) as desk:
            question = (await desk.reaches(Stage.QUESTION)).question
            assert question is not None
            await desk.decide(Action.ANSWER, BOB, question=question.id, choice=Choice.CONTINUE)
            await _merge(desk)

    async def packages_asked(self) -> None:
        """Brings a package by its lock file, which is allowed, and is merged."""
        script = Script()
        script.policy = TaskPolicy(hash="p", setup=Setup(commands=("true",), lock_files=("requirements.txt",)))
        script.packages = lambda order: PackageChanges(
            lock_files=("requirements.txt",), brought=("six@1.17.0",), open=("six@1.17.0",)
        )
        async with self.task("packages-asked", script) as desk:
            question = (await desk.reaches(Stage.QUESTION)).question
            assert question is not None
            named = question.packages
            await desk.decide(Action.ANSWER, BOB, question=question.id, choice=Choice.ALLOW_ONCE, packages=named)
            await _merge(desk)

    async def resumed(self) -> None:
        """Its host is lost while the agent runs; it goes on from a checkpoint elsewhere, and is merged."""
        script = Script()
        script.holds_run.clear()
        async with working(self._client, script):
            desk = await Desk.start(self._client, self._signer, host_silence_seconds=1)
            run_id = f"{desk.task.id}-1-1"
            script.checkpoint = Checkpoint(
                number=2, run_id=run_id, epoch=1, base_commit=sha("base-1"), tool_calls=12, taken_at=datetime.now(UTC)
            )
            while script.count("prepare") < 2:
                await asyncio.sleep(0.02)
            async with attending(self._client, script):
                script.holds_run.set()
                await _merge(desk)
                await desk.result()
                await _write(desk.handle, HERE / "agent_task" / "resumed.json")

    async def day_counted(self) -> None:
        """Uses money of its team's day: the task, and the entity that hands it out."""
        script = Script()
        script.policy = TaskPolicy(hash="p", budget=Budget(team="recorded", team_day_micro_usd=1_000_000))
        async with self.task("day-counted", script) as desk:
            await _merge(desk)
        await self._entity(team_budget_workflow_id("recorded"), HERE / "team_budget" / "day-counted.json")

    async def turn_taken(self) -> None:
        """Base keeps moving, so that it waits for its turn to merge: the task, and the entity that gives turns."""
        script = Script()
        moves = iter([MergeOutcome.BASE_MOVED] * 3)
        script.merged = lambda order: MergeResult(
            outcome=next(moves, MergeOutcome.MERGED), commit=sha("merge"), base_commit=sha("base-2")
        )
        script.rebased = lambda order: RebaseResult(patch=a_patch("head-rebased", base="base-2"))
        async with self.task("turn-taken", script) as desk:
            await _merge(desk)
        repository, base = desk.task.repository, desk.task.base
        await self._entity(turns_workflow_id(repository, base), HERE / "merge_turns" / "turn-taken.json")

    async def _entity(self, workflow_id: str, file: Path) -> None:
        await _write(self._client.get_workflow_handle(workflow_id), file)

    async def watched(self) -> None:
        """Base turns red after a merge by policy, which takes it back."""
        script, task = Script(), a_task()
        script.base = lambda order: BaseState(red=RED if script.count("look_at_base") > 1 else None)
        order = WatchOrder(task=task, merge_commit=sha("merge"), seconds=600, by_policy=True)
        async with workers(self._client, script):
            watch = await self._client.start_workflow(
                MergeWatch.run, order, id=watch_workflow_id(task.id), task_queue=queues.ORCHESTRATE
            )
            async with asyncio.timeout(30):
                while not script.count("look_at_base"):
                    await asyncio.sleep(0.02)
            await watch.signal(MergeWatch.observed)
            await watch.result()
            await _write(watch, WATCHED)

    async def prepared(self) -> None:
        """A revert is clean, then conflicts as base moves; base turns red, and people are left with the conflict."""
        script, task = Script(), a_task()
        clean = RevertPreview(outlook=RevertOutlook.CLEAN, base_commit=sha("base-2"))
        conflict = RevertPreview(outlook=RevertOutlook.CONFLICT, base_commit=sha("base-3"), conflicts=("a.py",))
        states = iter((BaseState(outlook=clean), BaseState(outlook=conflict), BaseState(outlook=conflict, red=RED)))
        script.base = lambda order: next(states)
        script.reverted = lambda order: RevertResult(outcome=RevertOutcome.CONFLICT, detail="changed again since")
        order = WatchOrder(task=task, merge_commit=sha("merge"), seconds=600, by_policy=True)
        async with workers(self._client, script):
            watch = await self._client.start_workflow(
                MergeWatch.run, order, id=watch_workflow_id(task.id), task_queue=queues.ORCHESTRATE
            )
            for looks in (1, 2):
                async with asyncio.timeout(30):
                    while script.count("look_at_base") < looks:
                        await asyncio.sleep(0.02)
                await watch.signal(MergeWatch.observed)
            await watch.result()
            await _write(watch, PREPARED)

    async def turned_red(self) -> None:
        """Base turns red after a merge by a person, of a task that somebody talks about."""
        script, task = Script(), a_task()
        script.base = lambda order: BaseState(red=RED)
        script.shown = lambda order: Shown(is_over=script.count("show_conversation") > 1)
        order = WatchOrder(task=task, merge_commit=sha("merge"), seconds=600, by_policy=False)
        async with workers(self._client, script):
            talk = await self._client.start_workflow(
                Conversation.run,
                ConversationOrder(task_id=task.id),
                id=conversation_workflow_id(task.id),
                task_queue=queues.ORCHESTRATE,
            )
            while not script.count("show_conversation"):
                await asyncio.sleep(0.02)
            watch = await self._client.start_workflow(
                MergeWatch.run, order, id=watch_workflow_id(task.id), task_queue=queues.ORCHESTRATE
            )
            await watch.result()
            await talk.result()
            await _write(watch, TURNED_RED)

    async def closed_by_people(self) -> None:
        """On the forge's own page, while the patch waits for review."""
        script = Script()
        script.pull = lambda order: PullRequestState(is_open=False, by="eve")
        async with self.task("closed-by-people", script) as desk:
            await desk.reaches(Stage.REVIEW)
            await desk.handle.signal(AgentTask.pull_request_changed)

    async def merged_by_people(self) -> None:
        """On the forge's own page, after somebody had pushed to the branch."""
        script = Script()
        states = iter(
            (
                PullRequestState(is_open=True, head=sha("pushed"), base="main"),
                PullRequestState(is_open=False, head=sha("pushed"), base="main", merge_commit=sha("merge"), by="eve"),
            )
        )
        script.pull = lambda order: next(states)
        async with self.task("merged-by-people", script) as desk:
            await desk.reaches(Stage.REVIEW)
            await desk.decide(Action.APPROVE)
            for looks in (1, 2):
                await desk.handle.signal(AgentTask.pull_request_changed)
                while script.count("look_at_pull_request") < looks:
                    await asyncio.sleep(0.05)

    async def adopted(self) -> None:
        """Somebody pushes to its branch twice: the second time while the first push is being proposed."""
        script = Script()
        script.holds_propose.clear()
        async with self.task("adopted", script) as desk:
            script.holds_propose.set()
            await desk.reaches(Stage.REVIEW)
            script.holds_propose.clear()
            for name in ("first", "second"):
                patch = a_patch(name, diff=name)
                script.adopted = lambda order, patch=patch: Adopted(patch=patch, pushed_by=("eve",))  # type: ignore[misc]
                script.pull = lambda order, patch=patch: PullRequestState(is_open=True, head=patch.head, base="main")  # type: ignore[misc]
                await desk.handle.signal(AgentTask.pull_request_changed)
                if name == "first":
                    await desk.reaches(Stage.PROPOSE)
            while script.count("look_at_pull_request") < 2:
                await asyncio.sleep(0.05)
            script.holds_propose.set()
            while script.count("adopt_push") < 2:
                await asyncio.sleep(0.05)
            await _merge(desk)

    async def told(self) -> None:
        """Asked for on an issue, where its question, its finding and its end are told."""
        script = Script()
        script.findings = lambda order: (Finding(rule="checks-fail", severity=Severity.BLOCKER, message="red"),)
        intent = Intent(key="github:acme/shop#7", requester=ALICE, link="https://github.com/acme/shop/issues/7")
        task = a_task(intent=intent)
        async with self.task("told", script, task=task, question="what do you mean?") as desk:
            question = (await desk.reaches(Stage.QUESTION)).question
            assert question is not None
            await desk.decide(Action.ANSWER, ALICE, question=question.id, choice=Choice.CONTINUE)
            await desk.reaches(Stage.GUIDANCE)
            await desk.decide(Action.REJECT)

    async def delivered(self) -> None:
        """A delivery that waits once for its task."""
        script, digest = Script(), "d" * 64
        results = iter((DeliveryResult(outcome=Taken.WAITS, wait_seconds=60), DeliveryResult(outcome=Taken.DONE)))
        script.taken = lambda order: next(results)
        async with workers(self._client, script):
            handle = await self._client.start_workflow(
                Delivery.run,
                DeliveryOrder(digest=digest),
                id=delivery_workflow_id(digest),
                task_queue=queues.ORCHESTRATE,
            )
            await handle.result()
            await _write(handle, DELIVERED)

    async def followed(self) -> None:
        """One task that somebody talks about: its conversation is told of every change, and reminds once."""
        script = Script()
        is_over = False

        def shown(order: ConversationOrder) -> Shown:
            soon = datetime.now(UTC) + timedelta(seconds=1) if script.count("show_conversation") == 1 else None
            return Shown(notes={"slack:T:C:1": {"message": "1"}}, look_at=soon, is_over=is_over)

        script.shown = shown
        async with self.task("followed", script) as desk:
            await desk.reaches(Stage.REVIEW)
            talk = await self._client.start_workflow(
                Conversation.run,
                ConversationOrder(task_id=desk.task.id),
                id=conversation_workflow_id(desk.task.id),
                task_queue=queues.ORCHESTRATE,
            )
            while script.count("show_conversation") < 2:
                await asyncio.sleep(0.05)
            is_over = True
            await _merge(desk)
            await desk.result()
            await talk.result()
            await _write(talk, TALKED)

    async def asked_again(self) -> None:
        """One look for deliveries that failed."""
        async with workers(self._client, Script()):
            handle = await self._client.start_workflow(
                DeliverySweep.run, Nothing(), id=DELIVERY_SWEEP_ID, task_queue=queues.ORCHESTRATE
            )
            await handle.result()
            await _write(handle, ASKED_AGAIN)

    async def reverted(self) -> None:
        """One merge, taken back."""
        now, task = datetime.now(UTC), a_task()
        decision = Decision(
            action=Action.REVERT, person=BOB, task_id=task.id, decided_at=now, expires_at=now + timedelta(hours=1)
        )
        async with workers(self._client, Script()):
            handle = await self._client.start_workflow(
                RevertMerge.run,
                RevertRequest(task=task, merge_commit=sha("merge"), signed=self._signer.sign(decision)),
                id=revert_workflow_id(task.id),
                task_queue=queues.ORCHESTRATE,
            )
            await handle.result()
            await _write(handle, REVERTED)

    async def drilled(self) -> None:
        """Base of the canary has moved once in between."""
        script = Script()
        script.canary = lambda: MergeOutcome.MERGED if script.count("merge_canary") > 1 else MergeOutcome.BASE_MOVED
        async with workers(self._client, script):
            handle = await self._client.start_workflow(
                RevertDrill.run, DrillOrder(), id=DRILL_WORKFLOW_ID, task_queue=queues.ORCHESTRATE
            )
            await handle.result()
            await _write(handle, DRILLED)

    async def swept(self) -> None:
        """One sweep of a host."""
        async with workers(self._client, Script()):
            handle = await self._client.start_workflow(
                HostSweep.run, SweepOrder(host="h1"), id="sweep/h1", task_queue=queues.ORCHESTRATE
            )
            await handle.result()
            await _write(handle, SWEPT)


PATHS: tuple[Callable[[Recorder], Awaitable[None]], ...] = (
    Recorder.merged,
    Recorder.halted,
    Recorder.merged_by_policy,
    Recorder.resumed_before_merge,
    Recorder.approved_by_policy,
    Recorder.approved_by_two,
    Recorder.rejected,
    Recorder.cancelled,
    Recorder.closed_by_people,
    Recorder.merged_by_people,
    Recorder.adopted,
    Recorder.told,
    Recorder.followed,
    Recorder.changes_requested,
    Recorder.shown,
    Recorder.disk_full,
    Recorder.base_moved,
    Recorder.conflicted,
    Recorder.blocked,
    Recorder.budget_asked,
    Recorder.host_asked,
    Recorder.hung,
    Recorder.packages_asked,
    Recorder.resumed,
    Recorder.day_counted,
    Recorder.turn_taken,
    Recorder.reverted,
    Recorder.drilled,
    Recorder.swept,
    Recorder.watched,
    Recorder.prepared,
    Recorder.turned_red,
    Recorder.delivered,
    Recorder.asked_again,
)


async def _merge(desk: Desk) -> None:
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.APPROVE)
    await desk.decide(Action.MERGE)


def _paid(order: RunOrder) -> RunResult:
    enough = (order.allowance.micro_usd or 0) > 100
    return RunResult(
        run_id=order.run_id,
        end=RunEnd.EXITED if enough else RunEnd.PAUSED,
        succeeded=enough,
        agent="scripted",
        metered=Metered(requests=1, micro_usd=100, held="" if enough else "micro_usd"),
    )


def _refused(order: RunOrder) -> RunResult:
    if not order.asked:
        return RunResult(run_id=order.run_id, end=RunEnd.PAUSED, egress_wanted=("a.example:443",))
    return RunResult(run_id=order.run_id, end=RunEnd.EXITED, succeeded=True, agent="scripted")


def _hanging(order: RunOrder) -> RunResult:
    if order.run_id.endswith(("-1-1", "-1-2")):
        return RunResult(run_id=order.run_id, end=RunEnd.HUNG, hang=HangKind.STALL, agent="scripted")
    return RunResult(run_id=order.run_id, end=RunEnd.EXITED, succeeded=True, agent="scripted")


async def _write(handle: WorkflowHandle[Any, Any], file: Path) -> None:
    history = json.loads((await handle.fetch_history()).to_json())
    # Without the names of the process and the machine that recorded it, and where its files are.
    file.parent.mkdir(exist_ok=True)
    text = re.sub(r'"\d+@[^":]+', '"worker', json.dumps(history, indent=1))
    file.write_text(re.sub(r'("stackTrace": )"(?:[^"\\]|\\.)*"', r'\1""', text) + "\n")


async def main(names: Sequence[str]) -> None:
    """Take every path once, or those that are named."""
    with tempfile.TemporaryDirectory() as directory:
        async with await WorkflowEnvironment.start_local(
            data_converter=DATA_CONVERTER,
            dev_server_existing_path=str(program("temporal")),
            search_attributes=search_attributes.ALL,
            dev_server_log_level="error",
        ) as environment:
            recorder = Recorder(environment.client, DecisionSigner.load_or_create(Path(directory)))
            for take in PATHS:
                if not names or take.__name__ in names:
                    await take(recorder)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
