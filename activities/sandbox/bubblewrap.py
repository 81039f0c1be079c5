"""The command line of bubblewrap: what a sandbox sees, and nothing else.

Every line was measured to be needed; see docs/adr for what each one keeps out.
"""

from pathlib import Path

from activities.sandbox.contract import PROXY_PORT, WORKSPACE, SandboxSpec, refuse_zero_bytes
from activities.sandbox.python_runtime import VENV
from activities.sandbox.stage import INSIDE, Stage

HOME = "/home/agent"
AGENT_UID = 1000
NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""A source edited twice within a second, at the same size, would be taken for the one that is compiled already."""
EGRESS = "/run/egress"
SOCKET = f"{EGRESS}/egress.sock"
PATH = f"/opt/journeyman/layer/bin:{VENV}/bin:/usr/local/bin:/usr/bin:/bin"
SHARED_MEMORY = "/dev/shm"  # noqa: S108  inside, where nobody else is
SHARED_MEMORY_BYTES = 64 * 1024 * 1024
"""Enough for semaphores and a browser's small segments."""
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Links into /usr on a merged system, directories of their own on an older one."""
HOST_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl/certs", "ssl/openssl.cnf", "mime.types")
"""What of the host's /etc programs need: links, library paths and public certificates, no key, no name server."""


def scratch(spec: SandboxSpec) -> tuple[str, ...]:
    """The writable directories in memory."""
    own = ("/tmp", HOME, SHARED_MEMORY)  # noqa: S108  inside, where nobody else is
    return own if spec.workspace else (*own, WORKSPACE)


def options(spec: SandboxSpec, stage: Stage) -> tuple[str, ...]:
    """All options but the descriptors'. A later mount goes on top of an earlier one, so the order counts.

    Raises ZeroByte: bubblewrap reads the options from a descriptor, where a zero byte separates them.
    """
    parts = (
        *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--uid", str(AGENT_UID), "--gid", str(AGENT_UID), "--hostname", "sandbox"),
        *_system(),
        *_etc(stage),
        *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"),
        *("--dev", "/dev"),
        *_scratch(spec),
        *_runtime(stage),
        *_task(spec),
        *("--remount-ro", "/dev", "--size", str(SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", SHARED_MEMORY),
        *("--remount-ro", "/"),
        *("--chdir", WORKSPACE),
        *_environment(spec),
    )
    refuse_zero_bytes(*parts, *spec.command)
    return parts


def command(spec: SandboxSpec, mark: str, processes: int) -> tuple[str, ...]:
    """What bubblewrap starts: our first program, which becomes the command. `processes` 0 sets no limit there."""
    gateway = SOCKET if spec.egress else "-"
    program = (f"{VENV}/bin/python3", "-I", "-S", f"{INSIDE}/inside.py")
    return (*program, mark, str(processes), gateway, str(PROXY_PORT), "--", *spec.command)


def _system() -> tuple[str, ...]:
    parts = ["--ro-bind", "/usr", "/usr"]
    for name in SYSTEM:
        path = Path("/") / name
        if path.is_symlink():
            parts += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            parts += ["--ro-bind", str(path), str(path)]
    return tuple(parts)


def _etc(stage: Stage) -> tuple[str, ...]:
    parts: list[str] = []
    for name in HOST_ETC:
        parts += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for file in sorted(stage.etc.iterdir()):
        parts += ["--ro-bind", str(file), f"/etc/{file.name}"]
    return tuple(parts)


def _scratch(spec: SandboxSpec) -> tuple[str, ...]:
    size = ("--size", str(spec.limits.scratch_bytes))
    parts = [*size, "--perms", "1777", "--tmpfs", "/tmp", *size, "--perms", "0700", "--tmpfs", HOME]  # noqa: S108
    if spec.workspace is None:
        parts += [*size, "--tmpfs", WORKSPACE]
    return tuple(parts)


def _runtime(stage: Stage) -> tuple[str, ...]:
    parts = ["--ro-bind", str(stage.inside), INSIDE, "--ro-bind", str(stage.environment), VENV]
    if stage.interpreter:
        parts += ["--ro-bind", str(stage.interpreter), stage.prefix]
    return tuple(parts)


def _task(spec: SandboxSpec) -> tuple[str, ...]:
    parts: list[str] = []
    if spec.workspace:
        parts += ["--bind" if spec.workspace_writable else "--ro-bind", str(spec.workspace), WORKSPACE]
    for mount in spec.mounts:
        parts += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
    if spec.egress:
        # The directory, since a restarted gateway makes a new socket in it.
        parts += ["--ro-bind", str(spec.egress), EGRESS]
    return tuple(parts)


def environment(spec: SandboxSpec) -> dict[str, str]:
    """All variables of the command, of whichever backend: nothing is inherited."""
    defaults = {"PATH": PATH, "HOME": HOME, "TMPDIR": "/tmp", "USER": "agent", "LANG": "C.UTF-8", **NO_BYTECODE}  # noqa: S108
    return {**defaults, **spec.environment}


def _environment(spec: SandboxSpec) -> tuple[str, ...]:
    parts = ["--clearenv"]
    for name, value in environment(spec).items():
        parts += ["--setenv", name, value]
    return tuple(parts)
