"""Typed search attributes, by which tasks are found in the Temporal UI; nothing private goes into them.

Prefixed, since a cluster's search attributes are shared by all applications of a namespace.
"""

from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

from workflows.models.status import Stage, TaskStatus
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
FIRST = Stage.PREPARE
BRIEF = frozenset({Stage.CONTEXT, Stage.EXPORT, Stage.PROPOSE, Stage.RECORD})
"""Stages that pass in a moment: a list of tasks shows the one before; the task itself always says which it is in."""


def at_start(task: Task) -> TypedSearchAttributes:
    """What is known before any work is done."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(REPOSITORY, task.repository.name),
            SearchAttributePair(PHASE, 1),
            SearchAttributePair(TASK_TYPE, task.task_type),
            SearchAttributePair(REQUESTER, task.requester.id),
            SearchAttributePair(STAGE, FIRST.value),
        ]
    )


def of_a_watch(task: Task) -> TypedSearchAttributes:
    """By which a watch over a merge is found when something is observed."""
    return TypedSearchAttributes([SearchAttributePair(REPOSITORY, task.repository.name)])


class Told:
    """What Temporal has been told of one task. Each telling is an event and a row written anew, so what passes in a
    moment is not told, and what is the same is not told again.
    """

    def __init__(self) -> None:
        self._values = {STAGE: FIRST.value}

    def news(self, status: TaskStatus) -> list[SearchAttributeUpdate[str]]:
        """What is to be told now; it counts as told."""
        if status.stage in BRIEF:
            return []
        values = {STAGE: status.stage.value}
        if status.run is not None:
            values[AGENT] = status.run.agent
        if status.pull_request is not None:
            values[PULL_REQUEST] = status.pull_request.url
        if status.outcome is not None:
            values[OUTCOME] = status.outcome.value
        changed = {key: value for key, value in values.items() if self._values.get(key) != value}
        self._values |= changed
        return [key.value_set(value) for key, value in changed.items()]
