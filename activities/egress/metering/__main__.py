"""The meter's process: `python -m activities.egress.metering POLICIES USAGE RUN UID GID`.

As root it is started as root, so that it can load the program from wherever that is, and becomes its own user before
it opens anything. It has no network, no environment and no secret to lose.
"""

import asyncio
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from activities.egress.metering.server import Meter

SOCKET_NAME = "meter.sock"
READY_NAME = "ready.sock"
_LOCK_SECONDS = 10.0


def main() -> None:
    """Become another user, and serve until told to stop."""
    policies, usage, run = (Path(text) for text in sys.argv[1:4])
    uid, gid = int(sys.argv[4]), int(sys.argv[5])
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    os.umask(0o007)
    # Two meters would count everything twice.
    lock = os.open(usage / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                sys.exit("another meter keeps these books")
            time.sleep(0.02)
    asyncio.run(_serve(Meter(policies, usage), run))


async def _serve(meter: Meter, run: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for name in (SOCKET_NAME, READY_NAME):
        (run / name).unlink(missing_ok=True)
    server = meter.server(run / SOCKET_NAME)
    await server.start()
    ready = await asyncio.start_unix_server(_say_ready, run / READY_NAME)
    await stop.wait()
    ready.close()
    # Each stream's own ending notes what had been seen of it.
    await server.stop(grace=None)
    meter.close()


async def _say_ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers as Envoy's admin interface does, from the loop that does the work: one that hangs does not answer."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nLIVE\n")
    await writer.drain()
    writer.close()


if __name__ == "__main__":
    main()
