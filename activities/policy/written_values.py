"""Kinds of values that the owners' files hold, each refused in words if it is not one."""

import re
from pathlib import PurePosixPath
from typing import Annotated

from pathspec import GitIgnoreSpec
from pydantic import AfterValidator, Field

from activities.egress.rules import Rule, RuleRefused

PERSON_ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

_PACKAGE = re.compile(r"(@[A-Za-z0-9~._-]+/)?[A-Za-z0-9~._*-]{1,214}")


def _pattern(text: str) -> str:
    if not text.strip() or text.startswith("!"):
        raise ValueError("write a gitignore-style pattern such as `src/` or `*.md`, without a leading `!`")
    try:
        GitIgnoreSpec.from_lines([text])
    except ValueError as error:
        raise ValueError(f"{text!r} is not a gitignore-style pattern: {error}") from error
    return text


def _host(text: str) -> str:
    try:
        Rule.parse(text)
    except RuleRefused as error:
        raise ValueError(str(error)) from error
    return text.strip().lower()


def relative(text: str) -> str:
    """A path inside the repository. Raises ValueError."""
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{text!r} must be a path inside the repository, without `..`")
    return text


def _package(text: str) -> str:
    if not _PACKAGE.fullmatch(text):
        raise ValueError(f"{text!r} is no package's name: write one such as `requests`, `@types/node` or `@types/*`")
    return text.lower() if not text.startswith("@") else text


Patterns = tuple[Annotated[str, AfterValidator(_pattern)], ...]
PackageNames = tuple[Annotated[str, AfterValidator(_package)], ...]
Hosts = tuple[Annotated[str, AfterValidator(_host)], ...]
RelativePath = Annotated[str, AfterValidator(relative)]
PersonId = Annotated[str, Field(pattern=PERSON_ID)]
Someone = Annotated[tuple[PersonId, ...], Field(min_length=1)]
"""At least one: an empty list would read as nobody to one person and as everybody to another."""
