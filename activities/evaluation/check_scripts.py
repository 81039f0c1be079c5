"""Files that a check's command names: a patch that changes one of them changes what the check is.

`./run_tests.sh` and `python tools/check.py` are as much a definition as a Makefile. What such a file runs in its turn
is not followed: a team that has more names it under `check_definitions`.
"""

import re
import shlex
from collections.abc import Iterable, Iterator

from activities.evaluation.paths import TESTS, matches
from workflows.models.policy import Check

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SPECIAL = re.compile(r"([\\*?\[\]!# ])")
_OPERATORS = ";&|()<>\n"


def named_files(checks: Iterable[Check]) -> tuple[str, ...]:
    """Gitignore-style patterns of the files that these checks' commands name, wherever a `cd` may have led before."""
    return tuple(dict.fromkeys(pattern for check in checks for pattern in _patterns(_words(check.command))))


def _words(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        # A shell may understand what this does not, such as a quote in a here-document.
        return command.split()


def _patterns(words: list[str]) -> Iterator[str]:
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m" and _MODULE.fullmatch(word):
            path = word.replace(".", "/")
            yield from (f"**/{path}.py", f"**/{path}/__main__.py", f"**/{path}/__init__.py")
            continue
        name = word.rpartition("=")[2].removeprefix("./").strip("/")
        is_path = "/" in name or "." in name.strip(".") or word.startswith("./")
        # Tests that a command names are judged as tests.
        if is_path and not matches(name, TESTS):
            yield "**/" + _SPECIAL.sub(r"\\\1", name)
