"""The meter and the gateway's own places: more than an allowance, keys, and the listeners of other sandboxes."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.activities.egress.providers import HOST, MESSAGES, anthropic_message, anthropic_stream, plain, streamed
from tests.activities.egress.servers import dial
from tests.containment.attempt import Attempt, NotApplicable, Result
from tests.containment.gateway_world import World, through
from tests.containment.ground import Ground
from tests.containment.scene import python_for
from workflows.models.usage import Allowance

_REQUEST = f"POST {MESSAGES} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()


@dataclass(frozen=True, kw_only=True)
class Spending(Attempt):
    """Requests beyond what a sandbox may use in all."""

    allowance: Allowance
    spend: Callable[[World, Path], None]
    most: int
    """Requests that may reach the provider."""

    @property
    def controlled_by(self) -> str:
        return "no allowance"

    async def control(self, ground: Ground) -> Result:
        return await self._result(ground, Allowance())

    async def attack(self, ground: Ground) -> Result:
        return await self._result(ground, self.allowance)

    async def _result(self, ground: Ground, allowance: Allowance) -> Result:
        world = await World.of(ground)
        before = len(world.upstream.asked)
        async with world.opened(world.brokered(allowance)) as sockets:
            await asyncio.to_thread(self.spend, world, sockets)
            came = len(world.upstream.asked) - before
        world.upstream.answer = plain(anthropic_message())
        return Result(f"{came} requests reached the provider" if came > self.most else "", f"{came} reached it")


def _one_after_the_other(world: World, sockets: Path) -> None:
    for _ in range(2):
        through(sockets, _REQUEST)


def _all_at_once(world: World, sockets: Path) -> None:
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: through(sockets, _REQUEST), range(12)))


def _cut_before_the_count(world: World, sockets: Path) -> None:
    """Read the answer and leave before it says what it has cost."""
    text = "x" * 3000
    pieces = anthropic_stream(text=text)
    world.upstream.answer = streamed(*pieces)
    with dial(sockets) as connection:
        connection.settimeout(5)
        connection.sendall(_REQUEST)
        received = b""
        while b"xxx" not in received and (more := connection.recv(65536)):
            received += more
    through(sockets, _REQUEST)


def _without_a_count(world: World, sockets: Path) -> None:
    """An answer that states no usage at all."""
    world.upstream.answer = plain({})
    body = b"x" * 3000
    head = f"POST {MESSAGES} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    for _ in range(2):
        through(sockets, head.encode() + body)


def _on_new_connections_of_one_s_own(world: World, sockets: Path) -> None:
    """With somebody else's name in every header that a meter could count by."""
    for number in range(2):
        named = f"x-forwarded-for: 10.0.0.{number}\r\nx-request-id: {number}\r\nx-sandbox: other{number}\r\n"
        through(sockets, _REQUEST.replace(b"Content-Length", named.encode() + b"Content-Length"))


@dataclass(frozen=True, kw_only=True)
class Opened(Attempt):
    """A path of the gateway's own, opened on the host as a sandbox's uid: worse than anything from inside."""

    path: Callable[[World, Path], Path]
    sends: str = ""
    """Read as a file if there is nothing to send; else a request to a socket."""
    as_owner: bool = False
    """Whether the control is the uid that the listener was opened for, instead of root."""

    @property
    def controlled_by(self) -> str:
        return "the listener's own uid" if self.as_owner else "no sandbox, as root"

    async def control(self, ground: Ground) -> Result:
        return await self._result(ground, as_stranger=False)

    async def attack(self, ground: Ground) -> Result:
        return await self._result(ground, as_stranger=True)

    async def _result(self, ground: Ground, *, as_stranger: bool) -> Result:
        if os.geteuid() != 0:
            raise NotApplicable("being another user takes root")
        world = await World.of(ground)
        owner, stranger = ground.sandboxes.take_uid(), ground.sandboxes.take_uid()
        try:
            async with world.opened(world.brokered(), owner) as sockets:
                path = self.path(world, sockets)
                uid = stranger if as_stranger else owner if self.as_owner else 0
                code = _CONNECT if self.sends else "import sys; print(open(sys.argv[1]).read())"
                done = await asyncio.to_thread(
                    subprocess.run,
                    [python_for(uid), "-I", "-S", "-c", code, str(path), json.dumps(self.sends)],
                    user=uid, group=uid, extra_groups=[], cwd="/", env={}, capture_output=True, check=False, timeout=20,
                )  # fmt: skip
        finally:
            for each in (owner, stranger):
                ground.sandboxes.give_back_uid(each)
        answered = done.stdout.strip()
        reached = world.key.encode() in answered if not self.sends else bool(answered)
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return Result(f"{len(answered)} bytes came back" if reached else "", said[-1] if said else "")


_CONNECT = """
import json, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(5)
connection.connect(sys.argv[1])
connection.sendall(json.loads(sys.argv[2]).encode())
print("answer", connection.recv(999) if not sys.argv[1].endswith("meter.sock") else "connected")
"""


def _secret(world: World, _: Path) -> Path:
    (path,) = (path for path in (world.directory / "secrets").iterdir() if world.key in path.read_text())
    return path


def _spending(name: str, allowance: Allowance, spend: Callable[[World, Path], None], most: int = 1) -> Spending:
    success = "more is used than was granted"
    return Spending(name=name, group="broker", success=success, allowance=allowance, spend=spend, most=most)


def _opened(
    name: str, success: str, path: Callable[[World, Path], Path], sends: str = "", *, as_owner: bool = False
) -> Opened:
    return Opened(name=name, group="broker", success=success, path=path, sends=sends, as_owner=as_owner)


_GET = "GET /v1/models HTTP/1.1\r\nHost: " + HOST + "\r\nConnection: close\r\n\r\n"

ATTEMPTS: tuple[Attempt, ...] = (
    _spending("make one request too many", Allowance(requests=1), _one_after_the_other),
    _spending("make many requests at once, before any is counted", Allowance(requests=3), _all_at_once, most=3),
    _spending("use more tokens than granted", Allowance(tokens=100), _one_after_the_other),
    _spending("spend more money than granted", Allowance(micro_usd=100), _one_after_the_other),
    _spending("send and receive more bytes than granted", Allowance(bytes=50), _one_after_the_other),
    _spending("leave before an answer says what it cost", Allowance(tokens=100), _cut_before_the_count),
    _spending("have answers that say nothing of their cost", Allowance(tokens=100), _without_a_count),
    _spending("be counted as somebody else", Allowance(requests=1), _on_new_connections_of_one_s_own),
    _opened("read the real key where the gateway keeps it", "the key is read", _secret),
    _opened(
        "command the gateway by its own socket",
        "the gateway shows or changes its configuration",
        lambda world, _: world.directory / "envoy" / "admin.sock",
        "GET /config_dump HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ),
    _opened(
        "tell the meter oneself what was used",
        "the meter takes orders",
        lambda world, _: world.directory / "meter" / "run" / "meter.sock",
        "PRI",
    ),
    _opened(
        "use another sandbox's listener",
        "a request is made in another sandbox's name",
        lambda _, sockets: sockets / "egress.sock",
        _GET,
        as_owner=True,
    ),
)
