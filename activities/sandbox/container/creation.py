"""What a container gets, as the Engine API has it: what a sandbox by bubblewrap sees, and nothing else.

Engines have defaults of their own, such as writable places in memory without a size. Whatever a container could write
to is named here, with its size.
"""

import json
from typing import Any

from activities.sandbox.bubblewrap import (
    EGRESS,
    HOME,
    SHARED_MEMORY,
    SHARED_MEMORY_BYTES,
    SOCKET,
    environment,
)
from activities.sandbox.cgroups import OVERHEAD, PERIOD
from activities.sandbox.container.engine import MARK, RUN, Address, Image
from activities.sandbox.container.launch import bind
from activities.sandbox.contract import PROXY_PORT, WORKSPACE, SandboxSpec, refuse_zero_bytes
from activities.sandbox.python_runtime import VENV
from activities.sandbox.spawn import MOST_FILES
from activities.sandbox.stage import INSIDE, Stage

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108  inside, where nobody else is
LEAST_PROCESSES = 4096
"""Of one uid, which other runs may share: a second barrier behind the cgroup's, which counts this container alone."""
SMALL = 64 * 1024
MASKED = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
"""Docker's own list, which has to be repeated to add to it; Podman adds to its own."""
HIDDEN = "/sys"
"""This host's devices and cgroups, which no program inside needs."""


def scratch(spec: SandboxSpec) -> tuple[str, ...]:
    """The writable directories in memory."""
    own = (*TEMPORARY, HOME, SHARED_MEMORY)
    return own if spec.workspace else (*own, WORKSPACE)


def creation(
    spec: SandboxSpec,
    stage: Stage,
    address: Address,
    *,
    mark: str,
    image: Image,
    user: int,
    rootless: bool,
    runtime: str,
) -> dict[str, Any]:
    """The container of a run. Raises ZeroByte."""
    gateway = SOCKET if spec.egress else "-"
    program = [f"{VENV}/bin/python3", "-I", "-S", f"{INSIDE}/contained.py", mark, "0", gateway, str(PROXY_PORT), "--"]
    refuse_zero_bytes(*spec.command, *(mount.target for mount in spec.mounts))
    body = {
        "Image": image.identity,
        "Entrypoint": program[:1],
        "Cmd": [*program[1:], *spec.command],
        "User": f"{user}:{user}",
        "WorkingDir": WORKSPACE,
        "Env": [],
        "Hostname": "sandbox",
        "Labels": {MARK: mark, RUN: spec.run_id},
        "StopSignal": "SIGKILL",
        "StopTimeout": 0,
        "HostConfig": {
            "NetworkMode": "none",
            "IpcMode": "private",
            "CgroupnsMode": "private",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "Mounts": [*_runtime(stage), *_task(spec)],
            "Tmpfs": _in_memory(spec, address, user),
            "ShmSize": SHARED_MEMORY_BYTES,
            "RestartPolicy": {"Name": "no"},
            # What the init says before it has its supervisor's ear, and nothing that comes after.
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "64k"}},
            **_security(stage, address),
            **_limits(spec),
        },
    }
    if image.has_health_check:
        # It would run beside the command. Only where there is one: Podman wants systemd to take one away.
        body["Healthcheck"] = {"Test": ["NONE"]}
    if rootless:
        # Else our own user, to whom the workspace belongs, would be root inside.
        body["HostConfig"]["UsernsMode"] = "keep-id"  # type: ignore[index]
    if runtime:
        body["HostConfig"]["Runtime"] = runtime  # type: ignore[index]
    return body


def files(spec: SandboxSpec, user: int) -> dict[str, str]:
    """The files of the run's own directory. Raises ZeroByte."""
    variables = environment(spec)
    refuse_zero_bytes(*variables, *variables.values())
    return {
        "environment": "".join(f"{name}={value}\0" for name, value in variables.items()),
        "passwd": f"root:x:0:0:root:/:/bin/sh\nagent:x:{user}:{user}:agent:{HOME}:/bin/sh\n",
        "group": f"root:x:0:\nagent:x:{user}:\n",
        "limits": f"RLIMIT_FSIZE {spec.limits.file_bytes}\nRLIMIT_CORE 0\n",
    }


def _runtime(stage: Stage) -> list[dict[str, Any]]:
    mounts = [bind(stage.inside, INSIDE), bind(stage.environment, VENV)]
    mounts += [bind(stage.etc / name, f"/etc/{name}") for name in ("hosts", "nsswitch.conf", "resolv.conf")]
    if stage.home_of_root:
        mounts.append(bind(stage.home_of_root, "/root"))
    if stage.interpreter:
        mounts.append(bind(stage.interpreter, stage.prefix))
    return mounts


def _task(spec: SandboxSpec) -> list[dict[str, Any]]:
    mounts = [bind(mount.source, mount.target, writable=mount.writable) for mount in spec.mounts]
    if spec.workspace:
        mounts.append(bind(spec.workspace, WORKSPACE, writable=spec.workspace_writable))
    if spec.egress:
        # The directory, since a restarted gateway makes a new socket in it.
        mounts.append(bind(spec.egress, EGRESS))
    return mounts


def _in_memory(spec: SandboxSpec, address: Address, user: int) -> dict[str, str]:
    """Every tmpfs but /dev/shm.

    Where an image has a directory of that name, a runtime gives the tmpfs that one's mode, so each belongs to who
    writes there. Podman would also fill it with what the image has.
    """
    owned = "U,notmpcopyup" if address.podman else f"uid={user},gid={user}"
    fresh = ",notmpcopyup" if address.podman else ""
    writable = f"rw,exec,nosuid,nodev,size={spec.limits.scratch_bytes},mode=1777,{owned}"
    places = dict.fromkeys(place for place in scratch(spec) if place != SHARED_MEMORY)
    return dict.fromkeys(places, writable) | {"/run": f"ro,nosuid,nodev,size={SMALL},mode=0755{fresh}"}


def _security(stage: Stage, address: Address) -> dict[str, Any]:
    if address.podman:
        # Podman reads a path here, where Docker's own command line sends what it has read.
        profile = str(stage.seccomp_profile)
        return {"SecurityOpt": ["no-new-privileges", f"seccomp={profile}", f"mask={HIDDEN}"]}
    profile = json.dumps(json.loads(stage.seccomp_profile.read_text()), separators=(",", ":"))
    return {
        "SecurityOpt": ["no-new-privileges:true", f"seccomp={profile}"],
        "MaskedPaths": [*MASKED, HIDDEN],
    }


def _limits(spec: SandboxSpec) -> dict[str, Any]:
    limits = spec.limits
    most_processes = max(LEAST_PROCESSES, limits.processes + OVERHEAD)
    return {
        "Memory": limits.memory_bytes,
        # Together with swap: so there is none.
        "MemorySwap": limits.memory_bytes,
        "PidsLimit": limits.processes + OVERHEAD,
        "CpuPeriod": PERIOD,
        "CpuQuota": int(limits.cpus * PERIOD),
        "Ulimits": [
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "fsize", "Soft": limits.file_bytes, "Hard": limits.file_bytes},
            {"Name": "nofile", "Soft": 1024, "Hard": MOST_FILES},
            {"Name": "nproc", "Soft": most_processes, "Hard": most_processes},
        ],
    }
