"""Asking Linear what happened, where it has no address to tell it: every so often, from where the last look ended.

What is found is put on record as if Linear had told it, with the gateway's signature in the place of Linear's.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.archive.objects import Objects
from activities.decisions.keys import SigningKey
from activities.policy.linear_table import LinearTable
from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor, Me
from activities.tracker.linear.issue import Change, Comment, Issue, comment_of, issue_of
from activities.tracker.linear.issues import LinearIssues
from activities.tracker.linear.spoken import may_be_spoken
from activities.webhooks.stored import Deliveries, digest_of
from workers.gateway.linear_carrier import POLLED, polled_message

_CURSOR = "linear/seen-until"
_OVERLAP = timedelta(minutes=2)
"""Looked at twice: what was written in the moment of a look may be found by the next one alone."""
_MOST = 5000
"""In one look."""
_log = logging.getLogger(__name__)


class LinearPolling:
    """Looks for issues and comments that changed since the last look."""

    def __init__(
        self,
        table: Callable[[], LinearTable | None],
        access: LinearAccess,
        actor: LinearActor,
        issues: LinearIssues,
        deliveries: Deliveries,
        objects: Objects,
        key: SigningKey,
        taken: Callable[[str], None],
    ) -> None:
        self._table = table
        self._access = access
        self._actor = actor
        self._issues = issues
        self._deliveries = deliveries
        self._objects = objects
        self._key = key
        self._taken = taken

    async def look(self) -> None:
        """Once. Raises LinearAway, LinearRefused; what was not looked at then is looked at by the next one."""
        table = self._table()
        if table is None:
            return
        began, since = datetime.now(UTC), await self._seen_until()
        if since is None:
            # What was there before Journeyman was is nobody's order to it.
            await self._objects.replace(_CURSOR, began.isoformat().encode())
            return
        me, newest = await self._actor.me(), since
        after = since - _OVERLAP
        wanted = {"team": {"key": {"in": sorted(table.teams)}}, "updatedAt": {"gte": after.isoformat()}}
        async for node in self._access.pages(documents.ISSUES, _MOST, filter=wanted, archived=False):
            issue = issue_of(node)
            newest = max(newest, issue.updated_at)
            if table.label.lower() in issue.labels or me.id in issue.responsible:
                for told in _orders(issue, await self._issues.changes(issue.id), table, me, after):
                    await self._keep(told)
        said = {
            "issue": {"team": {"key": {"in": sorted(table.teams)}}},
            "updatedAt": {"gte": after.isoformat()},
        }
        async for node in self._access.pages(documents.COMMENTS, _MOST, filter=said):
            comment = comment_of(node)
            newest = max(newest, datetime.fromisoformat(node["updatedAt"]))
            is_order = comment.created_at >= after and not comment.is_bot and may_be_spoken(comment.body)
            about = await self._issues.issue(comment.issue_id) if is_order else None
            if about is not None:
                await self._keep(_comment(comment, about, me))
        await self._objects.replace(_CURSOR, newest.isoformat().encode())

    async def _seen_until(self) -> datetime | None:
        raw = await self._objects.read(_CURSOR)
        with suppress(ValueError):
            return datetime.fromisoformat(raw.decode()) if raw is not None else None
        _log.warning("where the last look at Linear ended can't be read: it begins anew from now")
        return None

    async def _keep(self, told: dict[str, Any]) -> None:
        body = json.dumps(told, sort_keys=True).encode()
        signature = f"{self._key.key_id} {self._key.sign(polled_message(body))}"
        if await self._deliveries.keep(POLLED, digest_of(body)[:32], signature, body, "linear"):
            self._taken(digest_of(body))


def _orders(
    issue: Issue, changes: list[Change], table: LinearTable, me: Me, after: datetime
) -> Iterator[dict[str, Any]]:
    """What somebody did to an issue so that it may become a task, as Linear would tell it."""
    label = table.label.lower()
    is_changed = False
    for change in reversed(changes):
        is_labelled, is_assigned = bool(label) and label in change.labels, me.id in change.to
        is_changed |= is_labelled or is_assigned
        if change.at < after or not change.actor or change.actor == me.id or change.is_bot:
            continue
        if is_labelled:
            yield _update(issue, change.actor, me, change.id, {"labelIds": []})
        if is_assigned:
            yield _update(issue, change.actor, me, change.id, {"assigneeId": None})
    if issue.created_at >= after and issue.creator and not is_changed:
        # It was made so.
        yield _update(issue, issue.creator, me, "created", {"labelIds": [], "assigneeId": None})


def _update(issue: Issue, actor: str, me: Me, entry: str, before: dict[str, Any]) -> dict[str, Any]:
    data = {
        "id": issue.id,
        "identifier": issue.identifier,
        "team": {"key": issue.team},
        "labels": [{"id": name, "name": name} for name in sorted(issue.labels)] if "labelIds" in before else [],
        "assigneeId": me.id if me.id in issue.responsible else None,
    }
    return {
        "type": "Issue",
        "action": "update",
        "actor": {"id": actor, "type": "user"},
        "data": data,
        "updatedFrom": before,
        "organizationId": me.organization,
        "entry": entry,
    }


def _comment(comment: Comment, issue: Issue, me: Me) -> dict[str, Any]:
    return {
        "type": "Comment",
        "action": "create",
        "actor": {"id": comment.user_id, "type": "user"},
        "data": {
            "id": comment.id,
            "body": comment.body,
            "userId": comment.user_id,
            "issue": {"id": issue.id, "identifier": issue.identifier, "team": {"key": issue.team}},
        },
        "organizationId": me.organization,
    }
