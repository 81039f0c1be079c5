"""The steps of a drill: a change of the canary repository, its merge without anybody's approval, and its record.

They act on the one repository that the platform's file names, and only if its base says that it is a canary, so nobody
can have them merge anything elsewhere. What takes the merge back is the step that takes back every merge.
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from temporalio import activity

from activities.archive.contract import ArtifactStore
from activities.decisions.attested import AttestedMerge
from activities.decisions.drills import Drills
from activities.decisions.halts import HaltRecord
from activities.failures import step
from activities.forge.contract import Forge
from activities.forge.revert_preview import RevertPreviews
from activities.policy.drill_table import DrillTable
from activities.policy.owners import OwnersFiles
from activities.repository.git import Git
from activities.repository.mirror import Mirror, Mirrors
from activities.repository.patches import Patches
from workflows.models.drill import DRILL, CanaryOrder, CanaryProposal, DrillResult
from workflows.models.halt import Work
from workflows.models.intent import Intent
from workflows.models.person import Person
from workflows.models.pull_request import MergeOutcome, MergeResult, RevertOutcome, RevertOutlook, RevertResult
from workflows.models.task import Repository, Task

CANARY = ".journeyman/canary"
"""A file that says of a repository that drills may change it; what is in it is for people."""
_CHANGES = ".journeyman/drills"


class DrillActivities:
    """Implements steps.DrillSteps."""

    def __init__(
        self,
        forge: Forge,
        git: Git,
        mirrors: Mirrors,
        patches: Patches,
        artifacts: ArtifactStore,
        owners: OwnersFiles,
        drills: Drills,
        halts: HaltRecord,
    ) -> None:
        self._forge = forge
        self._git = git
        self._mirrors = mirrors
        self._patches = patches
        self._artifacts = artifacts
        self._owners = owners
        self._drills = drills
        self._halts = halts
        self._previews = RevertPreviews(git, mirrors)

    @activity.defn(name="propose_canary")
    @step
    async def propose_canary(self, order: CanaryOrder) -> CanaryProposal:
        """A new file on the canary's base, as a patch with its pull request."""
        table = self._owners.platform().drill
        if table is None:
            return CanaryProposal(refusal="no canary is named: write [drill] into journeyman.toml")
        task = _task(order.drill_id, table)
        await self._halts.refuse(_work(task))
        mirror = await self._mirrors.refresh(task.repository.url)
        base = await self._mirrors.resolve(mirror, task.base)
        if await self._mirrors.read(mirror, base, CANARY) is None:
            return CanaryProposal(
                refusal=f"{task.base} of {task.repository.url} has no file {CANARY}, which says that drills may merge "
                "into it: commit one there if it is for nothing else"
            )
        patch = await self._patches.make(
            mirror,
            order.drill_id,
            base=base,
            tree=await self._changed(mirror, base, order),
            message=f"Drill {order.drill_id}\n\nJourneyman-Task: {order.drill_id}\n",
            when=order.began,
        )
        bundle = await self._artifacts.get(patch.bundle)
        body = "A drill of `journeyman drill`: it is merged and taken back at once. Nothing has to be done."
        pull = await self._forge.propose(task, patch, bundle, f"Drill {order.drill_id}", body)
        proposal = CanaryProposal(task=task, patch=patch, pull_request=pull)
        await self._drills.add_proposal(order.drill_id, proposal)
        return proposal

    @activity.defn(name="merge_canary")
    @step
    async def merge_canary(self, order: CanaryOrder) -> MergeResult:
        """Merge what a worker proposed for this drill."""
        proposal = await self._drills.proposal(order.drill_id)
        task, patch, pull = proposal.task, proposal.patch, proposal.pull_request
        assert task is not None, "what is on record was proposed"
        assert patch is not None and pull is not None, "what is on record was proposed"
        await self._halts.refuse(_work(task))
        message = f"Merge drill {order.drill_id}\n\nJourneyman-Task: {order.drill_id}\nMerged-by: {DRILL}\n"
        result = await self._forge.merge(task, pull, patch, message)
        if result.outcome is MergeOutcome.MERGED:
            merge = AttestedMerge(
                commit=result.commit,
                head=patch.head,
                base=task.base,
                repository=task.repository.url,
                merged_at=datetime.now(UTC),
            )
            await self._drills.add_merge(order.drill_id, merge)
        return result

    @activity.defn(name="finish_drill")
    @step
    async def finish_drill(self, result: DrillResult) -> DrillResult:
        """Leave nothing open on the forge, look at base, and put on record how it ended."""
        if result.restored and (still := await self._still_there(result)):
            revert = RevertResult(outcome=RevertOutcome.REFUSED, detail=still)
            result = result.model_copy(update={"revert": revert})
        if result.repository:
            proposal = await self._drills.proposal(result.drill_id)
            if proposal.task is not None and proposal.pull_request is not None:
                await self._forge.close(proposal.task, proposal.pull_request, "the drill is over")
        elif (table := self._owners.platform().drill) is not None:
            result = result.model_copy(update={"repository": table.repository})
        await self._drills.add_result(result)
        return result

    async def _still_there(self, result: DrillResult) -> str:
        """Why what was merged isn't taken back, whatever was said of it; empty if it is."""
        merge = await self._drills.merge(result.drill_id)
        if merge is None:
            return "no worker has merged anything for this drill"
        (seen,) = await self._previews.of([merge])
        return "" if seen.outlook is RevertOutlook.TAKEN_BACK else f"base says otherwise: {seen.outlook} {seen.detail}"

    async def _changed(self, mirror: Mirror, base: str, order: CanaryOrder) -> str:
        """The tree of base with one file more."""
        with tempfile.TemporaryDirectory() as folder:

            async def run(*command: str, stdin: bytes = b"") -> str:
                told = await self._git.run(
                    *command,
                    purpose="making a drill's tree",
                    git_dir=mirror.vault,
                    stdin=stdin,
                    environment={"GIT_INDEX_FILE": str(Path(folder) / "index")},
                )
                return told.decode().strip()

            await run("read-tree", base)
            blob = await run("hash-object", "-w", "--stdin", stdin=f"{order.drill_id} {order.began}\n".encode())
            await run("update-index", "--add", "--cacheinfo", f"100644,{blob},{_CHANGES}/{order.drill_id}")
            return await run("write-tree")


def _task(drill_id: str, table: DrillTable) -> Task:
    """What stands for a task in a drill: nobody can ask for one of this type, so it earns and loses no trust."""
    name = Path(table.repository).name.removesuffix(".git") or DRILL
    return Task(
        id=drill_id,
        intent=Intent(key=drill_id, requester=Person(id=DRILL)),
        repository=Repository(url=table.repository, name=name),
        base=table.base,
        goal=f"Drill {drill_id}",
        task_type=DRILL,
    )


def _work(task: Task) -> Work:
    return Work(repository=task.repository.url, team=task.repository.name)
