"""One HTTP request over a unix socket: how the gateway asks Envoy's admin interface and its own listeners."""

import http.client
import socket
from pathlib import Path

from activities.socket_paths import short

TIMEOUT_SECONDS = 5.0


def ask(path: Path, host: str, target: str = "/") -> tuple[int, str]:
    """GET a target and return status and body. Raises OSError if nobody answers there, or not in HTTP."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", target, headers={"Host": host, "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(1 << 24).decode(errors="replace")
    except http.client.HTTPException as error:
        raise ConnectionError(f"{path} did not answer in HTTP: {error!r}") from error
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short(self._path) as path:
            self.sock.connect(path)
