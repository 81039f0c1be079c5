"""Who somebody is in Linear, in Linear's own words."""

from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.issue import User, user_of


class LinearPeople:
    """Looks people up. Raises LinearRefused, LinearAway."""

    def __init__(self, access: LinearAccess) -> None:
        self._access = access

    async def user(self, user_id: str) -> User | None:
        """One by id, also if the account was closed; None if there is none."""
        answer = await self._access.ask(documents.USERS, filter={"id": {"eq": user_id}})
        nodes = answer["users"]["nodes"]
        return user_of(nodes[0]) if nodes else None
