"""Issues of Linear's: what is read of them, and what is written below and beside them, each once.

Every method asks Linear, and raises LinearRefused or LinearAway.
"""

from collections.abc import Sequence
from datetime import datetime

from activities.forge.github.discussion import Remark
from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.failed import LinearRefused
from activities.tracker.linear.issue import Change, Comment, Issue, State, change_of, comment_of, issue_of, state_of
from activities.tracker.linear.marks import mark_id

_MOST_COMMENTS = 100
_MOST_CHANGES = 50
_TRIES = 3
"""Ids that a comment may have: one that a person deleted is not taken again."""
_LONGEST = 60_000


class LinearIssues:
    """Reads and writes them as the App's actor."""

    def __init__(self, access: LinearAccess, actor: LinearActor) -> None:
        self._access = access
        self._actor = actor

    async def issue(self, issue_id: str) -> Issue | None:
        """One by Linear's own id; None if there is none, or not for this App."""
        return await self._one({"id": {"eq": issue_id}})

    async def named(self, identifier: str) -> Issue | None:
        """One by what people call it, such as `ENG-123`."""
        team, _, number = identifier.partition("-")
        return await self._one({"team": {"key": {"eq": team}}, "number": {"eq": int(number)}})

    async def remarks(self, issue_id: str, until: datetime, but: str = "") -> list[Remark]:
        """What was said below an issue as it was at a moment, the oldest first. `but`: id of a comment to leave out.

        One that was edited since is none of it: what it said then, Linear does not tell.
        """
        found = [
            comment_of(node)
            async for node in self._access.pages(
                documents.COMMENTS, _MOST_COMMENTS, filter={"issue": {"id": {"eq": issue_id}}}
            )
        ]
        said = sorted(
            (one for one in found if one.id != but and one.written_at <= until), key=lambda one: one.created_at
        )
        return [Remark(one.name, one.is_bot, one.body, one.created_at) for one in said]

    async def changes(self, issue_id: str) -> list[Change]:
        """The last entries of an issue's history, the newest first."""
        answer = await self._access.ask(documents.HISTORY, id=issue_id, first=_MOST_CHANGES)
        found = [change_of(node) for node in answer["issue"]["history"]["nodes"]]
        return sorted(found, key=lambda one: one.at, reverse=True)

    async def states(self, team_id: str) -> list[State]:
        """Of a team's workflow, in its order."""
        answer = await self._access.ask(documents.STATES, id=team_id)
        return sorted((state_of(node) for node in answer["team"]["states"]["nodes"]), key=lambda one: one.position)

    async def move(self, issue: Issue, state: State) -> None:
        """Put an issue into a state."""
        await self._access.ask(documents.MOVE, id=issue.id, state=state.id)

    async def attach(self, issue: Issue, url: str, title: str, subtitle: str) -> None:
        """Link something to an issue; Linear keeps one link of an address, and renews its title."""
        await self._access.ask(documents.ATTACH, issue=issue.id, url=url, title=title[:200], subtitle=subtitle[:200])

    async def comment(self, comment_id: str) -> Comment | None:
        """One by its id."""
        found = await self._comments({"id": {"eq": comment_id}})
        return found[0] if found else None

    async def say(self, issue_id: str, text: str, *mark: str) -> str:
        """Comment on an issue once for each mark, whatever answer was lost; returns the comment's id."""
        me = await self._actor.me()
        for number in range(_TRIES):
            comment_id = mark_id(issue_id, *mark, str(number))
            there = await self.comment(comment_id)
            if there is None:
                try:
                    await self._access.ask(documents.COMMENT, id=comment_id, issue=issue_id, body=text[:_LONGEST])
                    return comment_id
                except LinearRefused:
                    # Written by a request whose answer was lost, or deleted since: then its id is used up.
                    there = await self.comment(comment_id)
                    if there is None and number == _TRIES - 1:
                        raise
            if there is not None and there.user_id == me.id and there.issue_id == issue_id:
                return comment_id
        raise LinearRefused("a comment", "others hold every id that it could have")

    async def edit(self, comment_id: str, text: str) -> None:
        """Change a comment of our own."""
        await self._access.ask(documents.EDIT, id=comment_id, body=text[:_LONGEST])

    async def _one(self, wanted: dict[str, object]) -> Issue | None:
        answer = await self._access.ask(documents.ISSUES, filter=wanted, first=1, after=None, archived=True)
        nodes: Sequence[dict[str, object]] = answer["issues"]["nodes"]
        return issue_of(nodes[0]) if nodes else None

    async def _comments(self, wanted: dict[str, object]) -> list[Comment]:
        answer = await self._access.ask(documents.COMMENTS, filter=wanted, first=1, after=None)
        return [comment_of(node) for node in answer["comments"]["nodes"]]
