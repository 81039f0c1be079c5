"""The routes of what is open, as text and made once: one set-up may have ten thousands of them, and each time that any
other sandbox is opened or closed the files of all are compared.
"""

import json
from collections.abc import Iterable

from activities.egress.opened import Opened
from activities.egress.routes import routes
from activities.egress.rules import parse_rules


class WrittenRoutes:
    """Callers hold the gateway's lock."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Opened, str, str]] = {}

    def text(self, opened: Opened) -> str:
        """As Envoy reads them."""
        return self._of(opened)[1]

    def version(self, opened: Opened) -> str:
        """What the sandbox's probe answers with, once they hold."""
        return self._of(opened)[2]

    def keep(self, each: Iterable[Opened]) -> None:
        """Forget those of all others."""
        keys = {opened.key for opened in each}
        self._made = {key: made for key, made in self._made.items() if key in keys}

    def _of(self, opened: Opened) -> tuple[Opened, str, str]:
        made = self._made.get(opened.key)
        # Another object may be other rules: whatever is the same comes from the open list as the same.
        if made is None or made[0] is not opened:
            content, version = routes(
                opened.key,
                parse_rules(opened.rules),
                tuple(zip(opened.rules.brokered, opened.upstreams(), strict=True)),
                opened.rules.packages,
                allow_private=opened.rules.allow_private,
                asks=opened.rules.asks,
            )
            made = (opened, json.dumps(content, sort_keys=True), version)
            self._made[opened.key] = made
        return made
