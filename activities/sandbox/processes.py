"""What /proc says about processes. Standard library only: supervisors load it, and must start fast."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")
UNSEEN = (OSError, ValueError, IndexError)
"""A process that ends while it is being read."""


class Process(NamedTuple):
    """One line of /proc/<pid>/stat, as far as it matters here."""

    pid: int
    parent: int
    state: str
    threads: int
    started: int
    """Clock ticks after boot: with the pid, it names a process for as long as the machine is up."""
    resident_bytes: int


def read(pid: int) -> Process | None:
    """The process with this id, or None if there is none or it is dead and only waits to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
        # The name, in parentheses, may hold anything, a parenthesis too.
        fields = text[text.rindex(b")") + 2 :].split()
        process = Process(
            pid=pid,
            parent=int(fields[1]),
            state=fields[0].decode(),
            threads=int(fields[17]),
            started=int(fields[19]),
            resident_bytes=int(fields[21]) * PAGE,
        )
    except UNSEEN:
        return None
    return None if process.state in "ZX" else process


def boot_id() -> str:
    """Names the time since the machine last started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_alive(pid: int, started: int) -> bool:
    """Whether exactly this process still lives, and not a later one with the same id."""
    process = read(pid)
    return process is not None and process.started == started


def all_processes() -> dict[int, Process]:
    """Every living process that this one can see, by id."""
    found = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208  hot path
    return {process.pid: process for process in found if process}


def descendants(ancestor: int) -> list[Process]:
    """Children, their children and so on, without the ancestor itself."""
    children: dict[int, list[Process]] = {}
    for process in all_processes().values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += [process.pid for process in below]
    return found


def proportional_bytes(pid: int) -> int:
    """Memory of one process, with each shared page divided among those that share it."""
    with contextlib.suppress(*UNSEEN):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class Held(NamedTuple):
    """Bytes that only open files keep: no directory lists them."""

    memory: int
    """Memory files, and deleted files in a tmpfs."""
    disk: int
    """Deleted files in the file system of the workspace."""


def held_open(pids: list[int], disk_device: int | None) -> Held:
    """Sum what these processes hold in files that have no name any more, each file once."""
    seen: set[tuple[int, int]] = set()
    memory = disk = 0
    for pid in pids:
        with contextlib.suppress(*UNSEEN), os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(*UNSEEN):
                    status = entry.stat()
                    identity = (status.st_dev, status.st_ino)
                    if status.st_nlink or not status.st_blocks or identity in seen:
                        continue
                    seen.add(identity)
                    if status.st_dev == disk_device:
                        disk += status.st_blocks * 512
                    elif "memfd:" in os.readlink(entry.path):  # noqa: PTH115  hot path
                        memory += status.st_blocks * 512
    return Held(memory, disk)


def with_argument(argument: str) -> list[Process]:
    """Every process that was started with exactly this argument."""
    found = (read(pid) for pid in all_processes() if has_argument(pid, argument))
    return [process for process in found if process]


def has_argument(pid: int, argument: str) -> bool:
    """Whether a process was started with exactly this argument."""
    with contextlib.suppress(*UNSEEN):
        return argument.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False
