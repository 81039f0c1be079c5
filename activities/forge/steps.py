"""The steps that act on a forge."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from temporalio import activity

from activities.archive.contract import ArtifactStore
from activities.callers import only_called_by
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedMerge, AttestedPatch, UsedDecision
from activities.decisions.authority import AnsweredAlready, Authority
from activities.decisions.drills import Drills
from activities.decisions.halts import Halted, HaltRecord
from activities.decisions.refused import ActionRefused
from activities.decisions.trust import Demotion, TrustRecords
from activities.failures import step
from activities.forge.attribution import (
    merge_message,
    pull_body,
    pull_title,
    revert_body,
    revert_message,
    revert_title,
)
from activities.forge.contract import Forge
from activities.forge.notes import Notes
from activities.forge.standing import SUPERSEDED, ci_of, earlier_heads, passed_check
from activities.gate.gate import Gate
from activities.gate.watching import BaseWatch
from activities.policy.current import CurrentPolicy
from activities.repository.git import GitError
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from activities.tracing.pages import TaskPages
from workflows.models.drill import DRILL
from workflows.models.evidence import Evidence
from workflows.models.halt import Work
from workflows.models.intent import task_workflow_id
from workflows.models.patch import Patch
from workflows.models.person import Person
from workflows.models.pull_request import MergeOutcome, MergeResult, PullRequest, RevertOutcome, RevertResult
from workflows.models.status import POLICY
from workflows.models.steps import (
    ClosePullRequestOrder,
    MergeOrder,
    Nothing,
    ProposeOrder,
    RebaseOrder,
    RebaseResult,
    RevertOrder,
)
from workflows.models.task import Task

WhoseTurn = Callable[[Task], Awaitable[str]]
"""Id of the task that alone may merge onto this task's base now; empty if merges go in parallel."""
CoAuthor = Callable[[Person], str]
"""Somebody as `NAME <ADDRESS>`; empty if no address of theirs is known."""


