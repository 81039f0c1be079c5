"""Which workflow a step works for: the server says, not the order."""

from temporalio import activity

from activities.decisions.refused import ActionRefused


def only_called_by(workflow_id: str) -> None:
    """Raise ActionRefused unless this step was scheduled by the workflow of that id.

    An id has one open workflow, so nobody acts for a task beside the task's own workflow. It is no proof: whoever may
    terminate that workflow can start another under its id.
    """
    if activity.info().workflow_id != workflow_id:
        raise ActionRefused(f"refused: this step is for {workflow_id}, not for {activity.info().workflow_id}")
