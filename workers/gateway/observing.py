"""Taking in what CI, monitors and people saw of base, and waking up the watches that it may concern."""

import logging
from datetime import UTC, datetime

from temporalio.client import Client
from temporalio.service import RPCError

from activities.decisions.observations import Observations
from activities.decisions.signing import DecisionSigner
from activities.redaction.redactor import Redactor
from workers.gateway.messages import NewObservation
from workflows.models.observation import Observation
from workflows.models.person import Person
from workflows.search_attributes import REPOSITORY

_REDACTOR = Redactor()
_MOST_WATCHES = 200
_log = logging.getLogger(__name__)


class Observing:
    """Signs observations and puts them on record; a watch reads them there."""

    def __init__(self, temporal: Client, signer: DecisionSigner, observations: Observations) -> None:
        self._temporal = temporal
        self._signer = signer
        self._observations = observations

    async def take(self, asked: NewObservation, person: Person) -> int:
        """Put one on record, and tell every watch over a merge of that repository; returns how many there are."""
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

    async def _wake(self, repository: str) -> int:
        """A watch that is not told finds out by itself, a little later."""
        name = repository.rstrip("/").rpartition("/")[2].removesuffix(".git").replace("'", "")
        query = f"WorkflowType = 'MergeWatch' AND ExecutionStatus = 'Running' AND {REPOSITORY.name} = '{name}'"
        woken = 0
        async for execution in self._temporal.list_workflows(query, limit=_MOST_WATCHES):
            try:
                await self._temporal.get_workflow_handle(execution.id).signal("observed")
                woken += 1
            except RPCError as error:
                _log.info("watch %s was not told: %s", execution.id, error)
        return woken
