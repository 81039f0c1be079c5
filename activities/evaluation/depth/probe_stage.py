"""The probe, laid out where every sandbox can be given it read-only."""

import hashlib
import os
import shutil
from pathlib import Path

from activities.sandbox.contract import Mount

INSIDE = "/opt/journeyman/probe"
RECORD = ".journeyman-probe"
"""Directory in a checkout where it notes what it saw."""
_SOURCE = Path(__file__).parent / "probe" / "sitecustomize.py"


def stage_probe(state: Path) -> Path:
    """Copy it under the state directory, once for each version of it. Raises OSError."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    shelf = state / "probe"
    shelf.mkdir(parents=True, exist_ok=True)
    shelf.chmod(0o755)
    target = shelf / digest
    if not target.is_dir():
        draft = shelf / f".{digest}-{os.getpid()}"
        draft.mkdir(exist_ok=True)
        draft.chmod(0o755)
        shutil.copyfile(_SOURCE, draft / _SOURCE.name)
        (draft / _SOURCE.name).chmod(0o644)
        try:
            draft.rename(target)
        except OSError:
            # Another process was as quick.
            shutil.rmtree(draft, ignore_errors=True)
    return target


def probe_mount(staged: Path) -> Mount:
    """Makes it readable inside."""
    return Mount(source=staged, target=INSIDE)
