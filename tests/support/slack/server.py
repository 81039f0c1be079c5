"""The stand-in's server: one port of this machine for the Web API, response_url and Socket Mode."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import WSMsgType, web

from tests.support.slack.methods import Refusal, answer
from tests.support.slack.workspace import BOT, Call, Fault, Workspace

_MOST_TOLD = 5
"""Slack takes so many answers to one response_url."""


class Slack(Workspace):
    """A workspace that is served: `api` is for `[slack].api`."""

    def __init__(self, address: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.address = address
        self.api = f"{address}/api/"
        self.sockets: list[web.WebSocketResponse] = []
        self.acknowledged: dict[str, Any] = {}
        """By envelope: what the app answered over Socket Mode."""
        self._loop = loop
        self._used: dict[str, int] = {}
        self.user(BOT, name="agent", is_bot=True)

    def response_url(self, person: str, channel: str) -> str:
        """One more address that answers a person alone."""
        id = f"{self.number()}-{time.time_ns():x}"
        self.responses[id] = (person, channel)
        return f"{self.address}/commands/{id}"

    def fail(self, method: str, error: str = "", **more: Any) -> None:
        """Have the next call of a method answered so."""
        self.faults.append(Fault(method, error, **more))

    async def push(self, kind: str, payload: dict[str, Any], *, envelope: str = "", seconds: float = 10) -> Any:
        """Tell the app something over Socket Mode, and give back what it acknowledged it with."""
        id = envelope or f"{self.number()}-{time.time_ns():x}"
        self.acknowledged.pop(id, None)
        told = {"envelope_id": id, "type": kind, "accepts_response_payload": True, "payload": payload}
        asyncio.run_coroutine_threadsafe(self._send(told), self._loop).result(seconds)
        async with asyncio.timeout(seconds):
            while id not in self.acknowledged:
                await asyncio.sleep(0.01)
        return self.acknowledged[id]

    def hang_up(self) -> None:
        """End every connection of Socket Mode, as Slack does now and then."""

        async def close() -> None:
            for one in list(self.sockets):
                await one.close()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)

    async def _send(self, told: dict[str, Any]) -> None:
        assert self.sockets, "no app is connected"
        await self.sockets[-1].send_json(told)

    async def serve_api(self, request: web.Request) -> web.StreamResponse:
        """One call of the Web API."""
        method, arguments = request.match_info["method"], await _arguments(request)
        fault = self._fault(method)
        if fault is not None and not fault.lose_answer:
            return self._faulty(fault, method, arguments)
        try:
            self._authenticate(request, method, arguments)
            told = answer(self, method, arguments)
        except Refusal as refusal:
            told = refusal.answer
        if method == "apps.connections.open" and told["ok"]:
            told["url"] = f"{self.address.replace('http', 'ws', 1)}/socket?ticket={self.number()}"
        self.calls.append(Call(method, arguments, told, time.monotonic()))
        if fault is not None:
            assert request.transport is not None, "it is open"
            request.transport.close()
        return web.json_response(told, headers={"X-OAuth-Scopes": ",".join(self.scopes)})

    async def serve_response(self, request: web.Request) -> web.StreamResponse:
        """What an app answers to a response_url."""
        id = request.match_info["id"]
        if id not in self.responses:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        self._used[id] = self._used.get(id, 0) + 1
        if self._used[id] > _MOST_TOLD:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        person, channel = self.responses[id]
        self.told.append((person, {"channel": channel, **(await request.json())}))
        return web.Response(text="ok")

    async def serve_socket(self, request: web.Request) -> web.StreamResponse:
        """One connection of Socket Mode."""
        connection = web.WebSocketResponse(autoping=True)
        await connection.prepare(request)
        await connection.send_json({"type": "hello", "num_connections": 1})
        self.sockets.append(connection)
        try:
            async for message in connection:
                if message.type is WSMsgType.TEXT:
                    told = json.loads(message.data)
                    self.acknowledged[told["envelope_id"]] = told.get("payload")
        finally:
            self.sockets.remove(connection)
        return connection

    def _authenticate(self, request: web.Request, method: str, arguments: dict[str, Any]) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or str(arguments.pop("token", ""))
        arguments.pop("token", None)
        wanted = self.app_token if method == "apps.connections.open" else self.bot_token
        if not given:
            raise Refusal("not_authed")
        if given != wanted:
            raise Refusal("invalid_auth")

    def _fault(self, method: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.method == method:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                    return fault
        return None

    def _faulty(self, fault: Fault, method: str, arguments: dict[str, Any]) -> web.StreamResponse:
        told = {"ok": False, "error": fault.error or "ratelimited"}
        self.calls.append(Call(method, arguments, told, time.monotonic()))
        if fault.retry_after:
            return web.json_response(told, status=429, headers={"Retry-After": str(fault.retry_after)})
        return web.json_response(told, status=fault.status)


@contextmanager
def slack_server() -> Iterator[Slack]:
    """A stand-in for Slack, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        loop = asyncio.new_event_loop()
        slack = Slack(f"http://127.0.0.1:{listening.getsockname()[1]}", loop)
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(_started(slack, listening), loop).result(30)
        try:
            yield slack
        finally:
            with contextlib.suppress(TimeoutError):
                slack.hang_up()
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            loop.close()


async def _started(slack: Slack, listening: socket.socket) -> web.AppRunner:
    app = web.Application(client_max_size=8 * 1024**2)
    app.router.add_route("*", "/api/{method}", slack.serve_api)
    app.router.add_post("/commands/{id}", slack.serve_response)
    app.router.add_get("/socket", slack.serve_socket)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner


async def _arguments(request: web.Request) -> dict[str, Any]:
    """However they are sent; what is JSON within a form, as that."""
    if request.content_type == "application/json":
        sent: dict[str, Any] = await request.json()
        return sent
    given = {**request.query, **(await request.post())}
    return {name: _value(str(value)) for name, value in given.items()}


def _value(text: str) -> Any:
    if text[:1] in "[{" or text in {"true", "false"}:
        with contextlib.suppress(ValueError):
            return json.loads(text)
    return text
