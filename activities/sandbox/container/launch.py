"""What a supervisor of a container is given beside what every supervisor is.

No model of ours is loaded here, so that a supervisor starts soon.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activities.sandbox.container.engine import Address
from activities.sandbox.launch import Launch


@dataclass(frozen=True)
class ContainerLaunch:
    """The body of a launch as a container."""

    engine: Address
    create: dict[str, Any]
    """What the engine is asked to make, but for the run's own directory."""
    files: dict[str, str]
    """What is in that directory, by name."""
    held: tuple[str, ...]
    """Controllers whose counters are believed."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, launch: Launch) -> "ContainerLaunch":
        body = launch.body
        return cls(Address(**body["engine"]), body["create"], body["files"], tuple(body["held"]))


def bind(source: Path | str, target: str, *, writable: bool = False) -> dict[str, Any]:
    """One path of this host inside. The engine refuses it if the source is not there."""
    options = {"Propagation": "rprivate"}
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": not writable, "BindOptions": options}
