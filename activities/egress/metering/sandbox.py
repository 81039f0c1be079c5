"""One sandbox as the meter knows it: what it may use, what it has used, and who waits."""

import datetime
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from activities.egress.contract import Endpoint, Price
from activities.egress.metering.answer import AnswerReader
from activities.egress.metering.cost import limit_reached, measure
from activities.egress.metering.ledger import Entry, Ledger
from activities.egress.metering.policy import SandboxPolicy
from workflows.models.usage import Metered


class UnknownRequest(LookupError):
    """Envoy asks about what the worker's policy does not have; nothing of it may pass."""


@dataclass
class Request:
    """A request that was let through, from then until its answer has ended."""

    entry: Entry
    ledger: Ledger
    endpoint: Endpoint
    prices: dict[str, Price]
    price_version: str
    reader: AnswerReader
    began: float
    sent: int = 0
    """Bytes of its body."""
    ended: bool = False

    def now(self) -> Entry:
        """Where it stands."""
        free = self.endpoint.usage is None
        metered = measure(self.reader, self.sent, free, self.prices, self.price_version)
        update = {
            "metered": metered,
            "model": self.reader.usage.model,
            "status": self.reader.status,
            "duration_ms": round((time.monotonic() - self.began) * 1000),
        }
        return self.entry.model_copy(update=update)

    def note(self) -> None:
        """Keep where it stands."""
        self.ledger.update(self.now())

    def finish(self) -> None:
        """Keep what it used in the end: it has ended, whole or cut."""
        self.ended = True
        self.reader.finish()
        self.ledger.finish(self.now())

    def abandon(self) -> None:
        """Count it no longer: it never left."""
        self.ended = True
        self.ledger.abandon(self.entry.id)


class Sandbox:
    """Reads its policy again whenever the file was replaced. Raises UnknownRequest if there is none."""

    def __init__(self, policy: Path, usage: Path) -> None:
        self._policy_file = policy
        self._usage = usage
        self._stamp: tuple[int, int] | None = None
        self._policy = SandboxPolicy(ledger="")
        self._ledger: Ledger | None = None
        self._held: bool | None = None
        """As the ledger says; None until it was looked at."""

    def limit(self) -> str:
        """The limit that holds requests back now, by the policy as it is now; empty if there is none."""
        ledger = self._refresh()
        limit = limit_reached(ledger.used(), self._policy.allowance)
        if not limit and self._held is not False:
            ledger.hold("")
            self._held = False
        return limit

    def hold(self, limit: str) -> None:
        """Note that a request is being held."""
        if not self._held:
            self._refresh().hold(limit)
            self._held = True

    def begin(self, host: str, method: str, path: str, rule: str) -> Request:
        """Let a request through, and count it."""
        ledger = self._refresh()
        for service in self._policy.brokered:
            for endpoint in service.endpoints:
                if (service.host, endpoint.method, endpoint.path) == (host, method, path):
                    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                    names = {"host": host, "method": method, "path": path, "rule": rule}
                    entry = Entry(id=secrets.token_hex(8), began=now, metered=Metered(requests=1), **names)
                    ledger.begin(entry)
                    reader = AnswerReader(endpoint.usage)
                    began = time.monotonic()
                    return Request(entry, ledger, endpoint, service.prices, service.price_version, reader, began)
        raise UnknownRequest(f"{method} {path} at {host} is not in the policy")

    def close(self) -> None:
        """Let go of the files."""
        if self._ledger is not None:
            self._ledger.close()

    def _refresh(self) -> Ledger:
        try:
            facts = os.stat(self._policy_file)  # noqa: PTH116  on the path of every request
            stamp = (facts.st_ino, facts.st_mtime_ns)
            if stamp != self._stamp:
                policy = SandboxPolicy.model_validate_json(self._policy_file.read_bytes())
                if self._ledger is None or policy.ledger != self._policy.ledger:
                    self.close()
                    self._ledger = Ledger(self._usage / policy.ledger)
                    self._held = None
                self._policy, self._stamp = policy, stamp
        except (OSError, ValueError) as error:
            raise UnknownRequest(f"no policy in {self._policy_file}: {error}") from error
        assert self._ledger is not None
        return self._ledger
