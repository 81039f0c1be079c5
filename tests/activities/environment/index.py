"""A package index of the tests' own (PEP 503), with packages small enough to read."""

import base64
import gzip
import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def wheel(name: str, version: str, source: str, requires: str = "") -> tuple[str, bytes]:
    """File name and content of a wheel with one module. The same input gives the same bytes."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text.encode())},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return f"{name}-{version}-py3-none-any.whl", packed.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


PACKAGES = dict(
    [
        wheel("tinything", "1.0", "import tinypart\nANSWER = tinypart.HALF * 2\n", requires="tinypart"),
        wheel("tinypart", "2.0", "HALF = 21\n"),
        wheel("tinypart", "2.1", "HALF = 21\nNEW = True\n"),
        # Of a form that is built before it is installed; never to be opened by these tests.
        ("buildme-1.0.tar.gz", b"not looked into"),
    ]
)


def lock(*, tinypart: str = "2.0") -> str:
    """A requirements file that pins both packages by hash. `tinypart`: in which version."""
    lines = []
    for name, content in PACKAGES.items():
        if not name.endswith(".whl"):
            continue
        project, version, *_ = name.split("-")
        if project == "tinypart" and version != tinypart:
            continue
        lines.append(f"{project}=={version} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n")
    return "".join(lines)


class Index:
    def __init__(self) -> None:
        self.port = 0
        self.seen: list[str] = []
        """Every path that was asked for."""
        self.extra: dict[str, str] = {}
        """Put at the end of a project's page."""
        self.files_at = ""
        """Where pages say that files are; empty is beside them, by addresses without a host."""
        self.swapped = False
        """Whether files have other bytes than they should."""
        self.packed = False
        """Whether answers are packed, though nobody asked for that."""
        self.status = 200


@contextmanager
def package_index() -> Iterator[Index]:
    """Serves PACKAGES under /simple/ and /files/."""
    index = Index()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.seen.append(self.path)
            kind, _, name = self.path.strip("/").partition("/")
            links = "".join(
                f'<a href="{index.files_at}/files/{file}">{file}</a>'
                for file in PACKAGES
                if file.startswith(f"{name}-")
            ) + index.extra.get(name, "")
            if index.status != 200:
                self._answer(index.status, "text/plain", b"out of order")
            elif kind == "simple" and links:
                self._answer(200, "text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
            elif kind == "files" and name in PACKAGES:
                self._answer(200, "application/octet-stream", PACKAGES[name] + b" " * index.swapped)
            else:
                self._answer(404, "text/plain", b"no such project")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if index.packed:
                body = gzip.compress(body)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        index.port = server.server_address[1]
        yield index
        server.shutdown()
