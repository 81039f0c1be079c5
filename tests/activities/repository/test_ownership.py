"""Git takes no orders from a repository but its owner's, and never a stranger's as root."""

import os
import shutil
from pathlib import Path

import pytest

from activities.repository.git import Git, RepositoryRefused
from activities.repository.mirror import Mirrors
from activities.repository.ownership import owner_of
from tests.support.repositories import git, make_repository

STRANGER = 64_321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


@pytest.fixture
def mirrors(state: Path) -> Mirrors:
    return Mirrors(state / "mirrors", Git(state / "git"))


def give(path: Path, uid: int = STRANGER) -> None:
    for each in (path, *path.rglob("*")):
        os.chown(each, uid, uid, follow_symlinks=False)


@as_root
@pytest.mark.parametrize("part", [".git/config", ".git/objects", ".git/HEAD"])
async def test_a_repository_of_which_a_stranger_owns_a_part_is_refused(
    mirrors: Mirrors, state: Path, part: str
) -> None:
    repository = make_repository(state / "shop")
    os.chown(repository / part, STRANGER, STRANGER)
    with pytest.raises(RepositoryRefused, match="others than the owner"):
        await mirrors.refresh(str(repository))
    with pytest.raises(RepositoryRefused, match="others than the owner"):
        await mirrors.branch(str(repository))


@as_root
@pytest.mark.parametrize("how", ["a stranger's folder", "everybody's folder"])
async def test_a_repository_that_others_could_replace_is_refused(state: Path, how: str) -> None:
    repository = make_repository(state / "folder" / "shop")
    if how == "a stranger's folder":
        os.chown(state / "folder", STRANGER, STRANGER)
    else:
        (state / "folder").chmod(0o777)
    with pytest.raises(RepositoryRefused, match="could be replaced"):
        owner_of(repository)
    (state / "folder").chmod(0o1777)
    os.chown(state / "folder", 0, 0)
    assert owner_of(repository) == 0


async def test_a_configuration_that_anybody_can_write_is_refused(state: Path) -> None:
    repository = make_repository(state / "shop")
    (repository / ".git" / "config").chmod(0o666)
    with pytest.raises(RepositoryRefused, match="chmod"):
        owner_of(repository)


async def test_a_configuration_that_is_a_link_is_refused(state: Path) -> None:
    repository = make_repository(state / "shop")
    shutil.move(repository / ".git" / "config", state / "elsewhere")
    (repository / ".git" / "config").symlink_to(state / "elsewhere")
    with pytest.raises(RepositoryRefused, match="is a link"):
        owner_of(repository)


async def test_a_partial_clone_is_refused_before_git_fetches_what_it_lacks(mirrors: Mirrors, state: Path) -> None:
    repository = make_repository(state / "shop.git", bare=True)
    for key, value in (
        ("extensions.partialClone", "evil"),
        ("remote.evil.url", f"ext::sh -c touch% {state}/ran"),
        ("remote.evil.promisor", "true"),
        ("protocol.ext.allow", "always"),
    ):
        git(repository, "config", key, value)
    for lost in (repository / "objects").glob("??/*"):
        lost.unlink()
    with pytest.raises(RepositoryRefused, match="partial clone"):
        await mirrors.refresh(str(repository))
    assert not (state / "ran").exists()


@as_root
async def test_another_user_s_repository_is_read_as_that_user(mirrors: Mirrors, state: Path) -> None:
    repository = make_repository(state / "shop.git", {"a.txt": "a"}, bare=True)
    secret = make_repository(state / "secret.git", {"key.txt": "k"}, bare=True)
    secret.chmod(0o700)
    give(repository)
    repository.chmod(0o700)
    mirror = await mirrors.refresh(str(repository))
    assert await mirrors.read(mirror, await mirrors.resolve(mirror, "main"), "a.txt") == b"a"
    # As root, git would have followed the stranger to objects that the stranger can't read.
    (repository / "objects" / "info" / "alternates").write_text(f"{secret}/objects\n")
    (repository / "refs" / "heads" / "stolen").write_text(git(secret, "rev-parse", "main") + "\n")
    give(repository)
    with pytest.raises(Exception, match="fetching"):
        await mirrors.refresh(str(repository))


@pytest.mark.parametrize("when", ["before the first look", "after it"])
async def test_what_other_tasks_agents_wrote_is_not_in_the_mirror(mirrors: Mirrors, state: Path, when: str) -> None:
    repository = make_repository(state / "shop.git", {"a.txt": "a"}, bare=True)
    if when == "after it":
        await mirrors.refresh(str(repository))
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=b"another task's secret")
    tree = git(repository, "mktree", stdin=f"100644 blob {blob}\tx\n".encode())
    commit = git(repository, "commit-tree", tree, "-m", "patch")
    git(repository, "update-ref", "refs/heads/journeyman/t1", commit)
    mirror = await mirrors.refresh(str(repository))
    known = git(mirror.path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert blob not in known
    assert git(mirror.path, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
