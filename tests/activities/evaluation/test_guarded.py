"""The guarded tree has base's tests and check definitions, whatever the patch did to them."""

import os
from pathlib import Path

import pytest

from activities.evaluation.changes import ChangeReader, is_readable
from activities.evaluation.guarded import guarded_changes, guarded_tree
from activities.evaluation.paths import is_guarded
from activities.repository.git import Git
from tests.support.repositories import commit_files, git, make_repository
from workflows.models.policy import TaskPolicy

BASE = {
    "src/a.py": "a\n",
    "tests/test_a.py": "base\n",
    "tests/data/x.json": "base\n",
    "conftest.py": "base\n",
    "Makefile": "test:\n",
    "tool.sh": "base\n",
}


class Shop:
    def __init__(self, folder: Path) -> None:
        self.git = Git(folder / "git")
        self.path = make_repository(folder / "r", BASE)
        self.base = git(self.path, "rev-parse", "HEAD")

    async def guarded(self, policy: TaskPolicy | None = None) -> dict[str, str]:
        """The guarded tree of what is in the work tree now: path to content."""
        head = commit_files(self.path, {})
        git_dir = self.path / ".git"
        changes = await ChangeReader(self.git).changes(git_dir, self.base, head)
        tree = await guarded_tree(self.git, git_dir, head, guarded_changes(changes, policy or TaskPolicy()))
        names = git(self.path, "ls-tree", "-r", "--name-only", tree).splitlines()
        return {name: git(self.path, "cat-file", "blob", f"{tree}:{name}") for name in names}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


async def test_changed_tests_and_definitions_are_bases_and_sources_are_the_patchs(shop: Shop) -> None:
    commit_files(shop.path, dict.fromkeys(BASE, "changed\n"))
    tree = await shop.guarded()
    assert tree == {
        "src/a.py": "changed",
        "tool.sh": "changed",
        "tests/test_a.py": "base",
        "tests/data/x.json": "base",
        "conftest.py": "base",
        "Makefile": "test:",
    }


async def test_added_tests_stay_out_and_deleted_ones_come_back(shop: Shop) -> None:
    (shop.path / "tests/test_a.py").unlink()
    commit_files(
        shop.path, {"tests/test_new.py": "new", "src/test_b.py": "new", "src/b.py": "new", "sitecustomize.py": "x"}
    )
    tree = await shop.guarded()
    assert set(tree) == {*BASE, "src/b.py"}
    assert tree["tests/test_a.py"] == "base"


async def test_a_file_in_the_place_of_the_tests_folder_does_not_keep_them_out(shop: Shop) -> None:
    for path in ("tests/test_a.py", "tests/data/x.json"):
        (shop.path / path).unlink()
    (shop.path / "tests/data").rmdir()
    (shop.path / "tests").rmdir()
    (shop.path / "tests").write_text("a file now\n")
    tree = await shop.guarded()
    assert tree["tests/test_a.py"] == "base"
    assert tree["tests/data/x.json"] == "base"
    assert "tests" not in tree


async def test_a_folder_in_the_place_of_a_definition_does_not_keep_it_out(shop: Shop) -> None:
    (shop.path / "conftest.py").unlink()
    commit_files(shop.path, {"conftest.py/x": "a folder now\n", "conftest.py/deep/y": "z"})
    tree = await shop.guarded()
    assert tree["conftest.py"] == "base"
    assert not [path for path in tree if path.startswith("conftest.py/")]


async def test_a_link_in_the_place_of_a_test_is_taken_back(shop: Shop) -> None:
    (shop.path / "tests/test_a.py").unlink()
    (shop.path / "tests/test_a.py").symlink_to("/etc/passwd")
    assert (await shop.guarded())["tests/test_a.py"] == "base"


async def test_what_the_team_names_is_guarded_too(shop: Shop) -> None:
    commit_files(shop.path, {"tool.sh": "changed\n", "src/a.py": "changed\n"})
    policy = TaskPolicy(check_definitions=("tool.sh",), test_paths=("src/",))
    tree = await shop.guarded(policy)
    assert (tree["tool.sh"], tree["src/a.py"]) == ("base", "a")


async def test_names_with_odd_bytes_are_taken_back_too(shop: Shop) -> None:
    Path(os.fsdecode(os.fsencode(shop.path) + b'/tests/caf\xe9\n\t".py')).write_bytes(b"x")
    assert set(await shop.guarded()) == set(BASE)


@pytest.mark.parametrize(
    ("path", "guarded"),
    [
        ("tests/helpers/data.json", True),
        ("pkg/tests/x.py", True),
        ("pkg/mod_test.go", True),
        ("web/a.test.ts", True),
        ("web/__tests__/a.js", True),
        ("sub/package.json", True),
        (".github/workflows/ci.yml", True),
        ("pytest.py", True),
        ("src/pytest.py", True),
        ("src/attest.py", False),
        ("src/contest/x.py", False),
        ("docs/testing.md", False),
    ],
)
def test_paths_are_told_apart(path: str, guarded: bool) -> None:
    assert is_guarded(path) is guarded


async def test_a_patch_of_millions_of_lines_is_not_held_in_memory(shop: Shop) -> None:
    head = commit_files(shop.path, {"many.txt": "\n" * 3_000_000, "large.txt": "x\n" * 2_500_000})
    reader, git_dir = ChangeReader(shop.git), shop.path / ".git"
    changes = await reader.changes(git_dir, shop.base, head)
    assert {change.path: (change.added, change.binary) for change in changes} == {
        "many.txt": (3_000_000, False),
        "large.txt": (0, True),
    }
    assert not is_readable(changes)
    assert not is_readable(changes[:1])
    assert not is_readable(changes[1:])
    assert await reader.lines(git_dir, shop.base, head, changes[1:]) == ((), ())


async def test_added_lines_carry_their_file_and_number_whatever_the_file_is_called(shop: Shop) -> None:
    (shop.path / "src/a.py").unlink()
    (shop.path / "src/a.py").symlink_to("target")
    (shop.path / 'we"ird\n.txt').write_text("one\ntwo\n")
    (shop.path / "nul.bin").write_bytes(b"a\0b\nlast")
    (shop.path / "tool.sh").write_text("base\n--- a/x\n+++ b/x\n@@ -1 +1 @@\ndiff --git a/x b/x\n")
    (shop.path / "conftest.py").chmod(0o755)
    (shop.path / "Makefile").unlink()
    head = commit_files(shop.path, {"z/long.txt": "x" * 9000})
    reader, git_dir = ChangeReader(shop.git), shop.path / ".git"
    changes = await reader.changes(git_dir, shop.base, head)
    found: dict[str, list[tuple[int, str]]] = {}
    lines = await reader.lines(git_dir, shop.base, head, changes)
    for line in lines.added:
        found.setdefault(line.path, []).append((line.line, line.text))
    assert found["src/a.py"] == [(1, "target")]
    assert found['we"ird\n.txt'] == [(1, "one"), (2, "two")]
    assert found["nul.bin"] == [(1, "a\0b"), (2, "last")]
    assert found["tool.sh"] == [(2, "--- a/x"), (3, "+++ b/x"), (4, "@@ -1 +1 @@"), (5, "diff --git a/x b/x")]
    assert {number for number, _ in found["z/long.txt"]} == {1}
    assert set(found) == {"src/a.py", 'we"ird\n.txt', "nul.bin", "tool.sh", "z/long.txt"}
    by_path = {change.path: change for change in changes}
    assert by_path["Makefile"].is_deleted
    assert by_path["nul.bin"].binary
    assert by_path["nul.bin"].new_size == 8
    assert by_path["tool.sh"].added == 4
