"""Running the gateway: on a unix socket, since on one machine the kernel is the best authenticator."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from activities.socket_paths import short
from workers.gateway.peers import PeerCredentialsProtocol


class GatewayTaken(Exception):
    """Another gateway serves this state directory."""


@contextlib.asynccontextmanager
async def serving(app: FastAPI, path: Path) -> AsyncIterator[None]:
    """Serve the application on a unix socket that only this OS user can open, until the block ends."""
    _refuse_if_served(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    with short(draft) as address:
        listener.bind(address)
    draft.chmod(0o600)
    listener.listen(256)
    config = uvicorn.Config(
        app,
        http=PeerCredentialsProtocol,
        # Where this process logs; uvicorn's own configuration would print stack traces to the terminal.
        log_config=None,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    server = _QuietServer(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    # Visible only now: whoever finds the socket is answered.
    draft.rename(path)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        server.should_exit = True
        await running


class _QuietServer(uvicorn.Server):
    """Leaves signals to the process, which has more to stop than a web server."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _refuse_if_served(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            with short(path) as address:
                probe.connect(address)
        except OSError:
            return
    raise GatewayTaken(f"a gateway already serves {path}: use it, or stop it first")
