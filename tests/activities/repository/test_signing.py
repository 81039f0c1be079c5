"""Commits are signed where the platform's owner gives a key, and a repository can't have another program do it."""

import subprocess
from pathlib import Path

import pytest

from activities.forge.local_repository import LocalRepository
from activities.repository.git import Git, GitError
from tests.support.repositories import git, make_repository


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)), check=True)
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "shop", {"a": "b"})


async def made(repository: Path, key: Path | None, *, when: int | None = None) -> str:
    place = LocalRepository(Git(repository.parent / "git", lambda: key), repository)
    tip = git(repository, "rev-parse", "main")
    return await place.commit(f"{tip}^{{tree}}", (tip,), "Merge\n", when=when)


async def test_a_commit_is_signed_so_that_others_can_verify_it(repository: Path, key: Path, tmp_path: Path) -> None:
    commit = await made(repository, key)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"* {key.with_suffix('.pub').read_text()}")
    told = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "log", "-1", "--format=%G?", commit)
    assert git(repository, *told) == "G"


async def test_without_a_key_and_for_what_is_only_tried_nothing_is_signed(repository: Path, key: Path) -> None:
    for commit in (await made(repository, None), await made(repository, key, when=0)):
        assert "gpgsig" not in git(repository, "cat-file", "commit", commit)


async def test_a_repository_that_names_a_program_of_its_own_has_it_not_run(
    repository: Path, key: Path, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    evil.chmod(0o755)
    for name in ("gpg.program", "gpg.ssh.program", "gpg.ssh.defaultKeyCommand"):
        git(repository, "config", name, str(evil))
    git(repository, "config", "gpg.format", "openpgp")
    assert "SSH SIGNATURE" in git(repository, "cat-file", "commit", await made(repository, key))
    assert not (tmp_path / "ran").exists()


async def test_a_key_that_is_not_there_is_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="no-such-key"):
        await made(repository, tmp_path / "no-such-key")
