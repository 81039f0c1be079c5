"""What a repository checks itself with, found from the names of its files; for repositories without a team file.

Pure: it gets base's paths and a way to read single files of base. Nothing of the repository is executed.
"""

import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from activities.policy.detect_setup import Read, detect_setup
from workflows.models.base import Model
from workflows.models.policy import Check, Setup

JUNIT = ".journeyman-junit.xml"
"""Where a detected check writes its report, at the root of its own checkout."""
PYTEST = Check(name="pytest", command=f"python3 -m pytest -q --junitxml={JUNIT}", junit=JUNIT)
NPM_TEST = Check(
    name="npm test",
    command='[ ! -d "$JOURNEYMAN_LAYER/node_modules" ] || ln -sfn "$JOURNEYMAN_LAYER/node_modules" node_modules\n'
    "npm test",
)
"""Modules are looked up beside the sources, so the layer's are linked there."""
FILES_LOOKED_INTO = 40
"""Test files that are read to tell pytest from unittest: enough for any style to show."""
_NO_NPM_TESTS = re.compile(r"no test specified")
_PYTHON_TEST = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")
_MAKE_TEST = re.compile(r"^test\s*:(?!=)", re.MULTILINE)


class Detected(Model):
    """What was found in a repository."""

    checks: tuple[Check, ...] = ()
    setup: Setup = Setup()


def detect(paths: Iterable[str], read: Read) -> Detected:
    """Checks and set-up of a repository. `read` returns a file's first bytes, or None if it can't be read."""
    present = frozenset(paths)
    found = [*_python(present, read), *_node(present, read), *_go(present), *_cargo(present)]
    # A Makefile's `test` mostly wraps one of the others, which name their tests; alone it is better than nothing.
    checks = tuple(found) or tuple(_make(present, read))
    return Detected(checks=checks, setup=detect_setup(present, read))


def _python(present: frozenset[str], read: Read) -> Iterable[Check]:
    tests = sorted(path for path in present if _PYTHON_TEST.search(path))
    if not tests:
        return
    sources = [_text(read, path) for path in tests[:FILES_LOOKED_INTO]]
    if _is_configured_for_pytest(present, read) or any(_is_pytest_style(source) for source in sources):
        yield PYTEST
    elif any("unittest" in source for source in sources):
        yield Check(name="unittest", command=_unittest_command(tests, present))


def _is_configured_for_pytest(present: frozenset[str], read: Read) -> bool:
    if any(PurePosixPath(path).name in ("pytest.ini", ".pytest.ini", "conftest.py") for path in present):
        return True
    sections = (("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]"))
    if any(name in present and section in _text(read, name) for name, section in sections):
        return True
    requirements = (path for path in present if re.fullmatch(r"(.*/)?requirements[^/]*\.(txt|in)", path))
    if any(re.search(r"^pytest\b", _text(read, path), re.MULTILINE) for path in sorted(requirements)[:20]):
        return True
    return "pyproject.toml" in present and "pytest" in _text(read, "pyproject.toml")


def _is_pytest_style(source: str) -> bool:
    return bool(re.search(r"^\s*(import|from) pytest\b|^(async )?def test_", source, re.MULTILINE))


def _unittest_command(tests: list[str], present: frozenset[str]) -> str:
    folders = {str(PurePosixPath(path).parent) for path in tests}
    top = next(
        (folder for folder in ("tests", "test") if any(f == folder or f.startswith(f"{folder}/") for f in folders)), ""
    )
    pattern = "test*.py" if any(PurePosixPath(path).name.startswith("test") for path in tests) else "*_test.py"
    start = f" -s {top}" if top and f"{top}/__init__.py" not in present else ""
    return f"python3 -m unittest discover{start} -p '{pattern}'"


def _node(present: frozenset[str], read: Read) -> Iterable[Check]:
    if "package.json" not in present:
        return
    try:
        script = json.loads(_text(read, "package.json"))["scripts"]["test"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if isinstance(script, str) and script.strip() and not _NO_NPM_TESTS.search(script):
        yield NPM_TEST


def _go(present: frozenset[str]) -> Iterable[Check]:
    if "go.mod" in present and any(path.endswith("_test.go") for path in present):
        yield Check(name="go test", command="go test ./...")


def _cargo(present: frozenset[str]) -> Iterable[Check]:
    if "Cargo.toml" in present:
        yield Check(name="cargo test", command="cargo test --offline")


def _make(present: frozenset[str], read: Read) -> Iterable[Check]:
    for name in ("GNUmakefile", "makefile", "Makefile"):
        # The first of these is the one that make reads.
        if name in present:
            if _MAKE_TEST.search(_text(read, name)):
                yield Check(name="make test", command="make test")
            return


def _text(read: Read, path: str) -> str:
    return (read(path) or b"").decode("utf-8", "replace")
