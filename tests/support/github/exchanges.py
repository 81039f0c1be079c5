"""What passed between a caller and the REST API."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """One request that came to a route, and what it was answered."""

    method: str
    template: str
    """The path, with its parameters by name, as GitHub's description has it."""
    query: dict[str, str]
    sent: Any
    status: int
    answered: Any
