"""What Linear's own client for TypeScript declares, as a GraphQL schema: from npm by a lock with hashes.

Linear's package holds no schema, but its declarations are generated from one: each object, input, enum and argument is
a type there.
"""

import re
from functools import cache as once

import pytest
from graphql import GraphQLSchema, build_schema

from tests.support.published_packages import Unreachable, installed

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
    (file,) = (installed("linear") / "node_modules/@linear/sdk/dist").glob("index-*.d.mts")
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
