"""Every sandbox keeps a supervisor for as long as it runs, so what one loads is paid for each time."""

import os
import subprocess
import sys
from pathlib import Path

from activities.sandbox import supervisor

_WHAT_IT_LOADED = """
import sys
from activities.sandbox import bubblewrap_confinement, supervisor
print(*sys.modules)
"""


def test_a_supervisor_does_not_load_what_would_cost_each_sandbox_a_megabyte() -> None:
    environment = {"PYTHONPATH": str(Path(supervisor.__file__).parents[2]), "PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _WHAT_IT_LOADED], env=environment, check=True, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "activities.sandbox.supervision" in loaded
    assert not loaded & {"dataclasses", "inspect", "ast", "asyncio", "pydantic", "subprocess"}
