"""Real container engines that serve on a socket of their own, for as long as a test process lasts."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from activities.sandbox.container.engine import RUN
from tests.infra import containers
from tests.infra.containers import ROOT, engine_environment

BASE = "localhost/journeyman-base:bookworm"
PATIENCE = 60


class Engine(ABC):
    """An engine, and its command line to look at what is there without the code that is tested."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "engine.sock"
        self.environment: dict[str, str] = {}
        self._built: set[str] = set()
        self._service: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def service(self) -> list[str]:
        """What serves the socket."""

    def run(self, *words: str, given: bytes = b"") -> str:
        """What the command line printed."""
        done = subprocess.run([self.name, *words], env=self.environment, input=given, capture_output=True, check=False)
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout.decode()

    def build(self, name: str, *lines: str) -> str:
        """An image made of the base and these lines."""
        self._built.add(name)
        content = "\n".join((f"FROM {BASE}", *lines)).encode()
        self.run("build", *self.building, "--network", "none", "--tag", name, "-", given=content)
        return name

    building: ClassVar[tuple[str, ...]] = ()

    def provide_base(self) -> None:
        """Have the base image; made if it is nowhere."""
        if not self.run("images", "--quiet", BASE).strip():
            subprocess.run([ROOT / "infra" / "container" / "base", self.name], env=self.environment, check=True)

    def forget_images(self) -> None:
        """Remove what was built here."""
        for name in self._built:
            self.run("rmi", "--force", name)

    def runs(self) -> list[str]:
        """Which run each container of ours belongs to, dead ones too."""
        return self.run("ps", "--all", "--filter", f"label={RUN}", "--format", self.label).split()

    label = f'{{{{.Label "{RUN}"}}}}'

    def remove(self, run_id: str) -> None:
        """Kill and remove the container of a run."""
        self.run("rm", "--force", self.run("ps", "--filter", f"label={RUN}={run_id}", "--quiet").strip())

    def start(self) -> None:
        """Serve, and wait until it answers."""
        with (self.folder / "service.log").open("ab") as log:
            self._service = subprocess.Popen(
                self.service(),
                env=self.environment,
                # An engine's helpers write where they are.
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._service.poll() is None, f"{self.name} ended: {(self.folder / 'service.log').read_text()}"
            assert time.monotonic() < deadline, f"{self.name} does not answer"
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

    def close(self) -> None:
        """End it, and leave nothing."""
        with suppress(AssertionError):
            self.forget_images()
        self.stop()


class Podman(Engine):
    """Podman, with the images and containers that this machine's root has."""

    name = "podman"
    # The other form of an image knows no health check.
    building = ("--format", "docker")
    label = f'{{{{index .Labels "{RUN}"}}}}'

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environment = engine_environment(folder)

    @staticmethod
    def why_not() -> str:
        """Why it can't be tried here; empty if it can."""
        if os.geteuid() == 0:
            return containers.why_not()
        lacking = [each for each in ("podman", "runc", "newuidmap") if shutil.which(each) is None]
        if lacking:
            return f"not installed: {', '.join(lacking)}"
        user, ranges = getpass.getuser(), Path("/etc/subuid")
        known = ranges.read_text().splitlines() if ranges.exists() else []
        return "" if any(line.startswith(f"{user}:") for line in known) else f"{user} has no subordinate uids"

    def service(self) -> list[str]:
        return ["podman", "system", "service", "--time=0", f"unix://{self.socket}"]


class Docker(Engine):
    """A Docker daemon with nothing but what a test gives it. Its containers outlive it, as an engine's should."""

    name = "docker"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environment = os.environ | {"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}

    @staticmethod
    def why_not() -> str:
        """Why it can't be tried here; empty if it can."""
        if os.geteuid() != 0:
            return "a Docker daemon of a test's own needs root"
        lacking = [each for each in ("docker", "dockerd", "containerd", "runc") if shutil.which(each) is None]
        return f"not installed: {', '.join(lacking)}" if lacking else ""

    def service(self) -> list[str]:
        places = [f"--{name}={self.folder / name}" for name in ("data-root", "exec-root")]
        off = ("--iptables=false", "--ip6tables=false", "--bridge=none", "--live-restore")
        driver = "--exec-opt=native.cgroupdriver=cgroupfs"
        return ["dockerd", *places, f"--pidfile={self.folder / 'pid'}", f"--host=unix://{self.socket}", *off, driver]

    def provide_base(self) -> None:
        if shutil.which("podman") and not Podman.why_not():
            saved = self.folder / "base.tar"
            podman = Podman(self.folder)
            podman.provide_base()
            podman.run("save", "--quiet", "--output", str(saved), BASE)
            self.run("load", "--quiet", "--input", str(saved))
            saved.unlink()
        super().provide_base()

    def close(self) -> None:
        super().close()
        # What supervises containers outlives the daemon, as it is meant to; by here it has none left.
        for pid in _with_argument(str(self.folder)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if (point := line.split()[4]).startswith(str(self.folder)):
                subprocess.run(["umount", "--lazy", point], check=False)


def _with_argument(text: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if text.encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


ENGINES: dict[str, type[Podman] | type[Docker]] = {"podman": Podman, "docker": Docker}
HERE = [name for name, kind in ENGINES.items() if not kind.why_not()]
"""Those that can be tried here."""
WHY_NONE = "; ".join(f"{name}: {kind.why_not()}" for name, kind in ENGINES.items()) if not HERE else ""


@contextmanager
def serving(name: str) -> Iterator[Podman | Docker]:
    """An engine on a socket of its own, with the base image."""
    folder = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    engine = ENGINES[name](folder)
    try:
        engine.start()
        engine.provide_base()
        yield engine
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)
