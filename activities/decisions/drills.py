"""What workers attest about drills: the change that was proposed, its merge, what came of taking it back.

Merging without anybody's approval, and taking back without anybody's decision, is for drills alone. So both rest on
what a worker signed about the canary, and an order that names anything else comes to nothing.
"""

from datetime import UTC, datetime, timedelta

from activities.archive.contract import TaskChains
from activities.decisions.attested import MERGE, AttestedMerge
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.refused import ActionRefused
from activities.decisions.signed_record import SignedRecord
from workflows.models.drill import CanaryProposal, DrillResult
from workflows.models.steps import RevertOrder
from workflows.models.task import Task

FOLDER = "drills"
"""Of these chains: one for each drill, and one for each month's results."""
_PROPOSAL = "proposal"
_RESULT = "result"
_MOST_MONTHS = 3


class Drills:
    """Reads what is on record of drills, and adds to it where there is a worker's key."""

    def __init__(self, chains: TaskChains, workers: TrustedKeys, key: SigningKey | None = None) -> None:
        """`chains` are those of FOLDER."""
        self._record = SignedRecord(chains, workers, key)

    async def add_proposal(self, drill_id: str, proposal: CanaryProposal) -> None:
        """Put on record what may be merged for a drill; the last one counts."""
        assert proposal.patch is not None, "what was refused is not on record"
        kept = (proposal.patch.bundle, proposal.patch.diff)
        await self._record.append(drill_id, f"{_PROPOSAL}-{proposal.patch.head}", _PROPOSAL, proposal, kept)

    async def proposal(self, drill_id: str) -> CanaryProposal:
        """What may be merged. Raises ActionRefused if nothing was proposed."""
        proposals = await self._record.read(drill_id, _PROPOSAL, CanaryProposal)
        if not proposals:
            raise ActionRefused(f"refused: no worker has proposed a change for {drill_id}")
        return proposals[-1]

    async def add_merge(self, drill_id: str, merge: AttestedMerge) -> None:
        """Put on record that it was merged."""
        await self._record.append(drill_id, f"{MERGE}-{merge.commit}", MERGE, merge)

    async def merge(self, drill_id: str) -> AttestedMerge | None:
        """The drill's merge, if there is one."""
        merges = await self._record.read(drill_id, MERGE, AttestedMerge)
        return merges[-1] if merges else None

    async def may_revert(self, order: RevertOrder) -> tuple[Task, AttestedMerge]:
        """The task and the merge of it that a drill may take back. Raises ActionRefused."""
        task = (await self.proposal(order.task.id)).task
        merge = await self.merge(order.task.id)
        if task is None or merge is None or merge.commit != order.merge_commit:
            raise ActionRefused(f"refused: no drill has merged {order.merge_commit[:12]}")
        return task, merge

    async def add_result(self, result: DrillResult) -> None:
        """Put on record how a drill ended, once."""
        await self._record.append(_month(result.began), f"{_RESULT}-{result.drill_id}", _RESULT, result)

    async def newest(self, now: datetime) -> tuple[DrillResult, ...]:
        """The results of the newest month of these three that has any, the newest first."""
        day = now.astimezone(UTC)
        for _ in range(_MOST_MONTHS):
            if results := await self._record.read(_month(day), _RESULT, DrillResult):
                return tuple(sorted(results, key=lambda result: result.began, reverse=True))
            day = day.replace(day=1) - timedelta(days=1)
        return ()


def _month(at: datetime) -> str:
    return f"results-{at.astimezone(UTC):%Y-%m}"
