"""The demonstration's repository: small, with conventions, a history, and one test that fails."""

import subprocess
from pathlib import Path

FILES = {
    "calc.py": '''"""Sums for the shop's till."""


def add(a: int, b: int) -> int:
    """The sum of two amounts, in cents."""
    return a - b


def double(a: int) -> int:
    """Twice an amount."""
    return a * 2
''',
    "tests/test_calc.py": """from calc import add, double


def test_adding_two_amounts_gives_their_sum():
    assert add(2, 3) == 5


def test_doubling():
    assert double(4) == 8
""",
    "conftest.py": "",
    "AGENTS.md": """# AGENTS.md

## What this repo is
A till's arithmetic: calc.py, with its tests in tests/.

## How to run tests
python3 -m pytest -q

## What the agent should never do
- Never change a test to make it pass.
- Never touch anything but what the task is about.
""",
    ".journeyman/team.toml": """# Owned by the team; read from the base branch. See docs/reference/policy-files.md.
scope = ["calc.py", "tests/**"]

[[checks]]
name = "tests"
command = "python3 -m pytest -q --junitxml=.journeyman-junit.xml"
junit = ".journeyman-junit.xml"
""",
    ".gitignore": "__pycache__/\n.pytest_cache/\n.journeyman-junit.xml\n",
}
GOAL = "The test test_adding_two_amounts_gives_their_sum fails. Find out why and mend it."


def create_demo_repository(path: Path) -> None:
    """Make the repository, bare, with its files on `main`."""
    work = path.with_name(path.name + ".work")
    for name, content in FILES.items():
        file = work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    person = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    _git(work, "init", "--quiet", "--initial-branch=main")
    _git(work, "add", "--all")
    _git(work, *person, "commit", "--quiet", "--no-verify", "-m", "Start the till")
    _git(work, "clone", "--quiet", "--bare", str(work), str(path))


def _git(directory: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(directory), *arguments], check=True, capture_output=True)
