"""What a patch brings by its lock files is told by comparing them with base's, whatever the patch made of them."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from activities.evaluation.lock_changes import LockChanges, LockReader, not_allowed
from activities.repository.git import Git
from tests.support.repositories import git, make_repository
from workflows.models.policy import RegistryReach, Setup, TaskPolicy

DIGEST, OTHER = "ab" * 32, "cd" * 32
BASE = f"one==1.0 --hash=sha256:{DIGEST}\n"
MANIFEST = {"name": "shop", "scripts": {"build": "true"}, "dependencies": {"x": "1"}}
FILES = {
    "web/package.json": json.dumps(MANIFEST),
    "pyproject.toml": '[project]\nname = "shop"\ndependencies = []\n',
    "setup.py": "",
    "requirements.txt": BASE,
    "[a]*.txt": "two==1.0\n",
    "web/package-lock.json": json.dumps({"lockfileVersion": 3, "packages": {}}),
}
POLICY = TaskPolicy(setup=Setup(commands=("true",), lock_files=tuple(FILES)))


async def compared(place: Path, change: str, policy: TaskPolicy = POLICY) -> LockChanges:
    """What comes of a change that a shell makes in a work tree."""
    repository = make_repository(place / "shop", FILES)
    base = git(repository, "rev-parse", "HEAD").strip()
    await asyncio.to_thread(subprocess.run, ["sh", "-ec", change], cwd=repository, check=True)
    git(repository, "add", "-A")
    git(repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "change")
    return await LockReader(Git(place / "git")).compare(repository / ".git", base, "HEAD", policy)


@pytest.mark.parametrize(
    ("change", "brought"),
    [
        (f"echo 'one==1.1 --hash=sha256:{DIGEST}' > requirements.txt", ("one@1.1",)),
        # The same version, and another file of it; or any file of it at all.
        (f"echo 'one==1.0 --hash=sha256:{OTHER}' > requirements.txt", ("one@1.0",)),
        (f"echo 'one==1.0 --hash=sha256:{DIGEST} --hash=sha256:{OTHER}' > requirements.txt", ("one@1.0",)),
        ("echo one==1.0 > requirements.txt", ("one@1.0",)),
        ("echo three==1.0 >> '[a]*.txt'", ("three@1.0",)),
        (
            """echo '{"lockfileVersion": 3, "packages": {"node_modules/x": {"name": "real", "version": "2.0.0"}}}' \
            > web/package-lock.json""",
            ("npm:real@2.0.0",),
        ),
        # What is taken away, or said in other words, brings nothing.
        ("echo '# nothing' > requirements.txt", ()),
        (f"printf '# why\\none == 1.0 \\\\\\n  --hash=sha256:{DIGEST}\\n' > requirements.txt", ()),
        ("echo hello > other.txt", ()),
        # Lists of dependencies bring nothing by themselves.
        ("sed -i s/1/2/ web/package.json; sed -i 's/\\[]/[\"one\"]/' pyproject.toml", ()),
    ],
)
async def test_a_package_counts_as_brought_if_base_has_it_not_exactly_like_this(
    tmp_path: Path, change: str, brought: tuple[str, ...]
) -> None:
    found = await compared(tmp_path, change)
    assert (tuple(one.told for one in found.brought), found.refused) == (brought, "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("rm requirements.txt", "was deleted"),
        ("ln -sf web/package-lock.json requirements.txt", "is no plain file any more"),
        # Files that pin nothing and say what is done: they would be taken over unseen.
        ("sed -i s/true/evil/ web/package.json", "web/package.json was changed beyond its lists of dependencies"),
        ("echo '[build-system]' >> pyproject.toml", "pyproject.toml was changed beyond its lists of dependencies"),
        ("echo '{' > web/package.json", "web/package.json can't be read"),
        ("echo 'import os' > setup.py", "setup.py decides what a set-up does"),
        ("echo '-r docs/other.txt' >> requirements.txt", 'is of no registry: "-r docs/other.txt"'),
        (
            """echo '{"lockfileVersion": 3, "packages": {"node_modules/x": {"resolved": "git+ssh://x"}}}' \
            > web/package-lock.json""",
            "is of no registry",
        ),
        ("seq 300 | sed 's/.*/p&==1/' >> '[a]*.txt'", "brings 300 packages, and people are asked about 200 at most"),
    ],
)
async def test_what_can_not_be_told_or_asked_about_is_refused(tmp_path: Path, change: str, words: str) -> None:
    found = await compared(tmp_path, change)
    assert words in found.refused and found.changes


async def test_the_same_name_in_another_ecosystem_is_another_package(tmp_path: Path) -> None:
    lock = json.dumps({"lockfileVersion": 3, "packages": {"node_modules/three": {"version": "1.0"}}})
    found = await compared(tmp_path, f"echo three==1.0 >> '[a]*.txt'; echo '{lock}' > web/package-lock.json")
    # Asked about both, and allowing one allows one.
    assert not_allowed(found.brought, POLICY, {}) == ("three@1.0", "npm:three@1.0")
    assert not_allowed(found.brought, POLICY, {"three@1.0": "grace"}) == ("npm:three@1.0",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("sed -i s/1/2/ web/package.json", "web/package.json was changed, from which a set-up may install anything"),
        (
            """echo '{"lockfileVersion": 3, "packages": {"node_modules/x": {"version": "1.0.0",
            "resolved": "https://r.example/evil/-/evil-1.0.0.tgz"}}}' > web/package-lock.json""",
            "npm:x@1.0.0 would be fetched from an address that is another's",
        ),
    ],
)
async def test_with_a_whole_registry_nothing_is_taken_over_that_names_do_not_tell(
    tmp_path: Path, change: str, words: str
) -> None:
    setup = POLICY.setup.model_copy(update={"registry": RegistryReach.WHOLE})
    found = await compared(tmp_path, change, POLICY.model_copy(update={"setup": setup}))
    assert found.refused == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("echo '--index-url https://evil.example' >> requirements.txt", "is an option"),
        ("echo '{' > web/package-lock.json", "not JSON"),
    ],
)
async def test_what_base_s_set_up_could_not_read_is_broken_and_for_the_agent_to_mend(
    tmp_path: Path, change: str, words: str
) -> None:
    found = await compared(tmp_path, change)
    assert words in found.broken and found.changes and not found.refused and not found.brought


async def test_policy_allows_by_name_and_security_s_ceiling_holds_for_everybody(tmp_path: Path) -> None:
    allowing = POLICY.model_copy(update={"packages": ("three", "@types/*"), "packages_ceiling": ("three",)})
    found = await compared(tmp_path, "echo three==1.0 >> '[a]*.txt'", allowing)
    assert found.refused == "" and not_allowed(found.brought, allowing, {}) == ()
    assert not_allowed(found.brought, POLICY, {}) == ("three@1.0",)
    # By name and version: an answer about one version is none about another.
    assert not_allowed(found.brought, POLICY, {"three@0.9": "grace"}) == ("three@1.0",)
    assert not_allowed(found.brought, POLICY, {"three@1.0": "grace"}) == ()
    beyond = allowing.model_copy(update={"packages_ceiling": ("four",)})
    (tmp_path / "second").mkdir()
    found = await compared(tmp_path / "second", "echo three==1.0 >> '[a]*.txt'", beyond)
    assert "lets nobody bring three@1.0" in found.refused
