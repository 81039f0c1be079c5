"""As whom this installation acts in Linear: the App's own actor, and its workspace."""

import time
from dataclasses import dataclass

from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.failed import LinearAway

_SECONDS = 60.0
"""For which an answer counts: the owner may write another token at any time."""


@dataclass(frozen=True)
class Me:
    """The App's actor."""

    id: str
    names: tuple[str, ...]
    """As people mention it."""
    is_app: bool
    organization: str
    """Id of the workspace."""
    workspace: str
    """As its addresses have it."""


class LinearActor:
    """Who acts; asked again once a minute."""

    def __init__(self, access: LinearAccess) -> None:
        self._access = access
        self._known: tuple[float, Me] | None = None

    async def me(self) -> Me:
        """Raises LinearAway, LinearRefused."""
        known = self._known
        if known is not None and time.monotonic() - known[0] < _SECONDS:
            return known[1]
        answer = await self._access.ask(documents.VIEWER)
        try:
            viewer, workspace = answer["viewer"], answer["organization"]
            names = dict.fromkeys(one for one in (viewer["displayName"], viewer["name"]) if one)
            me = Me(viewer["id"], tuple(names), viewer["app"], workspace["id"], workspace["urlKey"])
        except (KeyError, TypeError) as error:
            raise LinearAway("Linear answers otherwise than it describes it: it names nobody") from error
        self._known = (time.monotonic(), me)
        return me
