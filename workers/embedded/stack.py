"""The whole system on one machine: Temporal, worker and gateway, for as long as one command runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from filelock import FileLock, Timeout
from temporalio.worker import Interceptor

from activities.tracing.pages import TaskPages
from workers.embedded.temporal_server import temporal_server
from workers.gateway.assembly import gateway_of, members_of
from workers.gateway.server import serving
from workers.gateway.taking import taking_webhooks
from workers.parts.host import HostParts
from workers.parts.shared import SharedParts
from workers.settings import Settings
from workers.worker import working


class AlreadyUp(Exception):
    """Another stack uses the same state directory."""


@contextlib.asynccontextmanager
async def stack(
    settings: Settings, *, leave_nothing: bool = False, interceptors: Sequence[Interceptor] = ()
) -> AsyncIterator[HostParts]:
    """Start everything, give the host's parts, stop everything. Raises AlreadyUp, TemporalNotStarted or GatewayTaken.

    `leave_nothing`: also end runs and the egress gateway, which otherwise go on for a while, to be found again.
    `interceptors`: of whoever has to see each step.
    """
    settings.prepare_state()
    lock = FileLock(settings.state / "up.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout as taken:
        raise AlreadyUp(
            f"`journeyman up` already runs with the state in {settings.state}: use it, or set JOURNEYMAN_STATE"
        ) from taken
    try:
        # Unpacking and loading what sandboxes need takes a second or two, and so does the server: side by side.
        loading = asyncio.create_task(asyncio.to_thread(lambda: HostParts.load(SharedParts.load(settings))))
        async with temporal_server(
            settings.state / "temporal",
            settings.temporal_address,
            settings.temporal_ui_port,
            settings.temporal_namespace,
            settings.metrics_address,
            settings.payload_keys,
        ) as client:
            host = await loading
            shared = host.shared
            await shared.probe()
            ui = f"http://127.0.0.1:{settings.temporal_ui_port}/namespaces/{settings.temporal_namespace}"
            gateway = gateway_of(client, shared, pages=TaskPages(ui, settings.trace_ui))
            try:
                async with (
                    working(client, shared, host, interceptors=interceptors),
                    serving(gateway.app, settings.gateway_socket, members_of(shared)),
                    taking_webhooks(client, shared, gateway),
                ):
                    yield host
            finally:
                await (host.shut_down() if leave_nothing else host.leave())
                await shared.close()
    finally:
        lock.release()
