"""What a git sandbox hands over is taken in within bounds, or refused, whatever it is."""

import asyncio
import subprocess
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.egress.daemon import wait_for
from activities.repository.git import Bounds, Git, GitError
from activities.repository.intake import MOST_OBJECTS, ExportRefused, Intake, measure
from tests.support import packs
from tests.support.repositories import git, make_repository
from workflows.models.limits import MIB

GOOD = packs.pack([packs.entry(packs.BLOB, b"x" * 5000), packs.entry(packs.BLOB, b"y")])


def refused(pack: bytes) -> str:
    with pytest.raises(ExportRefused) as told:
        measure(pack)
    return str(told.value)


def test_packs_that_git_makes_are_measured_to_their_end(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r", {f"d{n}/f{n}": f"{n}\n" * n for n in range(300)})
    for more in ([], ["--compression=0"], ["--compression=9"]):
        words = ["git", "-C", str(repository), "pack-objects", "--all", "--stdout", "-q", "--window=0", *more]
        done = subprocess.run(words, input=b"", capture_output=True, check=True)
        measure(done.stdout)
        assert "ends" in refused(done.stdout[: len(done.stdout) // 2])


def test_what_a_pack_unpacks_to_is_bounded_before_it_is_unpacked() -> None:
    began = time.monotonic()
    assert "192 MiB" in refused(packs.pack([packs.noughts(500)]))
    assert "a delta" in refused(packs.pack(packs.unfolding(100)))
    lie = packs.header(packs.BLOB, 10) + zlib.compress(bytes(50 << 20))
    assert "larger than it says" in refused(packs.pack([lie]))
    assert time.monotonic() - began < 5


def test_as_many_small_objects_as_there_may_be_are_measured_in_seconds_and_more_are_not_looked_at() -> None:
    one = packs.entry(packs.BLOB, b"x")
    began = time.monotonic()
    measure(packs.pack([one] * MOST_OBJECTS))
    assert time.monotonic() - began < 10
    assert f"more than {MOST_OBJECTS}" in refused(packs.pack([one] * (MOST_OBJECTS + 1)))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=12))
def test_a_damaged_pack_is_refused_or_harmless_and_breaks_nothing(at: int, damage: bytes) -> None:
    for pack in (GOOD[:at] + damage + GOOD[at + len(damage) :], GOOD[:at], damage):
        try:
            measure(pack)
        except ExportRefused:
            continue


@pytest.mark.parametrize("tree", ["--output=/tmp/planted", "", "HEAD", "-h", "a" * 39, "a" * 40 + " x"])
async def test_nothing_but_an_id_stands_in_the_place_of_a_tree(tmp_path: Path, tree: str) -> None:
    repository = make_repository(tmp_path / "r", {"a": "1\n"}, bare=True)
    with pytest.raises(ExportRefused, match="names no tree"):
        await Intake(Git(tmp_path / "git")).inspect(repository, git(repository, "rev-parse", "main"), tree)


async def test_a_tree_without_end_is_given_up(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "r", {"a": "1\n"}, bare=True)
    intake = Intake(Git(tmp_path / "git"))
    entries, tree = packs.without_end(levels=9, width=40)
    await intake.take(repository, packs.pack(entries))
    with pytest.raises(ExportRefused, match="more than can be looked through"):
        await intake.inspect(repository, git(repository, "rev-parse", "main"), tree)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (Bounds(memory_bytes=4096 * MIB, cpu_seconds=60, wall_seconds=0.3), "took too long"),
        (Bounds(memory_bytes=4096 * MIB, cpu_seconds=1, wall_seconds=60), "ended with code"),
        (Bounds(memory_bytes=32 * MIB, cpu_seconds=60, wall_seconds=60), "ut of memory"),
    ],
    ids=["time", "processor", "memory"],
)
async def test_git_is_ended_at_each_of_its_bounds(tmp_path: Path, bounds: Bounds, words: str) -> None:
    repository = make_repository(tmp_path / "r", {"a": "1\n"}, bare=True)
    command = Git(tmp_path / "git")
    entries, tree = packs.without_end(levels=9, width=40)
    await Intake(command).take(repository, packs.pack(entries))
    with pytest.raises(GitError, match=words):
        await command.run("diff-tree", "-r", "main", tree, purpose="listing", git_dir=repository, bounds=bounds)
    # The kernel ends it; what it had is given back a moment later.
    assert await asyncio.to_thread(wait_for, lambda: not [each for each in _commands() if tree in each], 10)


def _commands() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found
