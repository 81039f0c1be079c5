"""Many deliveries in a few seconds, at a gateway that is a process of its own and may be killed in between."""

import asyncio
import base64
import contextlib
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from activities.archive.objects import Objects
from activities.webhooks.stored import Deliveries, digest_of
from tests.support.github.webhooks import signature
from tests.workers.terminal import environment
from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port

SECRET = "a secret of the webhook's"
_PADDING = "x" * 15_000
"""GitHub's own are about as long."""
_CONNECTIONS = 50


@dataclass
class Flood:
    """What came of them."""

    seconds: list[float] = field(default_factory=list)
    """Until each was acknowledged, of those that were at the first try."""
    acknowledged: list[str] = field(default_factory=list)
    """Digests."""
    tried_again: int = 0
    """Of those for which nobody was there."""

    async def lost(self, archive: Path, seconds: float) -> int:
        """How many of those that were acknowledged nothing has come of, after waiting so long at most."""
        deliveries = Deliveries(Objects.open(str(archive)))
        left = set(self.acknowledged)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while left:
                    left -= {digest for digest in left if await deliveries.done(digest) is not None}
                    await asyncio.sleep(0.5)
        return len(left)


class Gateway:
    """`journeyman gateway` with a worker for the rest, each a process of its own."""

    def __init__(self, state: Path, temporal_address: str, namespace: str = "default", more: str = "") -> None:
        """`more`: for journeyman.toml."""
        self.state = state
        self.port = free_port()
        self._where = {"JOURNEYMAN_TEMPORAL_ADDRESS": temporal_address, "JOURNEYMAN_TEMPORAL_NAMESPACE": namespace}
        self._gateway: asyncio.subprocess.Process | None = None
        (state / "secret").write_text(SECRET)
        (state / "token").write_text("none that anybody asks with")
        (state / "journeyman.toml").write_text(
            f'[github]\ntoken = {{ file = "{state}/token" }}\n'
            f'[github.webhooks]\naddress = "127.0.0.1:{self.port}"\nsecrets = ["{state}/secret"]\n{more}'
        )

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        worker = await self._start("worker", "--queues", "orchestrate,api")
        await self.begin()
        try:
            yield
        finally:
            for process in (self._gateway, worker):
                if process is not None and process.returncode is None:
                    process.terminate()
                    await process.wait()

    async def begin(self) -> None:
        """Start the gateway, anew if it was killed."""
        self._gateway = await self._start("gateway")

    async def kill(self) -> None:
        """As a machine that runs out of memory does."""
        assert self._gateway is not None, "it serves"
        self._gateway.kill()
        await self._gateway.wait()

    async def flood(self, count: int, seconds: float, *, kill_after: float = 0) -> Flood:
        """So many deliveries, evenly over so many seconds; what nobody takes is sent again, as GitHub is asked to."""
        flood, bodies = Flood(), [_body() for _ in range(count)]
        async with httpx.AsyncClient(
            trust_env=False, timeout=30, limits=httpx.Limits(max_connections=_CONNECTIONS)
        ) as client:

            async def send(number: int) -> None:
                await asyncio.sleep(number * seconds / count)
                body = bodies[number]
                request = client.build_request("POST", self._address, content=body, headers=_headers(body))
                again = False
                while True:
                    began = time.monotonic()
                    try:
                        answer = await client.send(request)
                    except httpx.TransportError:
                        again = True
                        await asyncio.sleep(1)
                        continue
                    assert answer.status_code == 202, answer.text
                    break
                flood.acknowledged.append(digest_of(body))
                if again:
                    flood.tried_again += 1
                else:
                    flood.seconds.append(time.monotonic() - began)

            async def kill_in_between() -> None:
                await asyncio.sleep(kill_after)
                await self.kill()
                await self.begin()

            await asyncio.gather(*map(send, range(count)), *([kill_in_between()] if kill_after else []))
        return flood

    @property
    def _address(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/github"

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            str(program("journeyman")),
            *arguments,
            env=environment(self.state, PYTHONUNBUFFERED="1", **self._where),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert b"serves" in await process.stdout.readline()
        return process


def _body() -> bytes:
    """That a task's pull request was closed; nobody has asked for that task, which is found out by carrying it out."""
    task = base64.b32encode(os.urandom(7)).decode().lower()[:10]
    shop = {"id": 1, "full_name": "acme/shop", "default_branch": "main"}
    pull = {"number": 4, "head": {"ref": f"journeyman/{task}", "sha": "a" * 40, "repo": shop}, "body": _PADDING}
    sender = {"login": "ada", "id": 7, "type": "User"}
    return json.dumps({"action": "closed", "pull_request": pull, "repository": shop, "sender": sender}).encode()


def _headers(body: bytes) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "x-github-event": "pull_request",
        "x-github-delivery": str(uuid.uuid4()),
        "x-hub-signature-256": signature(SECRET, body),
    }
