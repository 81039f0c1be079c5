"""The Temporal dev server with its UI, as a child process with its state kept in one file."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from temporalio.client import Client

from workers.embedded import bound_program
from workers.embedded.programs import program
from workers.payloads import encrypting
from workers.temporal import DATA_CONVERTER, connect, prepare_runtime
from workflows import search_attributes

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_READ_CHARS = 65_536
_TELLING = re.compile(r"(?i)^panic:|^fatal|\b(level=error|error:|failed to|unable to)\b|address already in use")
_GIVEN: set[int] = set()


class TemporalNotStarted(Exception):
    """The server did not come up; the message says why and what to do."""


class TemporalEnded(Exception):
    """The server ended by itself, or was ended by somebody else, while it was needed."""


@contextlib.asynccontextmanager
async def temporal_server(
    directory: Path,
    address: str,
    ui_port: int,
    namespace: str,
    metrics_address: str = "",
    payload_keys: Path | None = None,
) -> AsyncIterator[Client]:
    """Run the server until the block ends, and give a client of it. Raises TemporalNotStarted.

    The server never outlives this process. When it ends first, the block is cancelled, and TemporalEnded raised.
    """
    # What is wrong with the keys no waiting for the server mends.
    encrypting(DATA_CONVERTER, payload_keys)
    host, _, port = address.rpartition(":")
    for taken in (int(port), ui_port):
        _refuse_taken(host, taken)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = directory / "server.log"
    command = server_command(directory / "temporal.db", address, ui_port, namespace)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", bound_program.__file__, str(os.getpid()), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A group of its own: Ctrl-C in the terminal is for us, who then stop it after the workers.
            start_new_session=True,
        )
    try:
        client = await _connected(process, address, namespace, log, metrics_address, payload_keys)
        async with _while_it_lives(process, log):
            yield client
    finally:
        await _stop(process)


def server_command(database: Path, address: str, ui_port: int, namespace: str) -> tuple[str, ...]:
    """The server as a command. Raises ProgramMissing."""
    host, _, port = address.rpartition(":")
    return (
        *(str(program("temporal")), "server", "start-dev", "--ip", host, "--port", port, "--ui-port", str(ui_port)),
        *("--db-filename", str(database), "--namespace", namespace, "--log-level", "warn"),
        # Without it a queue is served first come, first served, whatever share a task's key has.
        *("--dynamic-config-value", "matching.enableFairness=true"),
        # Order and shares hold within a partition of a queue, and who polls is given one by chance.
        *("--dynamic-config-value", "matching.numTaskqueueReadPartitions=1"),
        *("--dynamic-config-value", "matching.numTaskqueueWritePartitions=1"),
        *(f"--search-attribute={key.name}={_kind(key)}" for key in search_attributes.ALL),
    )


async def _connected(
    process: asyncio.subprocess.Process,
    address: str,
    namespace: str,
    log: Path,
    metrics_address: str,
    payload_keys: Path | None,
) -> Client:
    prepare_runtime(metrics_address)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.returncode is not None:
            raise TemporalNotStarted(f"the Temporal server ended at once: {_last_words(log)} (all of it: {log})")
        try:
            client = await connect(address, namespace, metrics_address, payload_keys)
            await client.count_workflows("WorkflowType = 'AgentTask'")
        except Exception:
            await asyncio.sleep(0.05)
        else:
            return client
    raise TemporalNotStarted(f"the Temporal server did not answer within {_START_SECONDS:.0f} s; its log is {log}")


@contextlib.asynccontextmanager
async def _while_it_lives(process: asyncio.subprocess.Process, log: Path) -> AsyncIterator[None]:
    inside = asyncio.current_task()
    assert inside is not None
    ended = False

    async def watch() -> None:
        nonlocal ended
        await process.wait()
        ended = True
        inside.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except (asyncio.CancelledError, Exception) as error:
        # Workers that lose their server may fail of it first, or while they are stopped.
        if process.returncode is None:
            raise
        if ended:
            inside.uncancel()
        raise TemporalEnded(
            f"the Temporal server ended (code {process.returncode}), and nothing works without it. Its last words: "
            f"{_last_words(log)} (all of it: {log}). Start again: tasks go on where they were"
        ) from error
    finally:
        watching.cancel()


def _last_words(log: Path) -> str:
    """What it said about its end: the first line that names an error, since a stack trace may follow it."""
    lines = log.read_text(errors="replace")[-_READ_CHARS:].strip().splitlines()
    telling = [line for line in lines if _TELLING.search(line)]
    return " / ".join(telling[-1:] or lines[-3:]) or "none"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise TemporalNotStarted(
                f"port {port} on {host} is taken ({error.strerror}): stop what uses it, or choose other ports with "
                "JOURNEYMAN_TEMPORAL_ADDRESS and JOURNEYMAN_TEMPORAL_UI_PORT"
            ) from error


def _kind(key: object) -> str:
    return "Int" if getattr(key, "indexed_value_type", None).name == "INT" else "Keyword"  # type: ignore[union-attr]


def free_port() -> int:
    """A port that is free now, for a stack that lives only for a demonstration, and another one at each call.

    It is none of those that the kernel gives to whoever asks for any: Temporal's own services ask for some in the very
    moment in which the server is to take this one.
    """
    low, high = _given_by_the_kernel()
    while True:
        port: int = secrets.choice([*range(20_000, low), *range(high + 1, 65_000)] or range(20_000, 65_000))
        if port in _GIVEN:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _GIVEN.add(port)
            return port


def _given_by_the_kernel() -> tuple[int, int]:
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except (OSError, ValueError):
        return 32_768, 60_999
    return int(low), int(high)
