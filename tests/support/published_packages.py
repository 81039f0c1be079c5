"""What vendors publish of their interfaces on npm: installed once a machine, by a lock with hashes."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from activities.agents.npm_install import npm_command, npm_environment
from tests.support.agent_toolchains import cache

_FILES = ("package.json", "package-lock.json")
_UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH")


class Unreachable(Exception):
    """The packages are not here, and npm has no registry to fetch them from."""


def installed(vendor: str) -> Path:
    """Where the packages of `infra/VENDOR` are. Raises Unreachable."""
    lock = Path(__file__).parents[2] / "infra" / vendor
    content = b"".join((lock / name).read_bytes() for name in _FILES)
    target = cache() / f"{vendor}-descriptions-{hashlib.sha256(content).hexdigest()[:20]}"
    with FileLock(target.with_suffix(".lock")):
        if target.is_dir():
            return target
        building = target.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        for name in _FILES:
            shutil.copy(lock / name, building)
        command = (*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
        done = subprocess.run(command, cwd=building, env=npm_environment(), capture_output=True, text=True, check=False)
        if any(word in done.stderr for word in _UNREACHABLE):
            raise Unreachable(f"what {vendor} publishes is not here and can't be fetched: {done.stderr[-500:]}")
        assert done.returncode == 0, done.stderr
        building.rename(target)
        return target