class ForgeActivities:
    """Implements steps.ForgeSteps. Each acts on the task as it was admitted, with what workers attested about it.

    What brings work out looks for a halt last. What takes it back, or closes a pull request, does not: that is what
    people have to be able to do while work is halted.
    """

    def __init__(
        self,
        forge: Forge,
        admissions: Admissions,
        attested: Attested,
        authority: Authority,
        artifacts: ArtifactStore,
        mirrors: Mirrors,
        patches: Patches,
        policies: CurrentPolicy,
        gate: Gate,
        trust: TrustRecords,
        watch: BaseWatch,
        whose_turn: WhoseTurn,
        halts: HaltRecord,
        drills: Drills,
        co_author: CoAuthor,
        pages: Callable[[str], TaskPages],
    ) -> None:
        """`pages`: where people look at the tasks of a namespace."""
        self._co_author = co_author
        self._pages = pages
        self._forge = forge
        self._admissions = admissions
        self._attested = attested
        self._authority = authority
        self._artifacts = artifacts
        self._mirrors = mirrors
        self._patches = patches
        self._policies = policies
        self._gate = gate
        self._trust = trust
        self._watch = watch
        self._notes = Notes(forge, attested, artifacts)
        self._whose_turn = whose_turn
        self._halts = halts
        self._drills = drills

    @activity.defn(name="propose")
    @step
    async def propose(self, order: ProposeOrder) -> PullRequest:
        """Push the branch and create, adopt or update its pull request."""
        only_called_by(task_workflow_id(order.task.id))
        task = await self._admissions.confirm(order.task)
        judged = await self._authority.may_publish(order.patch, order.evaluation, task)
        evidence = Evidence.model_validate_json(await self._artifacts.get(order.evaluation.evidence))
        if evidence.digest() != order.evaluation.evidence_hash:
            raise ActionRefused("refused: the evidence in this order is not the evidence that it names")
        run = await self._attested.run(task.id, order.run.run_id)
        pages = self._pages(activity.info().namespace)
        body = pull_body(task, order.patch, order.evaluation, evidence, run, pages)
        bundle = await self._artifacts.get(order.patch.bundle)
        await self._halts.refuse(Work.of(task, judged.policy))
        # First, while this step is sure to come this way again: what was approved before is not what is proposed now.
        for head in await earlier_heads(self._attested, task, order.patch.head):
            await self._forge.withdraw_gate(task, head, SUPERSEDED)
        made = next(one for one in await self._attested.patches(task.id) if one.patch.head == order.patch.head)
        pushed = bool(made.pushed_by)
        return await self._forge.propose(task, order.patch, bundle, pull_title(task), body, pushed=pushed)

    @activity.defn(name="rebase")
    @step
    async def rebase(self, order: RebaseOrder) -> RebaseResult:
        """Lay a patch onto base as it is now."""
        task = await self._admissions.confirm(order.task)
        await self._attested.confirm(task.id, order.patch)
        mirror = await self._mirrors.refresh(task.repository.url)
        new_base = await self._mirrors.resolve(mirror, task.base)
        if new_base == order.patch.base_commit:
            # Not base has moved but what holds for it: the patch is what it was, and is judged again.
            return RebaseResult(patch=order.patch)
        rebased = await self._patches.rebase(mirror, f"{task.id}-rebased", order.patch, new_base)
        if not isinstance(rebased, Patch):
            return RebaseResult(conflicts=rebased)
        await self._attested.add_patch(task.id, AttestedPatch(patch=rebased, rebased_from=order.patch.head))
        return RebaseResult(patch=rebased)

    @activity.defn(name="merge")
    @step
    async def merge(self, order: MergeOrder) -> MergeResult:
        """Merge, if signatures and the record allow it; the last look before it happens is here."""
        result = await (self._give_up(order) if order.leave_queue else self._merge(order))
        if order.enqueued and result.outcome not in {MergeOutcome.MERGED, MergeOutcome.ENQUEUED}:
            # It would be merged there, whatever was found here meanwhile.
            await self._forge.leave_queue(await self._admissions.confirm(order.task), order.pull_request)
        if result.outcome is MergeOutcome.MERGED:
            await self._notes.write(await self._admissions.confirm(order.task), order, result.commit)
        return result

    async def _give_up(self, order: MergeOrder) -> MergeResult:
        made = await self._made_before(await self._admissions.confirm(order.task), order.patch)
        late = MergeResult(outcome=MergeOutcome.REFUSED, detail="its turn in the merge queue did not come in time")
        return made or late

    async def _merge(self, order: MergeOrder) -> MergeResult:
        try:
            task = await self._admissions.confirm(order.task)
            if (made := await self._made_before(task, order.patch)) is not None:
                return made
            judged = await self._authority.may_publish(order.patch, order.evaluation, task)
            # Computed anew, with the trust of this moment, whatever the workflow was told before.
            verdict = await self._gate.judge(task, order.patch, order.evaluation, judged)
            await self._authority.may_merge(order, task, judged, verdict)
        except ActionRefused as refused:
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=str(refused))
        mirror = await self._mirrors.refresh(task.repository.url)
        policy = await self._policies.of(mirror, order.patch.base_commit, task)
        if policy.hash != judged.policy.hash:
            # Judged again, under what holds now, as if base had moved.
            detail = "the owners' policy files say something else than when it was judged"
            return MergeResult(outcome=MergeOutcome.BASE_MOVED, detail=detail)
        if (other := await self._whose_turn(task)) not in {"", task.id}:
            return MergeResult(outcome=MergeOutcome.QUEUED, detail=f"it is the turn of task {other}")
        try:
            await self._halts.refuse(Work.of(task, judged.policy))
        except Halted as halted:
            if order.merge is None:
                # Policy's is asked for again, and judged anew, once it is resumed.
                raise
            detail = f"not merged: {halted}; the approval still counts"
            # Who wants it afterwards says so again: it is not made behind everybody's back.
            await self._attested.add_used(task.id, UsedDecision(signature=order.merge.signature, why=detail))
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=detail)
        if order.merge is None and (not_passed := (await ci_of(self._forge, task, order.patch)).why_not_passed):
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=f"policy does not merge it: {not_passed}")
        merging = AttestedMerge(
            commit="",
            head=order.patch.head,
            base=task.base,
            repository=task.repository.url,
            by_policy=order.merge is None,
            approved_by=tuple(signed.decision.person.id for signed in order.approvals),
            merged_at=datetime.now(UTC),
            watch_seconds=policy.gate.watch_seconds,
        )
        await self._attested.add_merging(task.id, merging)
        # What base's protection may ask for. It was shown when it was approved, unless GitHub was away, or all halted.
        await self._forge.show_gate(task, passed_check(task, order.approvals, judged, verdict))
        message = merge_message(
            task,
            order.evaluation.evidence_hash,
            order.approvals,
            order.merge,
            verdict,
            await self._attested.run_of(task.id, order.patch.head),
            self._co_author(task.requester),
        )
        result = await self._forge.merge(task, order.pull_request, order.patch, message, was_enqueued=order.enqueued)
        if result.outcome is MergeOutcome.MERGED:
            await self._attested.add_merge(task.id, merging.model_copy(update={"commit": result.commit}))
        if result.outcome is MergeOutcome.REFUSED and order.merge is not None:
            await self._attested.add_used(task.id, UsedDecision(signature=order.merge.signature, why=result.detail))
        return result

    async def _made_before(self, task: Task, patch: Patch) -> MergeResult | None:
        """The merge that a worker was allowed to make and made, and did not live to tell of.

        What holds now does not matter any more: a halt, a withdrawal or a loss of trust since then can't unmake it, and
        one that nobody knows of could not be taken back. Raises ActionRefused for a patch that no worker has made.
        """
        await self._attested.confirm(task.id, patch)
        merging = await self._attested.merging(task.id, patch.head)
        made = await self._forge.find_merge(task, patch) if merging is not None else None
        if merging is None or made is None:
            return None
        await self._attested.add_merge(task.id, merging.model_copy(update={"commit": made.commit}))
        return made

    @activity.defn(name="close_pull_request")
    @step
    async def close_pull_request(self, order: ClosePullRequestOrder) -> Nothing:
        """Close the pull request of a task that ended without a merge."""
        only_called_by(task_workflow_id(order.task.id))
        task = await self._admissions.confirm(order.task)
        if order.pull_request is not None:
            # Whoever opens it again there has nothing that is approved.
            for head in await earlier_heads(self._attested, task, head=""):
                await self._forge.withdraw_gate(task, head, "the task has ended without a merge")
            await self._forge.close(task, order.pull_request, order.reason)
        return Nothing()

    @activity.defn(name="revert")
    @step
    async def revert(self, order: RevertOrder) -> RevertResult:
        """Take a merge back, timed from the moment the person asked."""
        try:
            if order.signed is not None:
                task, merge = await self._authority.may_revert(order)
                decision = order.signed.decision
                by, why = decision.person.id, decision.message
            elif order.is_drill:
                task, merge = await self._drills.may_revert(order)
                by, why = DRILL, "It was merged to try this."
            else:
                task, merge, red = await self._watch.may_revert(order)
                by, why = POLICY, f"{red.name} turned bad on {red.commit[:12]}: {_first_line(red.detail)}"
        except AnsweredAlready as answered:
            known = answered.used.revert
            return known or RevertResult(outcome=RevertOutcome.REFUSED, detail=str(answered))
        except ActionRefused as refused:
            return RevertResult(outcome=RevertOutcome.REFUSED, detail=str(refused))
        if not order.is_drill:
            # Whatever comes of it, it was trusted too much: it takes an owner's word to trust such work again.
            demotion = f"{by} asked to take back the merge {merge.commit[:12]} of task {task.id}"
            await self._trust.demote(
                Demotion(
                    repository=task.repository.url,
                    task_type=task.task_type,
                    task_id=task.id,
                    why=demotion,
                    at=datetime.now(UTC),
                    asked=order.signed.signature if order.signed is not None else POLICY,
                )
            )
        message = revert_message(task, merge.commit, by, why)
        result = await self._forge.revert(task, merge.commit, message)
        if result.outcome is RevertOutcome.CONFLICT and not order.is_drill:
            result = await self._hand_to_people(task, merge, message, result)
        result = result.model_copy(update={"seconds": round(max(0.0, time.time() - order.requested_at), 3)})
        if order.signed is not None and not result.outcome.is_back:
            waits = result if result.outcome is not RevertOutcome.REFUSED else None
            used = UsedDecision(signature=order.signed.signature, why=result.detail, revert=waits)
            await self._attested.add_used(task.id, used)
        return result

    async def _hand_to_people(
        self, task: Task, merge: AttestedMerge, message: str, conflict: RevertResult
    ) -> RevertResult:
        """A conflict with the pull request in which a person resolves it, and whose task it is."""
        recorded = await self._attested.evidence(task.id)
        reviewers = recorded[-1].policy.reviewers if recorded else ()
        told = tuple(dict.fromkeys((task.requester.id, *merge.approved_by, *reviewers)))
        title, body = revert_title(task), revert_body(task, merge.commit, conflict, told)
        try:
            pull = await self._forge.propose_revert(task, merge.commit, message, title, body)
        except GitError as error:
            # That it conflicts is known, and said in time.
            detail = f"{conflict.detail}; no pull request could be made: {error}"
            return conflict.model_copy(update={"told": told, "detail": detail})
        if pull is None:
            return conflict.model_copy(update={"told": told})
        return conflict.model_copy(update={"told": told, "pull_request": pull.url, "branch": pull.head})


def _first_line(text: str) -> str:
    """Without the log of a job that may follow."""
    return text.split("\n", 1)[0]
