"""A backup has all or is none, and half of one that was put back is never worked with."""

import asyncio
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from activities.archive.artifacts import Artifacts, address
from activities.archive.chains import Chains
from activities.archive.objects import Objects
from tests.workers.terminal import environment, typed
from workers.embedded.backup import BackupRefused, back_up, restore
from workers.embedded.programs import program
from workers.settings import Settings, StateUnusable


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory that is listed in the order in which things were made, the youngest first: the worst for a copy."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        yield Path(place)


@pytest.fixture
def settings(state: Path, memory: Path) -> Settings:
    """An installation with a database, a key and an archive of some size."""
    made = Settings(state=state / "first", archive=str(memory / "archive"))
    (made.prepare_state() / "temporal").mkdir()
    with closing(sqlite3.connect(made.state / "temporal" / "temporal.db")) as database:
        database.execute("CREATE TABLE t (x)")
    made.keys_location.mkdir()
    (made.keys_location / "gateway.key").write_bytes(b"secret")
    archive = Path(made.archive_location)
    for folder in ("tasks/aaaaaaaaaa", "traces/t", "blobs/00", "tombstones/00"):
        (archive / folder).mkdir(parents=True)
        for number in range(300):
            (archive / folder / f"{number:06d}").write_bytes(os.urandom(2000))
    return made


async def test_whatever_a_record_in_a_backup_refers_to_is_in_it_though_tasks_went_on_meanwhile(
    state: Path, settings: Settings
) -> None:
    objects = Objects.open(settings.archive_location)
    done = threading.Event()

    async def work() -> int:
        count = 0
        while not done.is_set():
            count += 1
            ref = await Artifacts(objects).put(os.urandom(64), name="patch.bundle")
            await Chains(objects).append(f"task{count:06d}", "patch", "patch", {}, (ref,))
        return count

    working = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(work())))
    try:
        for number in range(2):
            copy = state / f"backup{number}"
            await asyncio.to_thread(back_up, settings, copy)
            chains = Chains(Objects.open(str(copy / "archive")))
            tasks = [task for task in await chains.task_ids() if task.startswith("task")]
            refs = [ref for task in tasks for entry in await chains.entries(task) for ref in entry.artifacts]
            assert [ref for ref in refs if not (copy / "archive" / address(ref.sha256)).exists()] == []
    finally:
        done.set()
    assert await working > 3


def test_a_directory_that_lies_elsewhere_is_not_left_out_in_silence(
    state: Path, memory: Path, settings: Settings
) -> None:
    tasks = Path(settings.archive_location) / "tasks"
    tasks.rename(memory / "large-disk")
    tasks.symlink_to(memory / "large-disk")
    with pytest.raises(BackupRefused, match="archive/tasks is a link"):
        back_up(settings, state / "backup")
    assert not (state / "backup").exists()
    tasks.unlink()
    (memory / "large-disk").rename(tasks)
    # A mounted secret is a link to a file: its content is what is wanted.
    (settings.keys_location / "gateway.key").rename(state / "mounted.key")
    (settings.keys_location / "gateway.key").symlink_to(state / "mounted.key")
    back_up(settings, state / "backup")
    second = Settings(state=state / "second")
    restore(second, state / "backup")
    assert (second.keys_location / "gateway.key").read_bytes() == b"secret"


def test_a_backup_into_what_it_copies_is_refused_before_it_fills_the_disk(settings: Settings) -> None:
    with pytest.raises(BackupRefused, match="name a directory elsewhere"):
        back_up(settings, Path(settings.archive_location) / "backup")


async def test_two_backups_to_one_place_at_once_do_not_mix(state: Path, settings: Settings) -> None:
    made = await asyncio.gather(
        *(asyncio.to_thread(back_up, settings, state / "backup") for _ in range(3)), return_exceptions=True
    )
    assert [one for one in made if isinstance(one, Exception) and not isinstance(one, BackupRefused)] == []
    restore(Settings(state=state / "second"), state / "backup")


async def test_nothing_starts_on_half_of_a_restore_and_typed_again_it_becomes_a_whole_one(
    state: Path, settings: Settings
) -> None:
    big = Path(settings.archive_location) / "blobs" / "00" / "big"
    big.write_bytes(bytes(200_000))
    back_up(settings, state / "backup")
    second = Settings(state=state / "second")
    full = await asyncio.create_subprocess_exec(
        *("prlimit", "--fsize=100000", str(program("journeyman")), "restore", str(state / "backup")),
        env=environment(second.state),
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await full.communicate()
    assert full.returncode == 1 and b"Traceback" not in error, error
    with pytest.raises(StateUnusable, match="half of an installation"):
        second.prepare_state()
    started = await typed(second.state, "up")
    assert started.code == 1 and "half of an installation" in started.error and "restore" in started.error
    other = state / "other"
    shutil.copytree(state / "backup", other)
    (other / "manifest.json").write_text((other / "manifest.json").read_text() + "\n")
    refused = await typed(second.state, "restore", str(other))
    assert refused.code == 1 and "not empty" in refused.error
    again = await typed(second.state, "restore", str(state / "backup"))
    assert again.code == 0, again.error
    assert (Path(second.archive_location) / "blobs" / "00" / "big").read_bytes() == bytes(200_000)
    assert second.prepare_state() == second.state
