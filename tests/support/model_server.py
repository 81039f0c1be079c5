"""A scripted model on loopback: what real command lines talk to in tests instead of a vendor.

It speaks Anthropic Messages and OpenAI's chat completions and responses, streamed or whole. Its answers depend on the
conversation alone, not on how many requests came before, so that retries and side requests change nothing.
"""

import http.server
import itertools
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.model_dialects import DIALECTS, DONE, Dialect
from tests.support.model_script import Script, Trouble, Turn

SIDE_ANSWER = "A title"
"""To requests that offer no tools: titles and summaries that CLIs ask for beside the work."""


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]


@dataclass
class ModelServer:
    """The server's address, its script, which may be replaced at any time, and what it was asked."""

    address: str
    port: int
    script: Script
    asked: list[Asked] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the server goes, so that stalled answers end."""
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set when an answer stalls."""

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def work(self) -> list[Asked]:
        """The requests that offered tools."""
        return [asked for asked in self.asked if asked.body.get("tools")]


@contextmanager
def model_server(script: Script, *, address: str = "127.0.0.1", port: int = 0) -> Iterator[ModelServer]:
    """A server that answers by the script until the block ends."""
    numbers = itertools.count(1)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._note({})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self._note({})
            self._whole(404, {"error": {"message": "there is no such page", "type": "not_found"}})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._note(request)
            dialect = DIALECTS.get(self.path.partition("?")[0])
            if dialect is None:
                self._whole(404, {"error": {"message": "there is no such page", "type": "not_found"}})
                return
            trouble = server.script.next_trouble()
            if trouble in (Trouble.RATE_LIMITED, Trouble.OVERLOADED, Trouble.SERVER_ERROR):
                self._refuse(dialect, trouble)
                return
            turn = Turn(text=SIDE_ANSWER)
            if dialect.offered(request):
                turn = server.script.turn(*dialect.position(request))
                trouble = Trouble.STALL if server.script.stalls(*dialect.position(request)) else trouble
            answer = dialect.answer(turn, request, next(numbers))
            if request.get("stream"):
                self._streamed(dialect, answer, request, trouble)
            else:
                self._whole(200, answer)

        def _note(self, body: dict[str, Any]) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append(Asked(self.command, self.path, headers, body))

        def _refuse(self, dialect: Dialect, trouble: Trouble) -> None:
            status, kind = {
                Trouble.RATE_LIMITED: (429, "rate_limit_error"),
                Trouble.OVERLOADED: (529, "overloaded_error"),
                Trouble.SERVER_ERROR: (500, "api_error"),
            }[trouble]
            after = {"retry-after": "1"} if trouble is Trouble.RATE_LIMITED else {}
            self._whole(status, dialect.error(kind, f"scripted {trouble}"), after)

        def _whole(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _streamed(
            self, dialect: Dialect, answer: dict[str, Any], request: dict[str, Any], trouble: Trouble | None
        ) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            events = list(dialect.stream(answer, request))
            for index, (name, content) in enumerate(events):
                if index == 1 and trouble is Trouble.STALL:
                    server.stalled.set()
                    server.closing.wait(600)
                    self.close_connection = True
                    return
                if index == 1 and trouble is Trouble.RESET:
                    self._reset()
                    return
                if index == 1 and trouble is Trouble.GARBAGE:
                    self._chunk(b"data: {not json\xff\x00\n\nevent: \x1b[2J\ndata: [1,\n\n" * 20)
                    break
                if trouble is Trouble.SLOW:
                    server.closing.wait(server.script.slow_seconds)
                data = DONE if DONE in content else json.dumps(content)
                self._chunk((f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode())
            self._chunk(b"")

        def _chunk(self, data: bytes) -> None:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def log_message(self, *_: Any) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None: ...

    with Server((address, port), Handler) as listening:
        server = ModelServer(address, listening.server_address[1], script)
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.closing.set()
        listening.shutdown()
