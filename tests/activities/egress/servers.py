"""Servers on loopback for the gateway's tests: names, HTTP, TLS."""

import datetime
import http.server
import ipaddress
import re
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@contextmanager
def name_server(names: Mapping[str, list[str]]) -> Iterator[str]:
    """A DNS server that knows these names, and `*.suffix`; yields its address. Other names do not exist."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, reply_on = self.request
            reply_on.sendto(_answer(query, names), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _answer(query: bytes, names: Mapping[str, list[str]]) -> bytes:
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += 1 + query[at]
    question, (kind,) = query[12 : at + 5], struct.unpack_from("!H", query, at + 1)
    known = names.get(".".join(labels), names.get("*." + ".".join(labels[1:])))
    packed = [ipaddress.ip_address(text).packed for text in known or []]
    fitting = [raw for raw in packed if len(raw) == {1: 4, 28: 16}.get(kind)]
    header = query[:2] + struct.pack("!HHHHH", 0x8180 if known is not None else 0x8183, 1, len(fitting), 0, 0)
    answers = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(raw)) + raw for raw in fitting)
    return header + question + answers


class WebServer:
    """Answers every request with what it was asked; counts them."""

    def __init__(self, port: int, seen: list[str], certificate: Path | None = None) -> None:
        self.port = port
        self.certificate = certificate or Path()
        self.seen = seen
        """`METHOD Host path` of every request."""


@contextmanager
def web_server(certificate: Path | None = None, address: str = "127.0.0.1") -> Iterator[WebServer]:
    """An HTTP server, over TLS if it is given a file with key and certificate."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append(f"{self.command} {self.headers['Host']} {self.path}")
            body = f"served {self.path[:100]} for {self.headers['Host']}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def handle_error(self, *_: Any) -> None: ...

    with Server((address, 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield WebServer(server.server_address[1], seen, certificate)
        server.shutdown()


def self_signed(path: Path, *names: str) -> Path:
    """Write a key and a certificate for these names into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def dial(directory: Path) -> socket.socket:
    """Connect to the gateway as a sandbox does."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(directory / "egress.sock"))
    return connection


def send(directory: Path, request: bytes, answers: int = 1) -> bytes:
    """Send raw bytes and return so many whole answers, or what there is if the gateway closes before."""
    with dial(directory) as connection:
        # A gateway that takes no connection more closes it before anything is said.
        with suppress(ConnectionError):
            connection.sendall(request)
        received, whole = b"", b""
        while answers and (more := _receive(connection)):
            received += more
            while answers and b"\r\n\r\n" in received:
                head, _, rest = received.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
                size = int(length[1]) if length else 0
                if len(rest) < size:
                    break
                whole += head + b"\r\n\r\n" + rest[:size]
                received = rest[size:]
                answers -= 1
        return whole + received


def ask_often(directory: Path, host: str, times: int) -> list[bytes]:
    """Ask again and again on one connection, without a pause, and return the answers."""
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    answers = []
    with dial(directory) as connection:
        for _ in range(times):
            connection.sendall(request)
            # Envoy writes its own short answers at once.
            answers.append(_receive(connection))
    return answers


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def get(directory: Path, host: str, path: str = "/") -> bytes:
    """A plain request for a host through the gateway."""
    return send(directory, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())


def tunnel(directory: Path, host: str, version: str = "1.1") -> tuple[socket.socket, bytes]:
    """A CONNECT through the gateway: the connection, and the head of the answer with what came along."""
    connection = dial(directory)
    connection.sendall(f"CONNECT {host} HTTP/{version}\r\nHost: {host}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer and (received := connection.recv(65536)):
        answer += received
    return connection, answer


def get_inside(connection: socket.socket, certificate: Path, name: str, path: str) -> bytes:
    """A request over TLS in a tunnel that is open, and the whole answer; the tunnel is closed."""
    context = ssl.create_default_context(cafile=str(certificate))
    with connection, context.wrap_socket(connection, server_hostname=name) as encrypted:
        encrypted.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: encrypted.recv(65536), b""))
