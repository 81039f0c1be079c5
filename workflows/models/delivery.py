"""Deliveries: what a forge told by webhook, kept until something came of it."""

from enum import StrEnum

from pydantic import Field

from workflows.models.base import Model

DELIVERY_SWEEP_ID = "delivery-sweep"


class DeliveryOrder(Model):
    """What starts the workflow of one delivery; the delivery itself is in the archive."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of its body: what is signed, so the same delivery whatever its headers say."""
    last: bool = False
    """Whether it is not tried again: what can't be done now is refused."""


class Taken(StrEnum):
    """What came of a delivery."""

    DONE = "done"
    REFUSED = "refused"
    IGNORED = "ignored"
    """There was nothing to do, or not any more."""
    WAITS = "waits"
    """For its task to be where it can be told."""


class DeliveryResult(Model):
    """What came of a delivery, and why."""

    outcome: Taken
    detail: str = ""
    """For people."""
    task_id: str = ""
    wait_seconds: float = 0
    """Of one that waits: for how long at most, in all."""


class SweptDeliveries(Model):
    """What a sweep found."""

    failed: int = 0
    """Deliveries of the last three days that failed and were not made up for."""
    asked_again: int = 0
    detail: str = ""
    """Why it could not look, if so."""


def delivery_workflow_id(digest: str) -> str:
    """The Temporal workflow id of a delivery."""
    return f"delivery/{digest}"
