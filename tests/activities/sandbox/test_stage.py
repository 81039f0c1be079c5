"""What sandboxes execute, laid out where a uid without rights can read it and nobody inside can change it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import Stage, stage_runtime
from activities.sandbox.uids import FIRST, LAST, SHARED, UidPool
from tests.activities.sandbox.cell import Cell

STAGE = """
import sys
from pathlib import Path
from activities.sandbox.stage import stage_runtime
print(stage_runtime(Path(sys.argv[1])).root)
"""


def test_two_set_ups_at_once_stage_one_whole_runtime(state: Path) -> None:
    shelf = state / "stage"
    # Not what all tests share.
    shelf.unlink()
    shelf.mkdir()
    # What an earlier one left when it was killed.
    (shelf / ".building-1" / "environment").mkdir(parents=True)
    command = [sys.executable, "-c", STAGE, str(state)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    roots = {process.communicate()[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    (root,) = roots
    stage = Stage(Path(root))
    assert {path.name for path in shelf.iterdir()} == {stage.root.name, ".lock"}
    for part in (stage.bubblewrap, stage.seccomp, stage.inside / "inside.py", stage.environment / "bin" / "pytest"):
        assert part.is_file()


def test_staging_again_changes_nothing(home: Path, stage: Stage) -> None:
    before = stage.root.stat()
    assert stage_runtime(home) == stage
    assert stage.root.stat() == before


def test_nobody_but_its_owner_can_write_what_every_sandbox_executes(stage: Stage) -> None:
    for directory, _, files in os.walk(stage.root):
        for path in (Path(directory), *(Path(directory) / name for name in files)):
            if not path.is_symlink():
                mode = path.stat().st_mode
                assert not mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID), path
                assert mode & stat.S_IROTH, path


async def test_every_way_to_call_python_inside_works_without_the_hosts_own_packages(cell: Cell) -> None:
    script = """
    for python in python python3 /opt/journeyman/python/bin/python3; do $python -c 'import ssl, sqlite3, ctypes'; done
    python -c 'import importlib.util as u; print(u.find_spec("pytest") is not None, u.find_spec("temporalio"))'
    """
    status, output = await cell.shell(script)
    assert (status.exit_code, output) == (0, b"True None\n")


@pytest.fixture
def pools(state: Path, as_root: None) -> tuple[UidPool, UidPool]:
    """Two state directories of one host."""
    return UidPool(state / "one" / ".uids"), UidPool(state / "two" / ".uids")


def test_no_two_sandboxes_on_a_host_get_the_same_uid(pools: tuple[UidPool, UidPool]) -> None:
    taken = [pool.take() for pool in pools * 20]
    assert len(set(taken)) == len(taken)
    assert set(taken) <= set(range(FIRST, LAST + 1))
    for pool in pools:
        for uid in taken:
            pool.give_back(uid)
    assert not any((SHARED / str(uid)).exists() for uid in taken)


def test_a_uid_is_not_freed_by_a_state_directory_that_never_had_it(pools: tuple[UidPool, UidPool]) -> None:
    one, other = pools
    uid = one.take()
    other.give_back(uid)
    assert (SHARED / str(uid)).exists()
    one.give_back(uid)
    assert not (SHARED / str(uid)).exists()


def test_a_reservation_is_made_known_again_after_the_machine_was_restarted(pools: tuple[UidPool, UidPool]) -> None:
    one, _ = pools
    uid = one.take()
    (SHARED / str(uid)).unlink()  # /run is empty then.
    second = one.take()
    assert second != uid
    assert (SHARED / str(uid)).exists()
    for each in (uid, second):
        one.give_back(each)


def test_many_workers_of_one_directory_agree_on_its_runs(home: Path, stage: Stage) -> None:
    first, second = (BubblewrapSandboxes(home / "runs", stage) for _ in range(2))
    assert first.known_runs() == second.known_runs()
    assert first.backend == "bubblewrap"
