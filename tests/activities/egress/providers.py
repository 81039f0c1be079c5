"""A model provider on loopback that says what a test scripts, in whatever pieces and for as long as it is told to."""

import contextlib
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from activities.egress.contract import BrokeredService, EgressRules, Endpoint, Price, UsageDialect
from tests.activities.egress.servers import dial
from workflows.models.usage import Allowance

HOST = "anthropic.model.internal"
MESSAGES = "/v1/messages"
PRICES = {
    "dear": Price(input=10_000_000, output=50_000_000, cache_read=1_000_000, cache_write=12_500_000),
    "cheap": Price(input=1_000_000, output=5_000_000, cache_read=100_000, cache_write=1_250_000),
}


@dataclass
class Answer:
    """What the provider says next."""

    pieces: tuple[bytes, ...] = (b"{}",)
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    go_on: threading.Event | None = None
    """Waited for between the first piece and the rest."""
    cut: bool = False
    """Whether the connection is broken off instead of the answer being ended."""


@dataclass
class Asked:
    """What the provider was asked."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


class Provider:
    def __init__(self) -> None:
        self.port = 0
        self.asked: list[Asked] = []
        self.answer: Answer | Callable[[Asked], Answer] = Answer()
        self.began = threading.Semaphore(0)
        """Released when the first piece of an answer was sent."""


@contextmanager
def provider(certificate: Path | None = None) -> Iterator[Provider]:
    """Serves until the block ends, over TLS if it is given a file with key and certificate."""
    state = Provider()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            asked = Asked(self.command, self.path, list(self.headers.items()), body)
            state.asked.append(asked)
            answer = state.answer(asked) if callable(state.answer) else state.answer
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for number, piece in enumerate(answer.pieces):
                if number == 1 and answer.go_on is not None:
                    answer.go_on.wait(30)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                if number == 0:
                    state.began.release()
            if answer.cut:
                self.close_connection = True
                self.connection.shutdown(2)
            else:
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_PUT = do_DELETE = do_POST

        def _body(self) -> bytes:
            if "chunked" in self.headers.get("transfer-encoding", ""):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body
            return self.rfile.read(int(self.headers.get("content-length", 0)))

        def log_message(self, *_: Any) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        state.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield state
        server.shutdown()


def service(upstream: str, dialect: UsageDialect = UsageDialect.ANTHROPIC_MESSAGES, **changed: Any) -> BrokeredService:
    endpoints = (Endpoint(method="POST", path=MESSAGES, usage=dialect), Endpoint(method="GET", path="/v1/models"))
    facts: dict[str, Any] = {
        "host": HOST,
        "upstream": upstream,
        "credential": "anthropic",
        "header": "x-api-key",
        "endpoints": endpoints,
        "prices": PRICES,
        "price_version": "test-1",
    }
    return BrokeredService(**{**facts, **changed})


def brokered(*services: BrokeredService, private: bool = True, allowance: Allowance | None = None) -> EgressRules:
    return EgressRules(allow_private=private, brokered=services, allowance=allowance or Allowance())


def event(data: object, name: str = "x") -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def anthropic_stream(model: str = "cheap", output: int = 50, text: str = "hello") -> tuple[bytes, ...]:
    """100 in, 20 read from the cache, 8 written to it."""
    figures = {
        "input_tokens": 100,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 8,
        "output_tokens": 1,
    }
    return (
        event({"type": "message_start", "message": {"model": model, "usage": figures}}),
        event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": output}}),
        event({"type": "message_stop"}),
    )


def streamed(*pieces: bytes, **changed: Any) -> Answer:
    return Answer(pieces=pieces, headers={"content-type": "text/event-stream"}, **changed)


def plain(message: object, **changed: Any) -> Answer:
    return Answer(pieces=(json.dumps(message).encode(),), **changed)


def anthropic_message(model: str = "cheap", output: int = 50) -> dict[str, object]:
    return {"type": "message", "model": model, "usage": {"input_tokens": 100, "output_tokens": output}}


def post(
    directory: Path, body: bytes = b"{}", path: str = MESSAGES, host: str = HOST, method: str = "POST", extra: str = ""
) -> bytes:
    """One request as an agent in a sandbox sends it, in absolute form to the proxy, and the whole answer."""
    head = (
        f"{method} http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nx-api-key: placeholder\r\n{extra}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return exchange(directory, head.encode() + body)


def exchange(directory: Path, request: bytes) -> bytes:
    """Send raw bytes and return all that comes until the gateway closes."""
    with dial(directory) as connection:
        connection.settimeout(60)
        connection.sendall(request)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                received += more
        return received
