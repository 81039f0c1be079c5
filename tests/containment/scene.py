"""What stands outside a sandbox while an attack is made: canaries of the suite's own, to be read, hit or reached."""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from activities.removal import remove

_VICTIM = """
import mmap, os, sys, time, ctypes
kept = os.environ["SECRET"].encode() * 1
place = mmap.mmap(-1, 4096)
place.write(kept)
held = open(sys.argv[1])
address = ctypes.addressof(ctypes.c_char.from_buffer(place))
key = int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
if key:
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(key, 4096, 0o1666)
    ctypes.memmove(libc.shmat(segment, None, 0), kept, len(kept))
sys.stdout.write("%d %d\\n" % (address, held.fileno())); sys.stdout.flush()
time.sleep(120)
"""


def python_for(uid: int | None) -> str:
    """A Python that a dropped uid may start; one under somebody's home is not."""
    if uid is None:
        return sys.executable
    found = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")
    return found or sys.executable


class Listener:
    """A server of the suite's own that says the canary to whoever comes, and keeps what they said."""

    def __init__(self, family: socket.AddressFamily, kind: socket.SocketKind, address: Any, token: str) -> None:
        self.came: list[bytes] = []
        self._token = token.encode()
        self._socket = socket.socket(family, kind)
        self._socket.bind(address)
        if kind is socket.SOCK_STREAM:
            self._socket.listen()
        self.address = self._socket.getsockname()
        threading.Thread(target=self._serve if kind is socket.SOCK_STREAM else self._hear, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.came.append(b"")
            with connection:
                connection.settimeout(5)
                try:
                    connection.sendall(self._token)
                    self.came[-1] += connection.recv(1000)
                except OSError:
                    continue

    def _hear(self) -> None:
        while True:
            try:
                self.came.append(self._socket.recv(1000))
            except OSError:
                return

    def close(self) -> None:
        # Woken up by the shutdown; a close alone leaves whoever waits in accept there.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Scene:
    """One attack's surroundings."""

    def __init__(self, home: Path, uid: int | None) -> None:
        self.uid = uid
        self.token = f"canary-{os.urandom(12).hex()}"
        self.directory = Path(tempfile.mkdtemp(prefix="s", dir=home))
        self.directory.chmod(0o711 if uid is not None else 0o700)
        self.workspace = self._made("work", 0o700)
        self.own(self.workspace)
        self.outside = self._made("outside", 0o777)
        (self.outside / "kept").write_text("untouched")
        self.given = self._made("given", 0o755)
        (self.given / "input").write_text("as it was")
        for path in (self.given, self.given / "input"):
            self.own(path)
        self.secret = self.directory / "secret"
        self.secret.write_text(self.token)
        self.secret.chmod(0o644)
        self.values: dict[str, Any] = {
            "outside": str(self.outside), "secret": str(self.secret), "given": str(self.given),
            "uid": uid or os.getuid(),
        }  # fmt: skip
        self.listeners: dict[str, Listener] = {}
        self.victim: subprocess.Popen[str] | None = None
        self.over = threading.Event()
        """Set when the attack has ended."""
        self.seen: list[str] = []
        """What somebody who looked on meanwhile has seen."""
        self.closing: list[Callable[[], object]] = []
        """Called when the attack is over, the last one first."""

    def _made(self, name: str, mode: int) -> Path:
        path = self.directory / name
        path.mkdir()
        path.chmod(mode)
        return path

    def own(self, path: Path) -> None:
        if self.uid is not None:
            os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def listen(self) -> None:
        """Put up a listener of every kind."""
        path, abstract = str(self.outside / "socket"), f"jm-{os.urandom(8).hex()}"
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        kinds: dict[str, tuple[socket.AddressFamily, socket.SocketKind, Any]] = {
            "tcp": (socket.AF_INET, stream, ("127.0.0.1", 0)),
            "elsewhere": (socket.AF_INET, stream, ("127.0.0.77", 0)),
            "udp": (socket.AF_INET, datagram, ("127.0.0.1", 0)),
            "abstract": (socket.AF_UNIX, stream, f"\0{abstract}"),
            "unix": (socket.AF_UNIX, stream, path),
        }
        if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
            kinds["tcp6"] = (socket.AF_INET6, stream, ("::1", 0))
        for name, (family, kind, address) in kinds.items():
            listener = self.listeners[name] = Listener(family, kind, address, self.token)
            self.closing.append(listener.close)
            self.values[name] = listener.address[1] if family != socket.AF_UNIX else name
        os.chmod(path, 0o777)
        self.values |= {"unix": path, "abstract": abstract}

    def start_victim(self) -> None:
        """A process outside, of the attack's own uid, that holds a secret in every way a process can."""
        held = self.directory / "held"
        held.write_text(self.token)
        held.chmod(0o600)
        self.own(held)
        key = 0x4A000000 | int.from_bytes(os.urandom(3))
        drop: dict[str, Any] = {"user": self.uid, "group": self.uid, "extra_groups": []} if self.uid is not None else {}
        self.victim = subprocess.Popen(
            [python_for(self.uid), "-I", "-S", "-c", _VICTIM, str(held), str(key), f"mark-{self.token}"],
            env={"SECRET": self.token}, cwd="/", stdout=subprocess.PIPE, text=True, **drop,
        )  # fmt: skip
        assert self.victim.stdout
        address, descriptor = self.victim.stdout.readline().split()
        self.closing += [self._end_victim, lambda: _remove_segment(key)]
        self.values |= {
            "victim": self.victim.pid, "address": int(address), "descriptor": int(descriptor), "key": key,
            "length": len(self.token),
        }  # fmt: skip

    def _end_victim(self) -> None:
        if self.victim:
            self.victim.kill()
            self.victim.wait()
            if self.victim.stdout:
                self.victim.stdout.close()

    def changed_outside(self) -> str:
        """What is not as it was beside the workspace; empty if nothing is."""
        if (kept := self.outside / "kept").is_symlink() or not kept.exists() or kept.read_text() != "untouched":
            return "a file outside was changed"
        new = sorted(set(os.listdir(self.outside)) - {"kept", "socket"})
        if new:
            return f"{new[0]} was planted outside"
        if (self.given / "input").read_text() != "as it was" or len(os.listdir(self.given)) != 1:
            return "the read-only input was changed"
        return ""

    def close(self) -> None:
        for each in reversed(self.closing):
            each()
        remove(self.directory)


def _remove_segment(key: int) -> None:
    libc = ctypes.CDLL(None)
    segment = libc.shmget(key, 0, 0)
    if segment >= 0:
        libc.shmctl(segment, 0, None)
