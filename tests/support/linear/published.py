"""What Linear's own client for TypeScript declares, as a GraphQL schema: from npm by a lock with hashes.

Linear's package holds no schema, but its declarations are generated from one: each object, input, enum and argument is
a type there.
"""

import hashlib
import re
import shutil
import subprocess
from functools import cache as once
from pathlib import Path

import pytest
from filelock import FileLock
from graphql import GraphQLSchema, build_schema

from activities.agents.npm_install import npm_command, npm_environment
from tests.support.agent_toolchains import cache
from tests.support.github.published import _UNREACHABLE, Unreachable

_LOCK = Path(__file__).parents[3] / "infra" / "linear"
_FILES = ("package.json", "package-lock.json")
_DECLARED = re.compile(
    r"^(?:declare )?(type|enum) (\w+)(?: =)? (.*?)(?:;\n(?=[^\s}])|\n\}\n)", re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"/\*\*.*?\*/\s*", re.DOTALL)
_FIELD = re.compile(r"^\s*(\w+)(\??): (.*);$", re.MULTILINE)
_SCALARS = frozenset({"String", "Boolean", "Int", "Float", "ID"})


def published_schema() -> GraphQLSchema:
    """The interface as Linear's client knows it. Skips the test, and says why, where the package can't be had."""
    try:
        return _schema()
    except Unreachable as why:
        pytest.skip(str(why))


def declared_fields(name: str) -> set[str]:
    """The fields of one declared type, such as a webhook's payload. Skips the test as above."""
    try:
        return {field for field, _, _ in _fields(_declared()[name][1])}
    except Unreachable as why:
        pytest.skip(str(why))


@once
def _schema() -> GraphQLSchema:
    declared, parts = _declared(), []
    scalars: set[str] = set()
    for name, (kind, body) in declared.items():
        if kind == "enum":
            values = re.findall(r'= "(\w+)"', body)
            parts.append(f"enum {name} {{ {' '.join(values)} }}")
        elif "__typename?" in body or name in {"Query", "Mutation"}:
            fields = []
            for field, _, typed in _fields(body):
                given = declared.get(f"{name}{field[0].upper()}{field[1:]}Args")
                arguments = ", ".join(
                    f"{one}: {_type(text, scalars)}" for one, _, text in _fields(given[1] if given else "")
                )
                fields.append(f"{field}{f'({arguments})' if arguments else ''}: {_type(typed, scalars)}")
            parts.append(f"type {name} {{ {' '.join(fields) or '_: String'} }}")
        elif name.endswith(("Input", "Filter", "Comparator", "Sort")):
            fields = [f"{field}: {_type(typed, scalars)}" for field, _, typed in _fields(body)]
            parts.append(f"input {name} {{ {' '.join(fields) or '_: String'} }}")
    named = {part.split()[1] for part in parts}
    unions = {name: body.strip().split(" | ") for name, (_, body) in declared.items() if " | " in body}
    parts += [f"union {name} = {' | '.join(members)}" for name, members in unions.items() if named.issuperset(members)]
    named |= set(unions)
    used = set(re.findall(r"\w+", " ".join(re.findall(r": (\[*\w+)", " ".join(parts)))))
    parts += [f"scalar {one}" for one in sorted((scalars | used) - named - _SCALARS)]
    return build_schema("\n".join(parts), assume_valid=True)


@once
def _declared() -> dict[str, tuple[str, str]]:
    (file,) = (_installed() / "node_modules/@linear/sdk/dist").glob("index-*.d.mts")
    text = _COMMENT.sub("", file.read_text())
    found: dict[str, tuple[str, str]] = {}
    for kind, name, body in _DECLARED.findall(text):
        found.setdefault(name, (kind, body))
    return found


def _fields(body: str) -> list[tuple[str, str, str]]:
    return [one for one in _FIELD.findall(body) if one[0] != "__typename"]


def _type(written: str, scalars: set[str]) -> str:
    """As GraphQL writes it."""
    for optional in ("Maybe", "InputMaybe"):
        if written.startswith(f"{optional}<"):
            return _type(written[len(optional) + 1 : -1], scalars).removesuffix("!")
    if written.startswith("Array<"):
        return f"[{_type(written[6:-1], scalars)}]!"
    if scalar := re.fullmatch(r'Scalars\["(\w+)"\]', written):
        scalars.add(scalar[1])
        return f"{scalar[1]}!"
    return f"{re.sub(r'[^A-Za-z0-9_].*', '', written)}!"


def _installed() -> Path:
    content = b"".join((_LOCK / name).read_bytes() for name in _FILES)
    target = cache() / f"linear-descriptions-{hashlib.sha256(content).hexdigest()[:20]}"
    with FileLock(target.with_suffix(".lock")):
        if target.is_dir():
            return target
        building = target.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        for name in _FILES:
            shutil.copy(_LOCK / name, building)
        command = (*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
        done = subprocess.run(command, cwd=building, env=npm_environment(), capture_output=True, text=True, check=False)
        if any(word in done.stderr for word in _UNREACHABLE):
            raise Unreachable(f"what Linear's client declares is not here and can't be fetched: {done.stderr[-500:]}")
        assert done.returncode == 0, done.stderr
        building.rename(target)
        return target
