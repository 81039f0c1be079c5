"""The first program inside a sandbox: opens the way to the egress gateway, then becomes the command.

Runs as a script with the standard library alone, `python -I -S`, and imports little, since every sandbox pays for it.
Usage: inside.py MARK PROCESSES SOCKET PORT -- COMMAND...

MARK is only there to be found in process lists. PROCESSES limits the processes of this sandbox, 0 sets no limit.
SOCKET is the gateway's, `-` if there is no network; it is served on 127.0.0.1 at PORT.
"""

import os
import resource
import signal
import sys

NOT_FOUND = 127
NOT_STARTED = 126
"""Exit codes as a shell has them."""


def open_way_out(gateway: str, port: int) -> None:
    """Listen, then leave the serving to a process of its own, so that the first request already finds it."""
    # Only a sandbox with a network pays for these.
    import socket  # noqa: PLC0415

    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  -I leaves it out
    import forwarder  # type: ignore[import-not-found]  # noqa: PLC0415  beside this file, inside

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    if os.fork() == 0:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        forwarder.serve(listener, gateway)
        os._exit(0)
    listener.close()


def main() -> None:
    """Set up, then replace this process by the command."""
    processes, gateway, port, command = int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[6:]
    if processes:
        _, most = resource.getrlimit(resource.RLIMIT_NPROC)
        # Where we were given less, by a container's engine say, less it is: only root could have more.
        processes = processes if most == resource.RLIM_INFINITY else min(processes, most)
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    if gateway != "-":
        open_way_out(gateway, port)
    # Python ignores these, and what is ignored stays so in the command: `yes | head` would not end quietly.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606  to become the command is the point
    except OSError as error:
        sys.stderr.write(f"journeyman: {command[0]!r} can't be started in the sandbox: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED)


if __name__ == "__main__":
    main()
