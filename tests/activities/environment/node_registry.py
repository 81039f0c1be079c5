"""A registry for npm of the tests' own, with packages small enough to read, and lock files that pin them."""

import base64
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

VERSION = "1.2.0"


def tarball(name: str, **scripts: str) -> bytes:
    """A package with one file. The same input gives the same bytes."""
    described = {"name": name, "version": VERSION, "main": "index.js", "scripts": scripts}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in (("package.json", json.dumps(described)), ("index.js", "module.exports = 42\n")):
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


PACKAGES = {
    "tiny": tarball("tiny"),
    "@team/part": tarball("@team/part", postinstall="touch ../../../ran"),
    "other": tarball("other"),
}


class NodeRegistry:
    def __init__(self) -> None:
        self.port = 0
        self.seen: list[str] = []
        """Every path that was asked for."""


def manifest() -> str:
    """The `package.json` of a repository that uses two of the packages."""
    return json.dumps({"name": "shop", "version": "1.0.0", "dependencies": {"tiny": "^1.0.0", "@team/part": "^1.0.0"}})


def lock(resolved: str) -> str:
    """Its lock file. `resolved`: what addresses begin with, or empty for a lock file without."""
    packages: dict[str, Any] = {"": json.loads(manifest())}
    for name in ("tiny", "@team/part"):
        digest = base64.b64encode(hashlib.sha512(PACKAGES[name]).digest()).decode()
        packages[f"node_modules/{name}"] = {
            "version": VERSION,
            "integrity": f"sha512-{digest}",
            **({"resolved": f"{resolved}{_path(name)}"} if resolved else {}),
            **({"hasInstallScript": True} if name == "@team/part" else {}),
        }
    return json.dumps({"name": "shop", "version": "1.0.0", "lockfileVersion": 3, "packages": packages})


def _path(name: str) -> str:
    return f"/{name}/-/{name.rpartition('/')[2]}-{VERSION}.tgz"


@contextmanager
def node_registry() -> Iterator[NodeRegistry]:
    """Serves PACKAGES below /npm, as registries do."""
    registry = NodeRegistry()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.seen.append(self.path)
            path = unquote(self.path).removeprefix("/npm")
            body = next((content for name, content in PACKAGES.items() if path == _path(name)), None)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        do_POST = do_GET

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        registry.port = server.server_address[1]
        yield registry
        server.shutdown()
