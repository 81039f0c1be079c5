"""Parameters that many commands share, and the gateway they all ask."""

import os
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from workers.cli.client import LONGEST_ANSWER, GatewayClient
from workers.settings import load_settings
from workflows.models.task import GITHUB_SHORT

TaskId = Annotated[str, Parameter(help="The task's id, or the beginning of it.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document instead of text.")]
As = Annotated[str, Parameter(name="--as", help="Act under another name; only the local profile allows it.")]
Message = Annotated[str, Parameter(name=["--message", "-m"], help="What to say with it.")]
Flag = Parameter(negative="")
_BEGAN = time.time()
"""As good as when the command began: nothing but Python itself was loaded before."""


def gateway(acting_as: str = "", *, seconds: float = LONGEST_ANSWER) -> GatewayClient:
    """The gateway of this installation. `seconds`: how long an answer may take."""
    return GatewayClient(
        load_settings().gateway_socket,
        acting_as,
        began=_BEGAN,
        traceparent=os.environ.get("TRACEPARENT", ""),
        seconds=seconds,
    )


def address_of(repo: str) -> str:
    """A repository as the gateway knows it: its full path, or its address as it is."""
    named = "://" in repo or repo.startswith(GITHUB_SHORT)
    return repo if named else str(Path(repo).expanduser().resolve())
