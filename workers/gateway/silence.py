"""Saying that a task's host does not answer, from the moment on when Temporal knows it.

The workflow itself learns of it only after the whole of a silence. Until then the activity that stays with the host
(see workflows.attendance) has been given back to its queue, where nobody takes it: that can be seen at once.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle

from workflows.models.status import TaskStatus

_A_MOMENT = timedelta(seconds=5)
"""In which a host that is there takes what is new in its queue, however busy it is: it has slots of its own for it."""


async def silence(handle: WorkflowHandle[Any, Any], status: TaskStatus) -> str:
    """Since when a task's host is silent, and when it counts as gone, in words; empty while it answers."""
    pending = (await handle.describe()).raw_description.pending_activities
    attending = next((one for one in pending if one.activity_type.name == "attend"), None)
    if attending is None or status.placement is None:
        return ""
    found = times(attending, status.silent_at, datetime.now(UTC))
    if found is None:
        return ""
    since, gone = found
    return (
        f"host {status.placement.host} is silent since {since:%H:%M:%S} UTC; if it still is at {gone:%H:%M:%S} UTC it "
        "counts as gone, and the task goes on where a place is free"
    )


def times(
    attending: PendingActivityInfo, silent_at: datetime | None, now: datetime
) -> tuple[datetime, datetime] | None:
    """Since when nobody attends, and when that is long enough; None while somebody does.

    `silent_at`: when a whole silence was over, if there was one in this placement.
    """
    scheduled, one = _at(attending.scheduled_time), attending.activity_options.schedule_to_start_timeout.ToTimedelta()
    if attending.state != PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED:
        return None
    if attending.attempt == 1 and silent_at is None and now - scheduled < _A_MOMENT:
        return None
    if attending.HasField("last_heartbeat_time"):
        since = _at(attending.last_heartbeat_time)
    elif attending.HasField("last_started_time"):
        since = _at(attending.last_started_time)
    else:
        since = silent_at - one if silent_at is not None else scheduled
    # As workflows.attendance counts: a silence in a row with the one before it is the last.
    is_last = silent_at is not None and scheduled + one - silent_at < 2 * one
    return since, scheduled + one if is_last else scheduled + 2 * one


def _at(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
