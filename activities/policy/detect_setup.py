"""How a repository's third-party dependencies get into its environment layer, found from its lock files.

Only what is pinned by hash is installed without being asked: a name without a hash may be something else tomorrow.
"""

import re
import shlex
from collections.abc import Callable

from workflows.models.policy import Setup

Read = Callable[[str], bytes | None]
"""A file's first bytes at base, or None."""

_REQUIREMENTS = re.compile(r"(requirements/)?[^/]*requirements[^/]*\.txt|requirements/[^/]+\.txt")
_HASHED = re.compile(rb"--hash=sha256:[0-9a-f]{64}")
_NODE_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
VENV_COMMANDS = (
    # Our own pytest comes last on the path of the layer's Python, for repositories that don't pin one themselves.
    "OWN=$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))') && "
    'python3 -m venv "$JOURNEYMAN_LAYER" && '
    'echo "$OWN" > "$("$JOURNEYMAN_LAYER/bin/python3" -c '
    '\'import sysconfig; print(sysconfig.get_path("purelib"))\')/journeyman-pytest.pth"',
)


def detect_setup(present: frozenset[str], read: Read) -> Setup:
    """Commands and lock files of the environment layer; none of either if nothing is pinned by hash."""
    python = _hashed_requirements(present, read)
    node = next((name for name in _NODE_LOCKS if name in present and "package.json" in present), "")
    commands: list[str] = []
    if python:
        files = " ".join(f"-r {shlex.quote(path)}" for path in python)
        commands += VENV_COMMANDS
        commands.append(f'"$JOURNEYMAN_LAYER/bin/python3" -m pip install --require-hashes {files}')
    if node:
        # Without install scripts: they would run with the way to the registry open.
        commands.append(
            f'cp package.json {node} "$JOURNEYMAN_LAYER"/ && cd "$JOURNEYMAN_LAYER" && npm ci --ignore-scripts'
        )
    locks = (*python, *(("package.json", node) if node else ()))
    return Setup(commands=tuple(commands), lock_files=locks)


def _hashed_requirements(present: frozenset[str], read: Read) -> tuple[str, ...]:
    candidates = sorted(path for path in present if _REQUIREMENTS.fullmatch(path))
    return tuple(path for path in candidates[:20] if _HASHED.search(read(path) or b""))
