"""The agents' toolchains for tests: installed once on a machine, and kept for the next test run."""

import os
from pathlib import Path

import pytest

from activities.agents.configured import toolchains
from activities.agents.npm_install import InstallFailed, install


def cache() -> Path:
    """Where tests keep what they have fetched, for the next run on this machine."""
    # Root's own cache is closed to the uids of sandboxes.
    default = "/var/cache/journeyman-tests" if os.geteuid() == 0 else str(Path.home() / ".cache" / "journeyman-tests")
    kept = Path(os.environ.get("JOURNEYMAN_TEST_CACHE", default))
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def shared_state() -> Path:
    """A state directory with every toolchain. Skips the test, and says why, where npm has no registry."""
    state = cache()
    try:
        for toolchain in toolchains().values():
            install(toolchain, state, print)
    except InstallFailed as failure:
        if "can't reach its registry" in str(failure):
            pytest.skip(f"the agents' command lines are not here and can't be fetched: {failure}")
        raise
    return state
