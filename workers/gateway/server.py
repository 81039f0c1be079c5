"""Running the gateway: on a unix socket, since on one machine the kernel is the best authenticator."""

import asyncio
import contextlib
import grp
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from activities.socket_paths import short
from workers.gateway.bounded_connections import BoundedProtocol
from workers.gateway.peers import PeerCredentialsProtocol


class GatewayTaken(Exception):
    """Another gateway serves this state directory."""


class UnknownGroup(Exception):
    """The group that may reach the gateway is none of this machine, or not one to give a file to."""


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, path: Path, group: str = "") -> AsyncIterator[None]:
    """Serve the application on a unix socket until the block ends.

    Only this OS user can open it, and the members of the group if one is given. Raises GatewayTaken and UnknownGroup.
    """
    members = _group_id(group) if group else None
    _refuse_if_served(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    with short(draft) as address:
        listener.bind(address)
    if members is not None:
        os.chown(draft, -1, members)
    draft.chmod(0o600 if members is None else 0o660)
    server, running = _serve(app, listener, PeerCredentialsProtocol)
    await _begun(server, running)
    # Visible only now: whoever finds the socket is answered.
    draft.rename(path)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        server.should_exit = True
        await running


@contextlib.asynccontextmanager
async def serving_on_port(
    app: ASGIApp, port: int, address: str = "127.0.0.1", *, idle_seconds: int = 5
) -> AsyncIterator[None]:
    """Serve the application on a port until the block ends. Raises GatewayTaken.

    `idle_seconds`: after these, or twice as many, a connection on which nothing is asked is closed.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise GatewayTaken(f"port {port} on {address} can't be had ({error.strerror}): choose another") from error
    server, running = _serve(app, listener, BoundedProtocol, idle_seconds)
    await _begun(server, running)
    try:
        yield
    finally:
        server.should_exit = True
        await running


def _serve(
    app: ASGIApp, listener: socket.socket, protocol: type[asyncio.Protocol], idle_seconds: int = 5
) -> tuple[uvicorn.Server, asyncio.Task[None]]:
    listener.listen(256)
    config = uvicorn.Config(
        app,
        http=protocol,
        # Where this process logs; uvicorn's own configuration would print stack traces to the terminal.
        log_config=None,
        log_level="warning",
        lifespan="off",
        server_header=False,
        timeout_keep_alive=idle_seconds,
        timeout_graceful_shutdown=3,
    )
    server = _QuietServer(config)
    return server, asyncio.create_task(server.serve(sockets=[listener]))


async def _begun(server: uvicorn.Server, running: asyncio.Task[None]) -> None:
    while not server.started and not running.done():
        await asyncio.sleep(0.01)


class _QuietServer(uvicorn.Server):
    """Leaves signals to the process, which has more to stop than a web server."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _group_id(name: str) -> int:
    try:
        found = grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise UnknownGroup(f"JOURNEYMAN_GATEWAY_GROUP: there is no group {name!r}: groupadd {name}") from error
    if os.geteuid() != 0 and found not in os.getgroups():
        raise UnknownGroup(
            f"JOURNEYMAN_GATEWAY_GROUP: the gateway's user is not in the group {name!r}: usermod -aG {name} USER"
        )
    return found


def _refuse_if_served(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            with short(path) as address:
                probe.connect(address)
        except OSError:
            return
    raise GatewayTaken(f"a gateway already serves {path}: use it, or stop it first")
