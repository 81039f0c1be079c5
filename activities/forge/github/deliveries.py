"""An App's deliveries as GitHub lists them: which failed and were not made up for, and having them sent again.

GitHub tries each once, and sends one again on request for three days
(https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries).
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from activities.forge.github.access import GitHubAccess
from activities.forge.github.errors import translated

_KEPT = timedelta(days=3)
_PAGE, _MOST_PAGES = 100, 30
_LEAST_PAUSE = timedelta(minutes=1)
_MOST_TRIES = 12
"""With pauses that double, those fill the three days."""


@dataclass(frozen=True)
class Attempt:
    """One try of GitHub's to deliver something."""

    id: int
    guid: str
    """The same for every try."""
    at: datetime
    is_good: bool


def to_ask_for(attempts: list[Attempt], now: datetime) -> tuple[list[Attempt], int]:
    """The newest try of each delivery that is to be sent again now, and how many are not made up for. Pure.

    Each try that fails doubles the pause before the next one; a gateway that is back has to be found out about, and one
    that refuses something for good is not to be asked for ever.
    """
    by_guid: dict[str, list[Attempt]] = {}
    for one in attempts:
        by_guid.setdefault(one.guid, []).append(one)
    failed = [tries for tries in by_guid.values() if not any(one.is_good for one in tries)]
    newest = [(len(tries), max(tries, key=lambda one: one.id)) for tries in failed]
    due = [
        last
        for count, last in newest
        if count <= _MOST_TRIES and now - last.at >= min(_LEAST_PAUSE * 2 ** (count - 1), timedelta(hours=12))
    ]
    # In the order in which they were told.
    return sorted(due, key=lambda one: one.id), len(failed)


class AppDeliveries:
    """Asks as the App; every method raises GitHubRefused, GitHubUnavailable or NotConfigured."""

    def __init__(self, access: GitHubAccess) -> None:
        self._access = access

    async def attempts(self, now: datetime) -> list[Attempt]:
        """Those of the last three days among which anything failed; none at all if nothing did."""

        def ask() -> list[Attempt]:
            failures = self._listed(now - _KEPT, {"status": "failure"})
            if not failures:
                return []
            # Only what came since can have made up for them.
            return failures + self._listed(min(one.at for one in failures), {"status": "success"})

        return await asyncio.to_thread(ask)

    async def ask_again(self, attempt: Attempt) -> None:
        """Have it sent again."""

        def ask() -> None:
            with self._access.app() as app, translated(f"asking for delivery {attempt.guid} again"):
                app.requester.requestJsonAndCheck("POST", f"/app/hook/deliveries/{attempt.id}/attempts")

        await asyncio.to_thread(ask)

    def _listed(self, since: datetime, wanted: dict[str, Any]) -> list[Attempt]:
        found: list[Attempt] = []
        address, parameters = "/app/hook/deliveries", {"per_page": _PAGE, **wanted}
        with self._access.app() as app, translated("listing the App's deliveries"):
            for _ in range(_MOST_PAGES):
                headers, page = app.requester.requestJsonAndCheck("GET", address, parameters=parameters)
                read = [_attempt(one) for one in page]
                found += [one for one in read if one.at >= since]
                following = headers.get("link", "").partition("<")[2].partition(">")
                if len(found) < len(read) or 'rel="next"' not in following[2] or read[-1].at < since:
                    break
                address, parameters = following[0], {}
        return found


def _attempt(told: dict[str, Any]) -> Attempt:
    at = datetime.fromisoformat(str(told["delivered_at"]).replace("Z", "+00:00"))
    return Attempt(int(told["id"]), str(told["guid"]), at, 200 <= int(told["status_code"]) < 300)
