"""Brings what happens at Linear's stand-in to the address of a webhook, one after another."""

import queue
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.linear.signing import signature
from tests.support.plain_http import NO_TLS


@dataclass
class Delivery:
    """One that was sent, and how it was answered."""

    payload: dict[str, Any]
    body: bytes
    status: int = 0
    told: dict[str, Any] = field(default_factory=dict)


class Courier:
    """Sends in the background; `wait` is over when all that was given to it has been answered."""

    def __init__(self) -> None:
        self.hook_url = ""
        self.secret = ""
        self._outbox: queue.Queue[Delivery | None] = queue.Queue()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def send(self, delivery: Delivery) -> None:
        self._outbox.put(delivery)

    def wait(self) -> None:
        """Until all that is on its way has been answered."""
        self._outbox.join()

    def close(self) -> None:
        self._outbox.put(None)
        self._thread.join(30)

    def _carry(self) -> None:
        while (delivery := self._outbox.get()) is not None:
            try:
                answer = post(self.hook_url, delivery.body, self.secret)
                delivery.status = answer.status_code
                delivery.told = answer.json()
            except httpx.HTTPError:
                delivery.status = -1
            finally:
                self._outbox.task_done()
        self._outbox.task_done()


def post(url: str, body: bytes, secret: str, **headers: str) -> httpx.Response:
    """As Linear's webhooks send it."""
    usual = {
        "content-type": "application/json; charset=utf-8",
        "linear-delivery": str(uuid.uuid4()),
        "linear-event": "Issue",
        "linear-signature": signature(secret, body),
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(url, content=body, headers=usual | named, trust_env=False, timeout=20, verify=NO_TLS)
