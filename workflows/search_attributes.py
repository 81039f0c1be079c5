"""Typed search attributes, by which tasks are found in the Temporal UI; nothing private goes into them.

Prefixed, since a cluster's search attributes are shared by all applications of a namespace.
"""

from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

from workflows.models.status import TaskStatus
from workflows.models.task import Task

REPOSITORY = SearchAttributeKey.for_keyword("JourneymanRepository")
PHASE = SearchAttributeKey.for_int("JourneymanPhase")
TASK_TYPE = SearchAttributeKey.for_keyword("JourneymanTaskType")
REQUESTER = SearchAttributeKey.for_keyword("JourneymanRequester")
AGENT = SearchAttributeKey.for_keyword("JourneymanAgent")
STAGE = SearchAttributeKey.for_keyword("JourneymanStage")
PULL_REQUEST = SearchAttributeKey.for_keyword("JourneymanPullRequest")
OUTCOME = SearchAttributeKey.for_keyword("JourneymanOutcome")

ALL = (REPOSITORY, PHASE, TASK_TYPE, REQUESTER, AGENT, STAGE, PULL_REQUEST, OUTCOME)
"""Registered when the embedded server starts; on a cluster, once by its operator."""


def at_start(task: Task) -> TypedSearchAttributes:
    """What is known before any work is done."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(REPOSITORY, task.repository.name),
            SearchAttributePair(PHASE, 1),
            SearchAttributePair(TASK_TYPE, task.task_type),
            SearchAttributePair(REQUESTER, task.requester.id),
        ]
    )


def of_status(status: TaskStatus) -> list[SearchAttributeUpdate[str]]:
    """What changes as stages pass."""
    updates: list[SearchAttributeUpdate[str]] = [STAGE.value_set(str(status.stage))]
    if status.run is not None:
        updates.append(AGENT.value_set(status.run.agent))
    if status.pull_request is not None:
        updates.append(PULL_REQUEST.value_set(status.pull_request.url))
    if status.outcome is not None:
        updates.append(OUTCOME.value_set(str(status.outcome)))
    return updates
