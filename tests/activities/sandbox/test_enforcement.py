"""What watching one sandbox costs does not grow with what else runs on the host."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from activities.sandbox.cgroups import Cgroup, discover
from activities.sandbox.enforcement import Enforcement
from activities.sandbox.launch import Ceilings, Launch
from workflows.models.limits import MIB

_HOLDS_A_FILE_WITHOUT_A_NAME = """
import os, sys
file = open(sys.argv[1], "wb")
os.unlink(sys.argv[1])
file.write(bytes(4 << 20))
file.flush()
print("held", flush=True)
sys.stdin.read()
"""


def _launch(workspace: Path | None, disk_bytes: int) -> Launch:
    ceilings = Ceilings(
        wall_seconds=60,
        memory_bytes=256 * MIB,
        processes=64,
        cpus=1,
        disk_bytes=disk_bytes,
        file_bytes=MIB * 64,
        output_bytes=MIB,
    )
    return Launch(
        run_id="watched",
        backend="bubblewrap",
        body={},
        mark="watched",
        uid=None,
        workspace=str(workspace) if workspace else None,
        scratch=(),
        ceilings=ceilings,
        grades={},
        lease="",
        lease_seconds=60,
        lapse_seconds=60,
    )


@contextmanager
def _in_cgroup(launch: Launch, *command: str) -> Iterator[tuple[Cgroup, subprocess.Popen[bytes]]]:
    place = discover()
    if place is None:
        pytest.skip("this host has no cgroups")
    cgroup = Cgroup.of(place, f"test-{id(launch):x}")
    try:
        cgroup.create(launch.ceilings)
    except OSError as error:
        pytest.skip(f"this host gives us no cgroup: {error}")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    for directory in cgroup.directories():
        (Path(directory) / "cgroup.procs").write_text(str(process.pid))
    try:
        yield cgroup, process
    finally:
        process.kill()
        process.communicate()
        assert cgroup.remove()


_listed: list[str] = []
"""Directories that were listed since it was last emptied; an audit hook can't be removed again."""


def _note_listing(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("os.listdir", "os.scandir"):
        _listed.append(str(arguments[0]))


sys.addaudithook(_note_listing)


@pytest.mark.parametrize("with_workspace", [True, False])
def test_fifty_sandboxes_do_not_each_look_through_every_process_of_the_host(
    tmp_path: Path, with_workspace: bool
) -> None:
    launch = _launch(tmp_path if with_workspace else None, 64 * MIB)
    with _in_cgroup(launch, "sleep", "600") as (cgroup, process):
        enforcement = Enforcement(launch, cgroup)
        enforcement.prepare()
        enforcement.watch(process.pid)
        _listed.clear()
        assert enforcement.broken_limit() is None
        assert "/proc" not in _listed
        # It did look, where there was something to look at.
        assert (f"/proc/{process.pid}/fd" in _listed) is with_workspace


def test_a_file_without_a_name_that_only_a_process_of_the_cgroup_holds_counts_as_disk(tmp_path: Path) -> None:
    launch = _launch(tmp_path, MIB)
    hold = (sys.executable, "-c", _HOLDS_A_FILE_WITHOUT_A_NAME, str(tmp_path / "held"))
    with _in_cgroup(launch, *hold) as (cgroup, process):
        enforcement = Enforcement(launch, cgroup)
        enforcement.prepare()
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        enforcement.watch(process.pid)
        broken = enforcement.broken_limit()
        assert broken is not None
        assert broken[0] == "disk"


def test_what_is_on_the_host_s_disk_is_not_the_memory_of_a_sandbox_that_only_starts(tmp_path: Path) -> None:
    """For some milliseconds a sandbox's first process still has the host's root, where `/` is full of files."""
    launch = _launch(None, MIB)._replace(scratch=("/", str(tmp_path)))
    starting = ["unshare", "--map-root-user", "--net", "sh", "-c", "echo starting; exec sleep 600"]
    process = subprocess.Popen(starting, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"starting\n"
        enforcement = Enforcement(launch)
        enforcement.watch(process.pid)
        assert enforcement.broken_limit() is None
        assert enforcement.memory_peak() < launch.ceilings.memory_bytes / 2
    finally:
        process.kill()
        process.communicate()
