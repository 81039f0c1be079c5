"""A copy has what the directory has, reads little again, and is led nowhere by what hostile code puts there."""

import os
import resource
import time
from pathlib import Path

import pytest

from activities.sandbox.still_copy import StillCopy, TooMuch


def copy_of(source: Path, **changes: int | str) -> tuple[StillCopy, Path]:
    limits = {"most_bytes": 10_000_000, "most_files": 1000, "skip": ".git"} | changes
    target = source.parent / "copy"
    return StillCopy(source, target, uid=None, **limits), target  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "work"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "file").write_text("one")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o4755)
    (source / "link").symlink_to("/etc/passwd")
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("hostile")
    return source


def settle(path: Path) -> None:
    """Until what is done now has another time than what was done."""
    before = path.lstat().st_ctime
    while time.time() - before < 0.05:
        pass


def test_all_but_git_s_own_is_copied_and_then_what_changed_alone(source: Path) -> None:
    copy, target = copy_of(source)
    assert copy.refresh()
    assert (target / "a" / "b" / "file").read_text() == "one"
    assert os.readlink(target / "link") == "/etc/passwd"
    assert (target / "run.sh").stat().st_mode & 0o7777 == 0o700
    assert not (target / ".git").exists()
    settle(source / "link")
    copy.refresh()
    assert not copy.refresh()
    before = (target / "run.sh").stat().st_ino
    (source / "a" / "b" / "file").write_text("two")
    (source / "new").write_text("x")
    assert copy.refresh()
    assert (target / "a" / "b" / "file").read_text() == "two"
    assert (target / "new").read_text() == "x"
    assert (target / "run.sh").stat().st_ino == before


def test_what_is_gone_or_became_something_else_is_so_in_the_copy(source: Path) -> None:
    copy, target = copy_of(source)
    copy.refresh()
    (source / "a" / "b" / "file").unlink()
    (source / "a" / "b").rmdir()
    (source / "a" / "b").symlink_to("/etc")
    (source / "link").unlink()
    (source / "link").mkdir()
    (source / "link" / "inner").write_text("x")
    (source / "run.sh").unlink()
    assert copy.refresh()
    assert os.readlink(target / "a" / "b") == "/etc"
    assert (target / "link" / "inner").read_text() == "x"
    assert sorted(path.name for path in target.iterdir()) == ["a", "link"]


def test_two_writes_at_the_same_time_of_the_same_size_are_both_seen(source: Path) -> None:
    copy, target = copy_of(source)
    file = source / "a" / "b" / "file"
    for number in range(300):
        file.write_text(f"{number:03d}")
        copy.refresh()
        assert (target / "a" / "b" / "file").read_text() == f"{number:03d}"


def test_what_is_no_file_is_left_out_and_what_is_closed_stops_nothing(source: Path) -> None:
    os.mkfifo(source / "pipe")
    (source / "closed").mkdir(mode=0)
    copy, target = copy_of(source)
    assert copy.refresh()
    assert not (target / "pipe").exists()
    assert (target / "a" / "b" / "file").exists()


def test_a_directory_that_became_a_link_out_leads_nowhere(source: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("secret")
    copy, target = copy_of(source)
    copy.refresh()
    (source / "a" / "b" / "file").unlink()
    (source / "a" / "b").rmdir()
    (source / "a").rmdir()
    (source / "a").symlink_to(secret)
    copy.refresh()
    assert (target / "a").is_symlink()
    assert [
        path for path in target.rglob("*") if path.is_file() and not path.is_symlink() and path.name == "file"
    ] == []


@pytest.mark.parametrize("limit", ["most_bytes", "most_files"])
def test_more_than_is_allowed_is_said_and_not_copied(source: Path, limit: str) -> None:
    copy, _ = copy_of(source, **{limit: 4})
    for number in range(10):
        (source / f"file{number}").write_text("x" * 100)
    with pytest.raises(TooMuch, match="more than"):
        copy.refresh()


def test_a_tree_without_end_is_said_and_not_followed(source: Path) -> None:
    deep = os.open(source, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    copy, _ = copy_of(source)
    with pytest.raises(TooMuch, match="nested"):
        copy.refresh()


def test_more_directories_than_a_process_may_open_are_copied(source: Path) -> None:
    for number in range(500):
        (source / f"d{number}").mkdir()
        (source / f"d{number}" / "file").write_text("x")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        copy, target = copy_of(source, most_files=5000)
        copy.refresh()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(list(target.glob("d*/file"))) == 500
