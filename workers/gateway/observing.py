"""Taking in what CI, monitors and people saw of base, and waking up the watches that it may concern."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from temporalio.client import Client
from temporalio.service import RPCError

from activities.decisions.observations import Observations
from activities.decisions.signing import DecisionSigner
from activities.redaction.redactor import Redactor
from activities.repository.git import Git, GitError, RepositoryRefused
from activities.repository.mirror import Mirrors
from workers.gateway.messages import NewObservation
from workers.gateway.refusals import Invalid
from workflows.models.observation import Observation
from workflows.models.person import Person
from workflows.search_attributes import REPOSITORY

_REDACTOR = Redactor()
_MOST_WATCHES = 200
_log = logging.getLogger(__name__)


class Observing:
    """Signs observations and puts them on record; a watch reads them there."""

    def __init__(
        self, temporal: Client, signer: DecisionSigner, observations: Observations, git: Git, mirrors: Mirrors
    ) -> None:
        self._git = git
        self._mirrors = mirrors
        self._temporal = temporal
        self._signer = signer
        self._observations = observations

    async def take(self, asked: NewObservation, person: Person) -> int:
        """Put one on record, and tell every watch over a merge of that repository; returns how many there are.

        Raises Invalid for a commit that the repository does not have.
        """
        await self._refuse_unknown(asked.repository, asked.commit)
        observation = Observation(
            repository=asked.repository,
            commit=asked.commit,
            name=asked.name,
            good=asked.good,
            detail=_REDACTOR.text(asked.detail),
            link=_REDACTOR.text(asked.link),
            person=person,
            observed_at=datetime.now(UTC),
        )
        await self._observations.keep(self._signer.observe(observation))
        return await self._wake(asked.repository)

    async def _refuse_unknown(self, repository: str, commit: str) -> None:
        """Nobody would ever look at what is said of it, and who said it would take base for watched."""
        try:
            mirror = await self._mirrors.refresh(repository)
        except RepositoryRefused as refused:
            raise Invalid(str(refused)) from refused
        except GitError as error:
            _log.info("a signal is taken unseen, since %s can't be read: %s", repository, error)
            return
        if await self._git.exit_code("cat-file", "-e", f"{commit}^{{commit}}", git_dir=mirror.path):
            raise Invalid(f"{repository} has no commit {commit[:12]} on any branch: was it pushed?")

    async def _wake(self, repository: str) -> int:
        """A watch that is not told finds out by itself, a little later."""
        local = repository.startswith("/")
        name = (Path(repository).name.removesuffix(".git") if local else urlsplit(repository).path).strip("/")
        name = name.replace("'", "")
        query = f"WorkflowType = 'MergeWatch' AND ExecutionStatus = 'Running' AND {REPOSITORY.name} = '{name}'"
        woken = 0
        async for execution in self._temporal.list_workflows(query, limit=_MOST_WATCHES):
            try:
                await self._temporal.get_workflow_handle(execution.id).signal("observed")
                woken += 1
            except RPCError as error:
                _log.info("watch %s was not told: %s", execution.id, error)
        return woken
