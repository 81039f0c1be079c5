"""Judging a patch by what is on record: gathers the facts, and lets the pure decision decide."""

from activities.archive.contract import ArtifactStore
from activities.decisions.attested import AttestedEvidence
from activities.decisions.refused import ActionRefused
from activities.decisions.trust import TrustRecords
from activities.evaluation.changes import ChangeReader
from activities.gate import code_owners
from activities.gate.decision import decide
from activities.gate.facts import GateFacts
from activities.policy.owners import OwnersFiles
from activities.repository.git import Git
from activities.repository.mirror import Mirror, Mirrors
from activities.repository.patches import Patches
from workflows.models.evidence import Evaluation, Evidence
from workflows.models.gate import OwnedPaths, Verdict
from workflows.models.patch import Patch
from workflows.models.task import Task


class Gate:
    """What may happen to a patch without a person, and who has to approve it otherwise: computed anew each time."""

    def __init__(
        self,
        git: Git,
        mirrors: Mirrors,
        patches: Patches,
        artifacts: ArtifactStore,
        trust: TrustRecords,
        owners: OwnersFiles,
    ) -> None:
        self._reader = ChangeReader(git)
        self._mirrors = mirrors
        self._patches = patches
        self._artifacts = artifacts
        self._trust = trust
        self._owners = owners

    async def judge(self, task: Task, patch: Patch, evaluation: Evaluation, judged: AttestedEvidence) -> Verdict:
        """The verdict about a patch with the evidence that a worker attested. Raises ActionRefused, GitError."""
        evidence = Evidence.model_validate_json(await self._artifacts.get(evaluation.evidence))
        if evidence.digest() != judged.evidence_hash:
            raise ActionRefused("refused: the evidence in this order is not the evidence that was put on record")
        mirror = await self._mirrors.refresh(task.repository.url)
        await self._patches.restore(mirror, patch)
        changes = await self._reader.changes(mirror.vault, patch.base_commit, patch.head)
        changed = tuple(change.path for change in changes)
        trust = await self._trust.of(task.repository.url, task.task_type)
        facts = GateFacts(
            task=task,
            policy=judged.policy,
            paths=changed,
            lines=sum(change.added + change.removed for change in changes),
            binaries=sum(change.binary for change in changes),
            findings=evidence.findings,
            checks_pass=evidence.patched.passed and evidence.guarded.passed,
            turned=len(evidence.turned),
            earned=trust.phase,
            trust_epoch=trust.epoch,
            owned=await self._owned(mirror, patch.base_commit, changed) if judged.policy.gate.code_owners else (),
        )
        return decide(facts, patch.head, judged.evidence_hash)

    async def owners(self, task: Task, patch: Patch) -> tuple[str, ...]:
        """Who owns what a patch changes, as base's CODEOWNERS names them; nobody where it can't be read."""
        mirror = await self._mirrors.refresh(task.repository.url)
        await self._patches.restore(mirror, patch)
        changes = await self._reader.changes(mirror.vault, patch.base_commit, patch.head)
        owned = await self._owned(mirror, patch.base_commit, tuple(change.path for change in changes))
        names = (name for group in owned for name in group.names if name.startswith("@"))
        return tuple(dict.fromkeys(names))

    async def _owned(self, mirror: Mirror, base: str, changed: tuple[str, ...]) -> tuple[OwnedPaths, ...]:
        for path in code_owners.FILES:
            text = await self._mirrors.read(mirror, base, path)
            if text is not None:
                try:
                    return await code_owners.owned(text, changed, self._owners.platform())
                except code_owners.OwnersUnreadable as error:
                    return code_owners.unreadable(error)
            if await self._mirrors.has(mirror, base, path):
                # Not for nobody to own anything: whoever put a link there meant what it leads to.
                problem = f"{path} is a symbolic link or a directory: make it a file"
                return code_owners.unreadable(code_owners.OwnersUnreadable(problem))
        return ()
