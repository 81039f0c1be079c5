"""Toolchains come from their locks, whole or not at all, and can be run by a uid that may do nothing else."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from activities.agents.adapter import Toolchain
from activities.agents.configured import toolchains
from activities.agents.npm_install import InstallFailed, install
from activities.agents.toolchains import ToolchainMissing, Toolchains, locked, locked_version
from workers.agent_checks import version_in_sandbox
from workers.settings import Settings

SMALL = toolchains()["opencode"]


@pytest.mark.parametrize("name", sorted(toolchains()))
def test_a_lock_names_versions_and_hashes_and_no_registry(name: str) -> None:
    lock = json.loads(locked(name)["package-lock.json"])
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert b"://" not in locked(name)["package-lock.json"].replace(b'"url": "https://', b"")
    assert locked_version(name) in {package["version"] for package in packages.values()}


@pytest.mark.parametrize("name", sorted(toolchains()))
async def test_a_toolchain_starts_in_a_sandbox_and_nobody_else_can_write_to_it(
    name: str, toolchain_state: Path, state: Path
) -> None:
    settings = Settings(state=state)
    shutil.copytree(toolchain_state / "toolchains", state / "toolchains", symlinks=True, copy_function=os.link)
    assert locked_version(name) in await version_in_sandbox(settings, toolchains()[name])
    root = Toolchains(state).path(toolchains()[name])
    writable = [path for path in root.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
    assert writable == []
    assert not (root / "node_modules" / ".package-lock.json").exists()


def test_a_version_names_the_command_line_and_changes_with_whatever_else_its_toolchain_is_made_of(state: Path) -> None:
    known = Toolchains(state)
    assert known.version(SMALL).startswith(f"{locked_version(SMALL.name)}+")
    other = SMALL.model_copy(update={"programs": {**SMALL.programs, "other": "bin/other"}})
    assert known.version(other) != known.version(SMALL)
    assert known.version(SMALL) == Toolchains(state).version(SMALL)


def test_two_installs_at_once_make_one_whole_toolchain(state: Path, toolchain_state: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: install(SMALL, state, said.append), range(2)))
    assert both[0] == both[1]
    assert "another process installs it; waiting" in said
    assert sorted(path.name for path in Toolchains(state).shelf.iterdir()) == [
        ".opencode.lock",
        Toolchains(state).path(SMALL).name,
    ]


def test_a_registry_that_can_not_be_reached_is_named_as_the_reason_and_leaves_nothing(
    state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")
    monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path))
    with pytest.raises(InstallFailed, match="npm can't reach its registry"):
        install(SMALL, state, lambda _: None)
    assert [path.name for path in Toolchains(state).shelf.iterdir()] == [".opencode.lock"]
    with pytest.raises(ToolchainMissing, match="journeyman agents install opencode"):
        Toolchains(state).mount(SMALL)


def test_a_program_that_npm_left_out_is_missed_at_once(state: Path, toolchain_state: Path) -> None:
    odd = Toolchain(name="opencode", programs={"opencode": "node_modules/opencode-plan9-*/opencode"})
    with pytest.raises(InstallFailed, match="not its program for this machine"):
        install(odd, state, lambda _: None)
    assert Toolchains(state).installed(odd) is None
