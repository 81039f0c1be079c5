"""Addresses as owners write them: of servers that are asked, and of ports that are opened."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

LISTENS_AT = r"^(\[[0-9A-Fa-f:]+\]|[^\[\]:/\s]+):\d{1,5}$"
"""HOST:PORT."""
_ADDRESS = r"^https?://[^/?#@\s]+(/[^?#@\s]*)?$"
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


def _never_in_the_clear(address: str) -> str:
    if address.startswith("http://") and urlsplit(address).hostname not in _HERE:
        raise ValueError(f"{address!r} would carry credentials in the clear: https, except on this machine")
    return address


WebAddress = Annotated[str, Field(pattern=_ADDRESS), AfterValidator(_never_in_the_clear)]
"""Of a server that is given a credential: https, except on this machine."""
ListensAt = Annotated[str, Field(pattern=LISTENS_AT)]
"""Of a port that is opened."""
