"""Only a tree crosses back, whatever the agent left in its workspace."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from activities.archive.artifacts import Artifacts
from activities.archive.objects import Objects
from activities.repository.export import Exporter
from activities.repository.git import Git, GitError
from activities.repository.intake import ExportRefused
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from activities.repository.workspace import Workspaces, objects_mount
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import BubblewrapSandboxes, HostSandboxes
from activities.sandbox.stage import Stage
from tests.support.repositories import git, make_repository
from workflows.models.limits import Limits
from workflows.models.patch import LeftOut
from workflows.models.run import RunEnd

FILES = {"calc.py": "x = 1\n", "src/deep/a.py": "a = 1\n", ".gitignore": "*.log\nbuild/\n"}


class Bench:
    """A workspace, something hostile to run in it, and the exporter."""

    def __init__(self, state: Path, stage: Stage) -> None:
        self.url = str(make_repository(state / "shop.git", FILES, bare=True))
        self.git = Git(state / "git")
        self.mirrors = Mirrors(state / "mirrors", self.git)
        self.workspaces = Workspaces(state / "workspaces", self.git)
        self.sandboxes: HostSandboxes = BubblewrapSandboxes(state / "runs", stage)
        self.exporter = Exporter(self.sandboxes, self.git, state / "scratch")
        self.patches = Patches(self.git, Artifacts(Objects.open(str(state / "archive"))))
        self.uid = self.sandboxes.take_uid()
        self.state = state

    async def start(self) -> None:
        self.mirror = await self.mirrors.refresh(self.url)
        self.base = await self.mirrors.resolve(self.mirror, "main")
        self.work = await self.workspaces.create(
            "t1-1", self.mirror, commit=self.base, tree=f"{self.base}^{{tree}}", uid=self.uid
        )

    async def agent(self, script: str, name: str = "agent", *, may_be_ended: bool = False) -> bytes:
        """Run what an agent might run, inside its sandbox."""
        spec = SandboxSpec(
            run_id=name,
            command=("sh", "-c", script),
            workspace=self.work,
            mounts=(objects_mount(self.mirror),),
            limits=Limits(wall_seconds=60),
            uid=self.uid,
        )
        status, output = await self.sandboxes.run(spec)
        assert may_be_ended or (status.end, status.exit_code) == (RunEnd.EXITED, 0), output
        return output

    async def export(self) -> dict[str, str]:
        """The exported tree: path to mode and blob."""
        tree = (await self.exporter.export("t1-1", self.work, self.mirror, self.base, self.uid)).tree
        listed = await self.git.run("ls-tree", "-r", "-z", tree, purpose="test", git_dir=self.mirror.vault)
        entries = [entry.split(b"\t", 1) for entry in listed.split(b"\0") if entry]
        return {os.fsdecode(name): described.decode() for described, name in entries}

    async def text(self, described: str) -> bytes:
        return await self.git.run("cat-file", "blob", described.split()[2], purpose="test", git_dir=self.mirror.vault)


@pytest_asyncio.fixture
async def bench(state: Path, stage: Stage) -> AsyncIterator[Bench]:
    bench = Bench(state, stage)
    await bench.start()
    yield bench
    bench.sandboxes.give_back_uid(bench.uid)


async def test_what_the_agent_changed_comes_back_and_nothing_else(bench: Bench) -> None:
    await bench.agent(
        "echo 'x = 2' > calc.py; rm src/deep/a.py; echo new > src/b.py; touch noise.log; mkdir build; touch build/x"
    )
    tree = await bench.export()
    assert set(tree) == {"calc.py", "src/b.py", ".gitignore"}
    assert await bench.text(tree["calc.py"]) == b"x = 2\n"


async def test_the_agent_can_ask_git_for_history_and_diff(bench: Bench) -> None:
    output = await bench.agent("echo 'x = 2' > calc.py; git log --oneline && git diff --stat && git status --short")
    assert b"change" in output
    assert b" M calc.py" in output


async def test_an_unchanged_or_only_ignored_work_tree_is_the_same_tree(bench: Bench) -> None:
    await bench.agent("touch noise.log; mkdir build; echo x > build/y")
    tree = (await bench.exporter.export("t1-1", bench.work, bench.mirror, bench.base, bench.uid)).tree
    assert tree == git(Path(bench.url), "rev-parse", "main^{tree}")


async def test_a_workspace_emptied_by_the_agent_is_a_patch_that_deletes_everything(bench: Bench) -> None:
    await bench.agent("rm -rf calc.py src .gitignore .git")
    assert await bench.export() == {}


async def test_binary_odd_and_newline_names_survive(bench: Bench) -> None:
    await bench.agent(
        r"""printf '\000\377\001' > 'bin ary'; printf x > "$(printf 'new\nline')"
        printf y > "$(printf 'l\351gume')"; printf z > 'ünïcode'"""
    )
    tree = await bench.export()
    assert {"bin ary", "new\nline", os.fsdecode(b"l\xe9gume"), "ünïcode"} <= set(tree)
    assert await bench.text(tree["bin ary"]) == b"\x00\xff\x01"


async def test_nothing_the_agent_configured_runs_on_the_host_or_during_export(bench: Bench) -> None:
    await bench.agent(
        """
        git config core.fsmonitor 'touch /work/ran; touch /tmp/ran'
        git config filter.evil.clean 'touch /work/ran; cat'
        git config diff.evil.textconv 'touch /work/ran; cat'
        git config diff.external 'touch /work/ran'
        mkdir -p .git/hooks
        for hook in pre-commit post-checkout post-index-change fsmonitor-watchman reference-transaction; do
            printf '#!/bin/sh\\ntouch /work/ran\\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook
        done
        printf '* filter=evil diff=evil\\n*.py working-tree-encoding=UTF-16\\n' > .gitattributes.off
        printf '*.py filter=evil diff=evil\\n' > .gitattributes
        echo 'x = 3' > calc.py
        """
    )
    tree = await bench.export()
    assert await bench.text(tree["calc.py"]) == b"x = 3\n"
    assert not (bench.work / "ran").exists()
    patch = await bench.patches.make(
        bench.mirror,
        "t1-1",
        base=bench.base,
        tree=(await bench.exporter.export("t1-1", bench.work, bench.mirror, bench.base, bench.uid)).tree,
        message="m\n",
        when=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert patch.files == 3
    assert not (bench.work / "ran").exists()


async def test_links_planted_in_the_workspace_come_back_as_links_and_are_not_followed(bench: Bench) -> None:
    secret = bench.state / "host-secret"
    secret.write_text("host secret")
    await bench.agent(
        f"ln -s {secret} stolen; rm calc.py; ln -s {secret} calc.py; rm -rf src; ln -s / src; ln -s /etc/passwd p"
    )
    tree = await bench.export()
    assert {tree[name].split()[0] for name in ("stolen", "calc.py", "src", "p")} == {"120000"}
    assert await bench.text(tree["stolen"]) == str(secret).encode()


@pytest.mark.parametrize("how", ["nested repository", "gitlink in the index"])
async def test_a_nested_repository_is_refused_with_its_path_instead_of_losing_its_content(
    bench: Bench, how: str
) -> None:
    await bench.agent(
        """mkdir -p vendor/lib && cd vendor/lib && git init -q && echo x > x && git add x &&
        git -c user.name=a -c user.email=a@b commit -qm x"""
    )
    with pytest.raises(ExportRefused, match="vendor/lib"):
        await bench.export()


async def test_special_files_and_setuid_bits_do_not_cross(bench: Bench) -> None:
    await bench.agent(
        "mkfifo pipe; echo '#!/bin/sh' > run.sh; chmod 4755 run.sh;"
        " python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\""
    )
    tree = await bench.export()
    assert set(tree) == {*FILES, "run.sh"}
    assert tree["run.sh"].split()[0] == "100755"


async def test_names_that_git_would_take_for_its_own_are_refused_or_left_out(bench: Bench) -> None:
    await bench.agent("mkdir -p sub/.GIT sub2/.git; echo x > sub/.GIT/config; echo y > sub2/.git/config; echo z > z")
    try:
        tree = await bench.export()
    except ExportRefused:
        return
    assert not [name for name in tree if ".git/" in name.lower()]


async def exported(bench: Bench) -> tuple[set[str], LeftOut]:
    """Paths that differ from base, and what was left out."""
    done = await bench.exporter.export("t1-1", bench.work, bench.mirror, bench.base, bench.uid)
    changed = await bench.git.run(
        *("diff-tree", "-r", "-z", "--name-only", bench.base, done.tree), purpose="test", git_dir=bench.mirror.vault
    )
    return {os.fsdecode(path) for path in changed.split(b"\0") if path}, done.left_out


async def test_a_file_too_large_to_review_is_left_out_and_named_and_the_work_beside_it_is_kept(bench: Bench) -> None:
    await bench.agent(
        "echo 'x = 2' > calc.py; echo new > new.txt; head -c 40000000 /dev/urandom > big.bin;"
        " head -c 90000000 /dev/zero >> src/deep/a.py; mkdir build; head -c 99000000 /dev/zero > build/ignored"
    )
    changed, left = await exported(bench)
    assert changed == {"calc.py", "new.txt"}
    assert [(each.path, each.bytes) for each in left.named] == [("src/deep/a.py", 90_000_006), ("big.bin", 40_000_000)]
    assert str(left) == "src/deep/a.py (86 MiB), big.bin (38 MiB)"


async def test_of_more_than_a_patch_may_have_in_all_the_small_files_come_first(bench: Bench) -> None:
    await bench.agent("for n in 1 2 3; do head -c ${n}0000000 /dev/urandom > $n.bin; done; echo 'x = 2' > calc.py")
    changed, left = await exported(bench)
    assert changed == {"calc.py", "1.bin", "2.bin"}
    assert str(left) == "3.bin (29 MiB)"


async def test_of_too_many_files_the_most_crowded_directories_are_left_out(bench: Bench) -> None:
    await bench.agent(
        "mkdir -p cache/deep/here src/more; for n in $(seq 21000); do echo cache/deep/here/$n; done | xargs touch;"
        " touch cache/kept src/more/kept; echo 'x = 2' > calc.py"
    )
    changed, left = await exported(bench)
    assert changed == {"calc.py", "cache/kept", "src/more/kept"}
    assert [(each.path, each.files) for each in left.named] == [("cache/deep/here/", 21_000)]
    assert str(left) == "cache/deep/here/ (21000 files, 0 MiB)"


async def test_ever_so_many_crowded_directories_are_left_out_as_one(bench: Bench) -> None:
    await bench.agent(
        "for d in $(seq 45); do mkdir d$d; for n in $(seq 500); do echo d$d/$n; done; done | xargs touch; "
        "for d in $(seq 300); do mkdir e$d; for n in $(seq 75); do echo e$d/$n; done; done | xargs touch; rm calc.py"
    )
    changed, left = await exported(bench)
    assert changed == {"calc.py"}
    assert (left.named[0].path, left.files) == ("every other new file", 45_000)


async def test_the_noughts_of_a_file_with_holes_cost_the_host_no_time(bench: Bench) -> None:
    await bench.agent("for n in 1 2 3 4 5 6; do truncate -s 1000M hole$n; done; echo 'x = 2' > calc.py")
    began = time.monotonic()
    changed, left = await exported(bench)
    # Reading them takes git some 15 seconds.
    assert time.monotonic() - began < 5
    assert changed == {"calc.py"}
    assert left.files == 6


async def test_a_directory_in_the_place_of_a_file_and_a_link_in_the_place_of_a_directory_come_back(
    bench: Bench,
) -> None:
    await bench.agent("rm calc.py; mkdir calc.py; echo x > calc.py/x; mv src other; ln -s other src")
    tree = await bench.export()
    assert set(tree) == {".gitignore", "calc.py/x", "other/deep/a.py", "src"}
    assert tree["src"].split()[0] == "120000"


async def test_a_file_the_agent_made_unreadable_is_named(bench: Bench) -> None:
    await bench.agent("echo x > locked; chmod 000 locked")
    with pytest.raises(ExportRefused, match="locked"):
        await bench.export()


async def test_a_work_tree_whose_git_directory_was_forged_is_still_read_as_it_is(bench: Bench) -> None:
    await bench.agent("rm -rf .git; echo 'gitdir: /etc' > .git; echo 'x = 4' > calc.py")
    tree = await bench.export()
    assert await bench.text(tree["calc.py"]) == b"x = 4\n"


async def test_exporting_twice_gives_the_same_tree(bench: Bench) -> None:
    await bench.agent("echo 'x = 2' > calc.py")
    assert await bench.export() == await bench.export()


async def test_a_workspace_is_removed_whatever_was_done_to_it(bench: Bench) -> None:
    deep = "import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')"
    closed = "mkdir -p a/b/c; touch a/b/c/f; ln -s / a/root; chmod 000 a/b/c; chmod 000 a"
    await bench.agent(f'{closed}; python3 -c "{deep}"', may_be_ended=True)
    await bench.workspaces.remove("t1-1")
    assert not bench.work.exists()
    assert Path("/etc/passwd").exists()


async def test_one_tasks_work_cannot_be_read_by_anothers_agent(bench: Bench) -> None:
    await bench.agent("echo 'secret = 1' > calc.py")
    tree = (await bench.exporter.export("t1-1", bench.work, bench.mirror, bench.base, bench.uid)).tree
    other = await bench.workspaces.create(
        "t2-1", bench.mirror, commit=bench.base, tree=f"{bench.base}^{{tree}}", uid=bench.uid
    )
    bench.work = other
    output = await bench.agent(f"git cat-file -p {tree} || echo hidden", "other")
    assert b"hidden" in output


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
async def test_a_full_disk_of_the_host_is_not_blamed_on_the_agent_and_a_retry_succeeds(bench: Bench) -> None:
    await bench.agent("head -c 3000000 /dev/urandom > big.bin")
    scratch = bench.state / "scratch"
    await asyncio.to_thread(
        lambda: subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", scratch], check=True)
    )
    try:
        with pytest.raises(GitError, match="disk is full"):
            await bench.export()
    finally:
        await asyncio.to_thread(lambda: subprocess.run(["umount", scratch], check=True))
    assert "big.bin" in await bench.export()


async def test_a_patch_of_millions_of_lines_blocks_nothing_else_while_it_is_made(bench: Bench) -> None:
    await bench.agent("for n in 1 2 3 4; do yes | head -c 3900000 > many$n.txt; done")
    tree = (await bench.exporter.export("t1-1", bench.work, bench.mirror, bench.base, bench.uid)).tree
    longest, going_on = 0.0, True

    async def look() -> None:
        nonlocal longest
        while going_on:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    looking = asyncio.create_task(look())
    when = datetime(2026, 1, 1, tzinfo=UTC)
    patch = await bench.patches.make(bench.mirror, "t1-1", base=bench.base, tree=tree, message="m", when=when)
    going_on = False
    await looking
    assert longest < 1
    assert patch.added == 7_800_000
    assert patch.diff.size < 9 * 1024 * 1024
    again = await bench.patches.make(bench.mirror, "t1-1", base=bench.base, tree=tree, message="n", when=when)
    assert again.diff_sha256 == patch.diff_sha256
