"""The steps that act on a forge."""

import time
from collections.abc import Awaitable, Callable

from temporalio import activity

from activities.archive.contract import ArtifactStore, TaskChains
from activities.decisions.authority import MERGE, Authority
from activities.failures import step
from activities.forge.attribution import merge_message, pull_body, pull_title, revert_message
from activities.forge.contract import Forge
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from workflows.models.evidence import Evidence
from workflows.models.patch import Patch
from workflows.models.policy import PolicyRefusal
from workflows.models.pull_request import MergeOutcome, MergeResult, PullRequest, RevertOutcome, RevertResult
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


class ForgeActivities:
    """Implements steps.ForgeSteps."""

    def __init__(
        self,
        forge: Forge,
        authority: Authority,
        artifacts: ArtifactStore,
        chains: TaskChains,
        mirrors: Mirrors,
        patches: Patches,
        whose_turn: WhoseTurn,
    ) -> None:
        self._forge = forge
        self._authority = authority
        self._artifacts = artifacts
        self._chains = chains
        self._mirrors = mirrors
        self._patches = patches
        self._whose_turn = whose_turn

    @activity.defn(name="propose")
    @step
    async def propose(self, order: ProposeOrder) -> PullRequest:
        """Push the branch and create, adopt or update its pull request."""
        if reason := await self._authority.task_refusal(order.task):
            raise PolicyRefusal(reason)
        evidence = Evidence.model_validate_json(await self._artifacts.get(order.evaluation.evidence))
        body = pull_body(order.task, order.patch, order.evaluation, evidence, order.run)
        bundle = await self._artifacts.get(order.patch.bundle)
        return await self._forge.propose(order.task, order.patch, bundle, pull_title(order.task), body)

    @activity.defn(name="rebase")
    @step
    async def rebase(self, order: RebaseOrder) -> RebaseResult:
        """Lay a patch onto base as it is now."""
        mirror = await self._mirrors.refresh(order.task.repository.url)
        new_base = await self._mirrors.resolve(mirror, order.task.base)
        rebased = await self._patches.rebase(mirror, f"{order.task.id}-rebased", order.patch, new_base)
        return RebaseResult(patch=rebased) if isinstance(rebased, Patch) else RebaseResult(conflicts=rebased)

    @activity.defn(name="merge")
    @step
    async def merge(self, order: MergeOrder) -> MergeResult:
        """Merge, if signatures and the record allow it; the last look before it happens is here."""
        if reason := await self._authority.merge_refusal(order):
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=reason)
        if (other := await self._whose_turn(order.task)) not in {"", order.task.id}:
            return MergeResult(outcome=MergeOutcome.QUEUED, detail=f"it is the turn of task {other}")
        message = merge_message(order.task, order.evaluation.evidence_hash, order.approval, order.merge)
        result = await self._forge.merge(order.task, order.pull_request, order.patch, message)
        if result.outcome is MergeOutcome.MERGED:
            # Written here and not by the workflow: what can be taken back later is what was merged.
            facts = {"commit": result.commit, "head": order.patch.head}
            await self._chains.append(order.task.id, f"merge-{result.commit}", MERGE, facts)
        return result

    @activity.defn(name="close_pull_request")
    @step
    async def close_pull_request(self, order: ClosePullRequestOrder) -> Nothing:
        """Close the pull request of a task that ended without a merge."""
        if order.pull_request is not None and not await self._authority.task_refusal(order.task):
            await self._forge.close(order.task, order.pull_request, order.reason)
        return Nothing()

    @activity.defn(name="revert")
    @step
    async def revert(self, order: RevertOrder) -> RevertResult:
        """Take a merge back, timed from the moment the person asked."""
        if reason := await self._authority.revert_refusal(order):
            return RevertResult(outcome=RevertOutcome.REFUSED, detail=reason)
        message = revert_message(order.task, order.merge_commit, order.signed)
        result = await self._forge.revert(order.task, order.merge_commit, message)
        return result.model_copy(update={"seconds": round(max(0.0, time.time() - order.requested_at), 3)})
