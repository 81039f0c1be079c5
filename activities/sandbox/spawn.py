"""Forks bubblewrap with as little of the supervisor in it as possible: no rights, no descriptors, no environment.

Done by hand, since the order counts and no library call has it: into the cgroup while still root, then the uid, then
the death signal (a change of uid clears it), then exec. Fork is safe here because a supervisor has one thread.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from activities.sandbox.launch import BubblewrapLaunch, Launch

PR_SET_PDEATHSIG = 1
MOST_FILES = 16_384
"""Open in one process of a sandbox; each may hold memory of the kernel's."""
PR_SET_CHILD_SUBREAPER = 36
FAILED = 125
"""Exit code of the fork itself, if it could not become bubblewrap."""


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose parent dies, so that it can wait until all are gone."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it is gone. A fork of it is bound to nobody."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def spawn(
    launch: Launch, body: BubblewrapLaunch, output: int, status: int, enter_cgroup: Callable[[], None] | None
) -> int:
    """Start bubblewrap and return its process id. `output` and `status` are ends of pipes that it writes to."""
    supervisor = os.getpid()
    options = _in_memory(body.options)
    seccomp = os.open(body.seccomp, os.O_RDONLY)
    arguments = [body.program, "--args", str(options), "--seccomp", str(seccomp)]
    arguments += ["--json-status-fd", str(status), "--", *body.command]
    pid = os.fork()
    if pid == 0:
        try:
            if enter_cgroup:
                enter_cgroup()
            _become(launch, supervisor, arguments, output, keep=(options, seccomp, status))
        except BaseException as error:  # Nothing of the supervisor may go on in the child.
            os.write(output, f"journeyman: the sandbox could not be started: {error}\n".encode())
        finally:
            os._exit(FAILED)
    os.close(options)
    os.close(seccomp)
    return pid


def _in_memory(options: Iterable[str]) -> int:
    descriptor = os.memfd_create("options")
    content = b"".join(option.encode(errors="surrogateescape") + b"\0" for option in options)
    with open(descriptor, "wb", closefd=False) as stream:
        stream.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _become(launch: Launch, supervisor: int, arguments: list[str], output: int, keep: tuple[int, ...]) -> NoReturn:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # Kept until exec, to say through it what went wrong; only what is made inheritable below goes further.
    _close_all_but({0, 1, 2, output, *keep})
    for descriptor in keep:
        os.set_inheritable(descriptor, True)
    os.chdir("/")
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, launch.ceilings.file_bytes)
    _lower_hard(resource.RLIMIT_NOFILE, MOST_FILES)
    if os.geteuid() == 0:
        if not launch.uid:
            raise PermissionError("refused to run bubblewrap with root's rights: no uid to drop to was given")
        os.setgroups([])
        os.setresgid(launch.uid, launch.uid, launch.uid)
        os.setresuid(launch.uid, launch.uid, launch.uid)
    end_with_parent()
    if os.getppid() != supervisor:
        os._exit(FAILED)  # It died before it could be watched.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execve(arguments[0], arguments, {})  # noqa: S606  no shell is wanted


def _lower(limit: int, value: int) -> None:
    """Set a limit, but never above the one that this process has itself."""
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))


def _lower_hard(limit: int, value: int) -> None:
    """As `_lower`, for a limit that programs raise by themselves when they need more than is usual."""
    soft, hard = resource.getrlimit(limit)
    hard = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (hard if soft == resource.RLIM_INFINITY else min(soft, hard), hard))


def _close_all_but(kept: set[int]) -> None:
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - kept:  # noqa: PTH208
        with contextlib.suppress(OSError):  # The one that the listing itself was made through.
            os.close(descriptor)


def reap() -> tuple[dict[int, int], bool]:
    """Collect the dead: exit statuses by process id, and whether any descendant is still alive."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, False
        if pid == 0:
            return ended, True
        ended[pid] = status


def exit_code(status: int) -> int:
    """As a shell reports it: 128 and the number of the signal, if it was one."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def log(message: str) -> None:
    """Write to the supervisor's own log, which is its standard error."""
    print(message, file=sys.stderr, flush=True)
