"""One sandbox as the meter knows it: what it may use, what it has used, and who waits."""

import asyncio
import contextlib
import datetime
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from activities.egress.contract import Endpoint, Price
from activities.egress.metering.answer import AnswerReader
from activities.egress.metering.body import BodyReader
from activities.egress.metering.cost import limit_reached, measure, total
from activities.egress.metering.ledger import Entry, Ledger
from activities.egress.metering.policy import SandboxPolicy
from workflows.models.usage import Metered

MOST_AT_ONCE = 16
"""Requests of one sandbox that are under way at once: one that has many at a provider keeps others from it."""
MOST_WAITING = 32
"""Requests of one sandbox that wait, for one of those to end or for its allowance to be raised."""
_LOOK_SECONDS = 0.1
"""How often the first of those that wait looks whether the allowance was raised."""


class TooManyRequests(Exception):
    """This sandbox has more requests than may wait; the message is for its agent."""


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
    changed: Callable[[], None]
    """Called when what it takes of its sandbox's allowance may have become less."""
    body: BodyReader = field(default_factory=BodyReader)
    sent: int = 0
    """Bytes of its body as its head states them."""
    ended: bool = False

    def used(self, reserve: int = 0) -> Metered:
        """What it used as far as is known; where its answer has not said how much it is, at least `reserve` tokens."""
        sent = max(self.sent, self.body.size)
        free = self.endpoint.usage is None
        return measure(self.reader, sent, free, self.prices, self.price_version, self.body.model, reserve)

    def may_use(self) -> Metered:
        """What it may come to."""
        return self.used(self.body.most_tokens)

    def now(self, reserve: int = 0) -> Entry:
        """Where it stands."""
        update = {
            "metered": self.used(reserve),
            "model": self.reader.usage.model,
            "status": self.reader.status,
            "duration_ms": round((time.monotonic() - self.began) * 1000),
        }
        return self.entry.model_copy(update=update)

    def note(self) -> None:
        """Keep where it stands."""
        self.ledger.update(self.now())

    def finish(self, cut: bool = False) -> None:
        """Keep what it used in the end. Where it was cut, its provider may have gone on to the end all the same."""
        self.ended = True
        self.reader.finish()
        # A request that never was whole is one that no provider began to answer.
        self.ledger.finish(self.now(self.body.most_tokens if cut and self.body.whole else 0))
        self.changed()

    def abandon(self) -> None:
        """Count it no longer: it never left."""
        self.ended = True
        self.ledger.abandon(self.entry.id)
        self.changed()


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
        self._under_way: dict[str, Request] = {}
        self._waiting = 0
        self._turn = asyncio.Lock()
        """Of those that wait one looks, the others stand behind it in the order in which they came."""
        self._changed = asyncio.Event()

    async def admit(self, host: str, method: str, path: str, rule: str) -> Request:
        """Let a request through once there is room, and count it. Raises TooManyRequests, UnknownRequest."""
        if self._waiting >= MOST_WAITING:
            raise TooManyRequests(
                f"This sandbox has {MOST_AT_ONCE} requests under way or its allowance is used up, and {MOST_WAITING} "
                "more wait already. That is this sandbox's own bound and not the provider's: wait for some to end."
            )
        self._waiting += 1
        try:
            async with self._turn:
                while not self._has_room():
                    self._changed.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), _LOOK_SECONDS)
                # No pause between the look and the beginning, so that no two take the same last place.
                return self._begin(host, method, path, rule)
        finally:
            self._waiting -= 1

    def _has_room(self) -> bool:
        """Whether another may begin, by the policy as it is now."""
        ledger = self._refresh()
        used = ledger.used()
        if limit := limit_reached(used, self._policy.allowance):
            if not self._held:
                ledger.hold(limit)
                self._held = True
            return False
        if self._held is not False:
            ledger.hold("")
            self._held = False
        self._under_way = {key: each for key, each in self._under_way.items() if not each.ended}
        if len(self._under_way) >= MOST_AT_ONCE:
            return False
        # What those under way may yet come to counts as well. That is no limit that is reached: it waits for their end.
        more = total(each.may_use() for each in self._under_way.values())
        so_far = total(each.used() for each in self._under_way.values())
        money = used.micro_usd + more.micro_usd - so_far.micro_usd
        tokens = used.output_tokens + more.output_tokens - so_far.output_tokens
        likely = used.model_copy(update={"micro_usd": money, "output_tokens": tokens})
        return not limit_reached(likely, self._policy.allowance)

    def _begin(self, host: str, method: str, path: str, rule: str) -> Request:
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
                    prices, version = service.prices, service.price_version
                    request = Request(entry, ledger, endpoint, prices, version, reader, began, self._changed.set)
                    self._under_way[entry.id] = request
                    return request
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
