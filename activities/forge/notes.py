"""What is kept in a repository's notes about each merge: whoever has the repository reads there, offline, why it is so.

    git fetch origin refs/notes/journeyman:refs/notes/journeyman
    git log --notes=journeyman

The archive has all of it and more, so notes that could not be written are nothing that is lost: the merge stands.
"""

import logging

from activities.archive.contract import ArtifactStore
from activities.archive.objects import ArchiveError
from activities.decisions.attested import Attested
from activities.decisions.refused import ActionRefused
from activities.forge.attribution import pull_body
from activities.forge.contract import Forge
from activities.forge.github.failed import GitHubUnavailable
from activities.repository.git import GitError, RepositoryRefused
from workflows.models.evidence import Evidence
from workflows.models.steps import MergeOrder
from workflows.models.task import Task

_LONGEST = 60_000
_log = logging.getLogger(__name__)


class Notes:
    """Writes them."""

    def __init__(self, forge: Forge, attested: Attested, artifacts: ArtifactStore) -> None:
        self._forge = forge
        self._attested = attested
        self._artifacts = artifacts

    async def write(self, task: Task, order: MergeOrder, merge_commit: str) -> None:
        """About the merge and the head that it brought: lines are blamed on either, by how it was merged."""
        try:
            evidence = Evidence.model_validate_json(await self._artifacts.get(order.evaluation.evidence))
            run = await self._attested.run_of(task.id, order.patch.head)
            persons = ", ".join(signed.decision.person.id for signed in order.approvals) or "policy"
            told = pull_body(task, order.patch, order.evaluation, evidence, run)
            text = f"Approved by {persons}, merged as {merge_commit}.\n\n{told}"[:_LONGEST]
            await self._forge.annotate(task, tuple(dict.fromkeys((merge_commit, order.patch.head))), text)
        except (ActionRefused, ArchiveError, GitError, RepositoryRefused, GitHubUnavailable, OSError) as error:
            _log.warning("the notes about the merge of task %s could not be written: %s", task.id, error)
