"""The guards of containers, and how each is left out of what an engine is asked to make."""

import os
from pathlib import Path
from typing import Any

from activities.sandbox.container.backend import ContainerBackend
from activities.sandbox.container.launch import bind
from activities.sandbox.launch import Launch
from tests.containment.attempt import NotApplicable
from tests.containment.weakened import Weakened, Weakening, suite_home, unlimited


def weakened(backend: ContainerBackend, directory: Path, guard: str) -> Weakened:
    """A backend's containers without one guard. Raises NotApplicable."""
    if guard == "the process namespace" and os.geteuid() != 0:
        # A container's init ends whatever is of its user and in view when the command is over.
        raise NotApplicable("without a process namespace, the end of a container would end all of this user's programs")
    return Weakened(directory, backend, GUARDS[guard])


def _with(launch: Launch, **options: Any) -> Launch:
    """With other options for the container's place on the host; None takes one away."""
    create = launch.body["create"]
    host = {name: value for name, value in {**create["HostConfig"], **options}.items() if value is not None}
    return launch._replace(body={**launch.body, "create": {**create, "HostConfig": host}})


def _instead(was: dict[str, Any], **options: Any) -> Weakening:
    """Other options in the place of those that are the guard."""

    def weaken(launch: Launch) -> Launch:
        host = launch.body["create"]["HostConfig"]
        asked = {name: host.get(name) for name in was}
        assert asked == was, f"a container is asked for with {asked}, so that nothing is weakened by leaving {was} out"
        return _with(launch, **options)

    return weaken


def _unfiltered(launch: Launch) -> Launch:
    options = launch.body["create"]["HostConfig"]["SecurityOpt"]
    others = [each for each in options if not each.startswith("seccomp=")]
    assert len(others) == len(options) - 1, f"no filter is asked for in {options}"
    return _with(launch, SecurityOpt=[*others, "seccomp=unconfined"])


def _may_gain_rights(launch: Launch) -> Launch:
    options = launch.body["create"]["HostConfig"]["SecurityOpt"]
    others = [each for each in options if not each.startswith("no-new-privileges")]
    assert len(others) == len(options) - 1, f"nothing bars new rights in {options}"
    return _with(launch, SecurityOpt=others)


def _without_limits(launch: Launch) -> Launch:
    """Neither the supervisor's nor the engine's, nor those that the init sets."""
    room = {"Memory": None, "MemorySwap": None, "PidsLimit": 512, "CpuQuota": None, "CpuPeriod": None, "Ulimits": None}
    wide = _with(unlimited(launch), **room)
    files = {**wide.body["files"], "limits": "RLIMIT_CORE 0\n"}
    return wide._replace(body={**wide.body, "files": files})


def _with_host_files(launch: Launch) -> Launch:
    """With the directory that the suite works in at its place, as it is on the host."""
    home = suite_home(launch)
    return _with(launch, Mounts=[*launch.body["create"]["HostConfig"]["Mounts"], bind(home, home, writable=True)])


GUARDS: dict[str, Weakening] = {
    "the seccomp filter": _unfiltered,
    "the network namespace": _instead({"NetworkMode": "none"}, NetworkMode="host"),
    "the process namespace": _instead({"PidMode": None}, PidMode="host"),
    "the namespace of shared memory": _instead({"IpcMode": "private"}, IpcMode="host", ShmSize=None),
    "the bar to new rights": _may_gain_rights,
    "limits": _without_limits,
    "a file system of its own": _with_host_files,
    "the read-only root": _instead({"ReadonlyRootfs": True}, ReadonlyRootfs=False),
    # An engine's /dev can be written by root alone, so what keeps a sandbox from it is that it has no right of root's.
    "the read-only /dev": _instead({"CapDrop": ["ALL"]}, CapAdd=["DAC_OVERRIDE"]),
}
"""By the words that a report uses for them."""
