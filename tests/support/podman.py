"""A real Podman that serves the Engine API on a socket, for as long as a test process lasts."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from activities.sandbox.container.engine import RUN
from tests.infra.containers import ROOT, engine_environment, why_not

BASE = "localhost/journeyman-base:bookworm"

__all__ = ["BASE", "Podman", "serving", "why_not"]


class Podman:
    """The engine, and its command line to look at what is there without the code that is tested."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "podman.sock"
        self.environment = engine_environment(folder)
        self._built: set[str] = set()
        self._service: subprocess.Popen[bytes] | None = None

    def run(self, *words: str, given: bytes = b"") -> str:
        """What the command line printed."""
        done = subprocess.run(["podman", *words], env=self.environment, input=given, capture_output=True, check=False)
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout.decode()

    def build(self, name: str, *lines: str) -> str:
        """An image made of the base and these lines."""
        self._built.add(name)
        self.run(
            "build",
            "--format",
            "docker",
            "--network",
            "none",
            "--tag",
            name,
            "-",
            given="\n".join((f"FROM {BASE}", *lines)).encode(),
        )
        return name

    def forget_images(self) -> None:
        """Remove what was built here."""
        for name in self._built:
            self.run("rmi", "--force", name)

    def runs(self) -> list[str]:
        """Which run each container of ours belongs to, dead ones too."""
        label = f'{{{{index .Labels "{RUN}"}}}}'
        return self.run("ps", "--all", "--filter", f"label={RUN}", "--format", label).split()

    def start(self) -> None:
        """Serve, and wait until it answers."""
        self._service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{self.socket}"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._service.poll() is None, "podman's service ended"
            assert time.monotonic() < deadline, "podman's service does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        """Serve no longer; containers go on."""
        if self._service:
            self._service.terminate()
            self._service.wait()
            self._service = None
        self.socket.unlink(missing_ok=True)


@contextmanager
def serving() -> Iterator[Podman]:
    """Podman's service on a socket of its own; the base image is made if it is not there."""
    folder = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    podman = Podman(folder)
    try:
        if not podman.run("images", "--quiet", BASE).strip():
            subprocess.run([ROOT / "infra" / "container" / "base", "podman"], env=podman.environment, check=True)
        podman.start()
        yield podman
    finally:
        podman.stop()
        podman.forget_images()
        shutil.rmtree(folder, ignore_errors=True)
