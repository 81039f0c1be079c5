"""Asking GitHub again for what was asked before: an answer that is still the same costs nothing of the limit.

GitHub marks each answer with an ETag, and says `304 Not Modified` to who has it (docs.github.com, Best practices for
using the REST API).
"""

import threading
from collections import OrderedDict
from typing import Any

from github.Requester import Requester

_MOST = 500
"""Answers that are kept, each some kilobytes."""


class Conditional:
    """Remembers the answers of one identity; for any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, requester: Requester, url: str, **query: Any) -> Any:
        """The answer to a GET, whether it came now or is still the one that is remembered. Raises as PyGithub does."""
        key = f"{url}?{sorted(query.items())}"
        with self._lock:
            known = self._known.get(key)
        marked = {"If-None-Match": known[0]} if known is not None else {}
        headers, told = requester.requestJsonAndCheck("GET", url, parameters=query, headers=marked)
        if told is None and known is not None:
            told = known[1]
        elif tag := headers.get("etag", ""):
            with self._lock:
                self._known[key] = (tag, told)
                self._known.move_to_end(key)
                while len(self._known) > _MOST:
                    self._known.popitem(last=False)
        return told
