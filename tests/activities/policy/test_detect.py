"""A repository without a team file is judged by the checks it has, and onboarding proposes them."""

from collections.abc import Mapping

import pytest

from activities.policy.detect import JUNIT, detect
from activities.policy.reading import read_team
from activities.policy.render import render_team_file
from workflows.models.policy import Setup

HASHED = "pytest==9.2.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"


def names(files: Mapping[str, str]) -> list[str]:
    return [check.name for check in detect(files, lambda path: files[path].encode()).checks]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"calc.py": "", "test_calc.py": "def test_add():\n    assert True\n"}, ["pytest"]),
        ({"tests/test_calc.py": "import unittest\n", "conftest.py": ""}, ["pytest"]),
        ({"tests/test_calc.py": "import unittest\nclass T(unittest.TestCase): ...\n"}, ["unittest"]),
        ({"tests/test_a.py": "import unittest", "pyproject.toml": "[tool.pytest.ini_options]"}, ["pytest"]),
        ({"package.json": '{"scripts": {"test": "node --test"}}'}, ["npm test"]),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, []),
        ({"package.json": "[" * 100_000}, []),
        ({"package.json": '{"scripts": 5}'}, []),
        ({"go.mod": "", "a_test.go": ""}, ["go test"]),
        ({"go.mod": ""}, []),
        ({"Cargo.toml": ""}, ["cargo test"]),
        ({"Makefile": "all:\n\ntest: all\n\t./run\n"}, ["make test"]),
        ({"Makefile": "test := 5\n"}, []),
        ({"Makefile": "test:\n\tpytest\n", "test_a.py": "def test_a(): ..."}, ["pytest"]),
        ({"test_a.py": "def test_a(): ...", "go.mod": "", "b_test.go": ""}, ["pytest", "go test"]),
        ({"README.md": ""}, []),
        ({}, []),
    ],
)
def test_the_checks_a_repository_has_are_found(files: dict[str, str], found: list[str]) -> None:
    assert names(files) == found


def test_a_file_that_cannot_be_read_does_not_stop_detection() -> None:
    assert detect(["test_a.py", "Makefile", "package.json"], lambda _: None).checks == ()


def test_a_detected_pytest_names_its_tests() -> None:
    (check,) = detect(["conftest.py", "test_a.py"], lambda _: b"").checks
    assert JUNIT in check.command
    assert check.junit == JUNIT


def test_only_what_is_pinned_by_hash_is_installed_unasked() -> None:
    files = {"requirements.txt": HASHED, "requirements-dev.txt": "requests\n", "docs/requirements.txt": HASHED}
    setup = detect(files, lambda path: files[path].encode()).setup
    assert setup.lock_files == ("requirements.txt",)
    assert "--require-hashes" in setup.commands[-1]
    assert "requirements-dev" not in " ".join(setup.commands)


def test_a_node_lock_is_installed_without_its_install_scripts() -> None:
    setup = detect(["package.json", "package-lock.json"], lambda _: b"{}").setup
    assert setup.lock_files == ("package.json", "package-lock.json")
    assert "--ignore-scripts" in setup.commands[0]


def test_a_requirements_file_with_a_hostile_name_stays_one_word() -> None:
    name = "requirements;touch pwned #.txt"
    setup = detect([name], lambda _: HASHED.encode()).setup
    assert f"-r '{name}'" in setup.commands[-1]


@pytest.mark.parametrize(
    "files",
    [
        {"test_a.py": "def test_a(): ...", "requirements.txt": HASHED},
        {"package.json": '{"scripts": {"test": "node --test"}}', "package-lock.json": "{}"},
        {"README.md": ""},
    ],
)
def test_the_proposed_team_file_says_what_was_detected(files: dict[str, str]) -> None:
    found = detect(files, lambda path: files[path].encode())
    team = read_team(render_team_file(found).encode())
    assert team is not None
    assert [check.model_dump() for check in team.checks or ()] == [check.model_dump() for check in found.checks]
    assert (Setup(**team.setup.model_dump()) if team.setup else Setup()) == found.setup
