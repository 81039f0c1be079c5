"""Requirements files as pip-compile, uv and people write them, as far as they pin.

Anything but a pinned requirement is refused rather than skipped: an option in such a file can name another index, let
a package build itself, or fetch from anywhere.
"""

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement

from activities.environment.locks.package import Elsewhere, Locked, LockRefused, pypi_package

_HASH = re.compile(r"\s--hash[=\s]([a-z0-9]+):([0-9a-fA-F]+)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_ENCODING = re.compile(r"coding[:=]\s*(?!utf-?8\b)[-\w.]+", re.IGNORECASE | re.ASCII)
"""As pip looks for it (PEP 263): by UTF-7, say, what is a comment to everybody else is a requirement."""
_HARMLESS = re.compile(r"--require-hashes|--prefer-binary|--only-binary[ =]:all:")
_INCLUDED = re.compile(r"(-r|-c|--requirement|--constraint)[ =] *[A-Za-z0-9._/@+-]*")
"""A file of the repository's. It counts only if the set-up names it as a lock file too."""


def read_requirements(name: str, text: str) -> Iterator[Locked]:
    """Every pinned requirement, and every file that is included. Raises LockRefused for a line that is neither."""
    if any(_ENCODING.search(line) for line in text.split("\n")[:2] if line.startswith("#")):
        raise LockRefused(f"{name} states an encoding of its own, by which pip reads it otherwise: take that line out")
    for number, line in _logical_lines(text):
        if _HARMLESS.fullmatch(line):
            continue
        if _INCLUDED.fullmatch(line):
            yield Elsewhere.of(name, line)
            continue
        where = f"{name}, line {number}: {line[:80]!r}"
        if line.startswith("-"):
            raise LockRefused(f"{where} is an option, and options change where packages come from: take it out")
        hashes = tuple(sorted({digest.lower() for kind, digest in _HASH.findall(f" {line}") if kind == "sha256"}))
        try:
            requirement = Requirement(_HASH.sub("", f" {line}").strip())
        except InvalidRequirement as error:
            raise LockRefused(f"{where} can't be read: write `name==version`, with its hashes") from error
        pins = list(requirement.specifier)
        pinned = len(pins) == 1 and pins[0].operator in ("==", "===") and not pins[0].version.endswith(".*")
        if requirement.url or not pinned:
            raise LockRefused(f"{where} pins no version: write `name==version`, or let `pip-compile` or `uv` write it")
        yield pypi_package(name, requirement.name, pins[0].version, hashes)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, with those put together that a backslash continues, by the number of their first."""
    parts: list[str] = []
    first = 1
    for number, raw in enumerate(text.splitlines(), start=1):
        if not parts:
            first = number
        continues = raw.rstrip().endswith("\\") and not raw.lstrip().startswith("#")
        parts.append(_COMMENT.sub("", raw.rstrip()[:-1] if continues else raw).strip())
        if not continues:
            if line := " ".join(part for part in parts if part):
                yield first, line
            parts = []
    if line := " ".join(part for part in parts if part):
        yield first, line
