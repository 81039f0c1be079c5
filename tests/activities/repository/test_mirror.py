"""Repositories that are missing, empty or strange are said to be so, and a damaged mirror mends itself."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from activities.repository.git import Git, GitError, RepositoryRefused
from activities.repository.mirror import Mirrors
from tests.support.repositories import commit_to_bare, git, make_repository


@pytest.fixture
def mirrors(state: Path) -> Mirrors:
    return Mirrors(state / "mirrors", Git(state / "git"))


async def test_a_mirror_follows_the_repository_even_when_base_is_rewritten(mirrors: Mirrors, state: Path) -> None:
    url = make_repository(state / "shop.git", bare=True)
    first = await mirrors.resolve(await mirrors.refresh(str(url)), "main")
    second = commit_to_bare(url, {"a": "1\n"})
    assert await mirrors.resolve(await mirrors.refresh(str(url)), "main") == second
    git(url, "update-ref", "refs/heads/main", first)
    assert await mirrors.resolve(await mirrors.refresh(str(url)), "main") == first


async def test_a_missing_repository_is_named(mirrors: Mirrors, state: Path) -> None:
    with pytest.raises(RepositoryRefused, match="no git repository"):
        await mirrors.refresh(str(state / "nowhere"))
    (state / "folder").mkdir()
    with pytest.raises(RepositoryRefused, match="no git repository"):
        await mirrors.refresh(str(state / "folder"))


async def test_an_empty_repository_is_said_to_be_empty(mirrors: Mirrors, state: Path) -> None:
    (state / "empty").mkdir()
    git(state / "empty", "init", "--quiet", "--bare")
    mirror = await mirrors.refresh(str(state / "empty"))
    with pytest.raises(RepositoryRefused, match="no commit yet"):
        await mirrors.resolve(mirror, "main")


async def test_a_missing_base_branch_is_answered_with_the_ones_there_are(mirrors: Mirrors, state: Path) -> None:
    mirror = await mirrors.refresh(str(make_repository(state / "shop")))
    with pytest.raises(RepositoryRefused, match="'develop'; it has main"):
        await mirrors.resolve(mirror, "develop")


@pytest.mark.parametrize("url", ["--upload-pack=touch /tmp/x", "ext::sh -c 'touch /tmp/x'", "a\nb"])
async def test_an_address_that_would_run_something_is_refused(mirrors: Mirrors, url: str) -> None:
    with pytest.raises(RepositoryRefused, match="no address"):
        await mirrors.refresh(url)


async def test_a_clone_that_died_half_way_or_a_damaged_mirror_is_made_anew(mirrors: Mirrors, state: Path) -> None:
    url = str(make_repository(state / "shop"))
    mirror = await mirrors.refresh(url)
    (mirror.path / "HEAD").unlink()
    mirror.path.with_suffix(".making").mkdir()
    assert await mirrors.resolve(await mirrors.refresh(url), "main")


async def test_refreshing_at_once_from_many_tasks_works(mirrors: Mirrors, state: Path) -> None:
    url = str(make_repository(state / "shop"))
    found = await asyncio.gather(*(mirrors.refresh(url) for _ in range(6)))
    assert len({await mirrors.resolve(mirror, "main") for mirror in found}) == 1


async def test_a_server_that_does_not_answer_may_be_tried_again(mirrors: Mirrors) -> None:
    with pytest.raises(GitError):
        await mirrors.refresh("http" + "s://127.0.0.1:1/shop.git")


async def test_a_failure_does_not_tell_where_the_host_keeps_its_things(mirrors: Mirrors, state: Path) -> None:
    mirror = await mirrors.refresh(str(make_repository(state / "shop")))
    (mirror.vault / "objects" / "pack").rmdir()
    (mirror.vault / "objects" / "pack").write_text("no directory")
    with pytest.raises(GitError) as failed:
        await Git(state / "git").run(
            *("index-pack", "--stdin"), purpose="taking in", git_dir=mirror.vault, stdin=b"PACK" + bytes(28)
        )
    assert str(state) not in str(failed.value)


async def test_files_are_read_from_the_commit_and_links_are_not_followed(mirrors: Mirrors, state: Path) -> None:
    url = make_repository(state / "shop", {"a.txt": "hello\n"})
    (url / "link").symlink_to("/etc/passwd")
    git(url, "add", "link")
    git(url, "commit", "--quiet", "-m", "link")
    mirror = await mirrors.refresh(str(url))
    commit = await mirrors.resolve(mirror, "main")
    assert await mirrors.read(mirror, commit, "a.txt") == b"hello\n"
    assert await mirrors.read(mirror, commit, "link") is None
    assert await mirrors.read(mirror, commit, "nothing") is None
    assert set(await mirrors.paths(mirror, commit)) == {"a.txt", "link"}
    assert await mirrors.branch(str(url)) == "main"


async def test_a_repository_that_goes_away_in_the_middle_of_a_clone_is_cloned_whole_later(
    mirrors: Mirrors, state: Path
) -> None:
    make_repository(state / "served" / "shop.git", bare=True)

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"00c8" + b"a" * 40 + b" HEAD")
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"git://127.0.0.1:{port}/shop.git"
    with pytest.raises(GitError):
        await mirrors.refresh(url)
    server.close()
    await server.wait_closed()
    daemon = await asyncio.create_subprocess_exec(
        *("git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--reuseaddr", "--export-all"),
        f"--base-path={state / 'served'}",
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **git_trusts_everything(state)},
    )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    mirror = await mirrors.refresh(url)
                    break
                except GitError:
                    await asyncio.sleep(0.05)
        assert await mirrors.resolve(mirror, "main")
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        await daemon.wait()


def git_trusts_everything(state: Path) -> dict[str, str]:
    """The test's own server may serve the test's own repository, whoever runs the tests."""
    file = state / "daemon.gitconfig"
    file.write_text("[safe]\n\tdirectory = *\n")
    return {"GIT_CONFIG_GLOBAL": str(file), "GIT_CONFIG_NOSYSTEM": "1"}
