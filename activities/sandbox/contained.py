"""The first program in a container: its init, which keeps the command and tells the supervisor what becomes of it.

Runs as a script with the standard library alone, `python -I -S`. Its arguments are those of inside.py, which the
command's own process goes on with.

It talks to the supervisor by three FIFOs in a directory of the run's own. The container's engine has no part in that:
output arrives in the order it was written, and the command's end is known at once. Before anything that is not ours
starts, the supervisor takes their names away, so that nobody else inside can open them.

    output  what the command writes
    report  to the supervisor: `ready`, then `exit CODE`
    hold    from the supervisor: a byte to go on, and one to end; at its end there is nobody who watches any more
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys

PLACE = "/run/supervisor"
"""Where the run's own directory is inside."""
PR_SET_DUMPABLE = 4
UNWATCHED = 125
"""Exit code if the supervisor went away."""
LAST_LOOK_MILLISECONDS = 5000
"""How long the end waits for the supervisor to look at what was used."""


def open_place() -> tuple[int, int]:
    """Open the FIFOs: ours to report by and to be held by. Standard output and error lead to the supervisor.

    In this order, and without waiting: raises OSError if the supervisor died before we were here. If it can hear a
    report, it was there to hold us before, and its end will be seen.
    """
    hold = os.open(f"{PLACE}/hold", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    report = os.open(f"{PLACE}/report", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    output = os.open(f"{PLACE}/output", os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(output, True)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nowhere, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(output)
    os.close(nowhere)
    return report, hold


def take_environment() -> None:
    """What the spec says, and nothing of the image's or the engine's."""
    with open(f"{PLACE}/environment", "rb") as file:  # noqa: PTH123  pathlib costs every start milliseconds
        variables = [line.partition(b"=") for line in file.read().split(b"\0") if line]
    os.environ.clear()
    for name, _, value in variables:
        os.environb[name] = value


def close_to_others() -> None:
    """Keep this process's memory and descriptors from the command, which runs as the same user."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the init can't be closed to the command")


def lower_limits() -> None:
    """What an engine may have left out: Podman without root does."""
    with open(f"{PLACE}/limits") as file:  # noqa: PTH123
        for line in file:
            name, value = line.split()
            kind, most = getattr(resource, name), int(value)
            _, hard = resource.getrlimit(kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))


def start(*ours: int) -> int:
    """Start the command in a process of its own, without descriptors that are ours, and return its id."""
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for descriptor in ours:
            os.close(descriptor)
        os.setsid()
        lower_limits()
        sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  -I leaves it out
        import inside  # type: ignore[import-not-found]  # noqa: PLC0415  beside this file, inside

        inside.main()
        os._exit(UNWATCHED)
    return pid


def wait_for(child: int, hold: int, woken: int) -> int:
    """The exit code of the command, as a shell has it; everything that is orphaned meanwhile is collected."""
    poll = select.poll()
    for descriptor in (hold, woken):
        poll.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == hold:
                os._exit(UNWATCHED)  # With the init, the kernel ends everything in the container.
            os.read(descriptor, 64)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    code = os.waitstatus_to_exitcode(ended[1])
                    return code if code >= 0 else 128 - code


def end_the_rest() -> None:
    """Kill whatever the command left, until the kernel has no process of this container but this one."""
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main() -> None:
    """Be the init."""
    # As the init it is not ended by a signal that it does not ask for; Python asks for this one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0o022)
    report, hold = open_place()
    take_environment()
    close_to_others()
    os.write(report, b"ready\n")
    held = select.poll()
    held.register(hold, select.POLLIN)
    held.poll()
    if not os.read(hold, 1):
        os._exit(UNWATCHED)
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    code = wait_for(start(report, hold, woken, wake), hold, woken)
    end_the_rest()
    os.write(report, f"exit {code}\n".encode())
    held.poll(LAST_LOOK_MILLISECONDS)
    os._exit(code)


if __name__ == "__main__":
    main()
