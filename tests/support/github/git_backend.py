"""One request of git's, answered by the real `git http-backend`."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from tests.support.github.bare_repository import plain_environment


@dataclass(frozen=True)
class Sent:
    """A request of git's, read whole."""

    method: str
    service: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


async def backend(repository: Path, sent: Sent, variables: Mapping[str, str]) -> Response:
    """What git's own server program answers, by CGI. `variables`: for the hooks of a bare repository."""
    environment = {
        **plain_environment(),
        "GIT_PROJECT_ROOT": str(repository),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{sent.path}",
        "QUERY_STRING": sent.query,
        "REQUEST_METHOD": sent.method,
        "REMOTE_USER": "somebody",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": sent.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(sent.body)),
        "HTTP_CONTENT_ENCODING": sent.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": sent.headers.get("git-protocol", ""),
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    told, _ = await process.communicate(sent.body)
    head, _, body = told.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split(" ")[0])
    kind = headers.pop("Content-Type", "text/plain")
    return Response(body, status, headers, kind)
