"""Which changed statements a watched run ran: from what was noted there, which code under test could have written.

Of Python the probe notes lines; of JavaScript Node itself writes what its engine counted, by NODE_V8_COVERAGE.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from activities.evaluation.beneath import NotReadable, files_beneath, read_beneath, unlink_beneath
from activities.evaluation.depth.code import Changed, Statement
from activities.evaluation.depth.probe_stage import RECORD
from activities.sandbox.contract import WORKSPACE
from workflows.models.evidence import Coverage

MOST_RECORDS = 2000
MOST_RECORD_BYTES = 32 * 1024 * 1024
MOST_COUNTED_BYTES = 8 * 1024 * 1024
"""Of one process of Node's, whatever it loaded; a larger one says nothing."""
_WATCHING = b"watching"
_REPLACED = b"replaced"
PYTHON = ".py"


@dataclass
class LinesRun:
    """What was noted."""

    places: dict[str, set[int]] = field(default_factory=dict)
    """By path as it was asked for: lines of Python, offsets of JavaScript's statements."""
    measured: set[str] = field(default_factory=set)
    """Paths of which it is known what was run."""
    unknown: str = ""
    """Why it is not all that was run."""


def lines_run(checkouts: Iterable[Path], code: Mapping[str, Changed]) -> LinesRun:
    """Read the notes of all checks together."""
    found = LinesRun({path: set() for path in code})
    left = MOST_RECORD_BYTES
    for checkout in checkouts:
        folder = checkout / RECORD
        try:
            for name in files_beneath(folder, most_entries=MOST_RECORDS):
                is_counted = name.endswith(".json")
                data = read_beneath(folder, name, min(left, MOST_COUNTED_BYTES) if is_counted else left)
                left -= len(data)
                if is_counted:
                    _take_counts(data, code, found)
                else:
                    _take_lines(data, found)
        except NotReadable:
            found.unknown = "more was noted than is read"
    if not found.measured and not found.unknown:
        found.unknown = "no check starts a program in which changed code could be watched"
    return found


def _take_lines(data: bytes, found: LinesRun) -> None:
    for line in data.split(b"\n"):
        if line == _WATCHING:
            found.measured |= {path for path in found.places if path.endswith(PYTHON)}
        if line == _REPLACED:
            found.unknown = "another tool watches the tests, so what they ran is not known"
        number, _, path = line.partition(b" ")
        known = found.places.get(path.decode("utf-8", "surrogateescape"))
        if known is not None and number.isdigit() and len(number) < 9:
            known.add(int(number))


def _take_counts(data: bytes, code: Mapping[str, Changed], found: LinesRun) -> None:
    addresses = {f"file://{WORKSPACE}/{quote(path)}": each for path, each in code.items() if not path.endswith(PYTHON)}
    try:
        for script in json.loads(data)["result"]:
            changed = addresses.get(script["url"])
            if changed is None:
                continue
            ranges = [counted for function in script["functions"] for counted in _ranges(function)]
            # What a tool has translated is another text, in which places mean nothing.
            length = len(changed.source.decode().encode("utf-16-le")) // 2
            if not ranges or max(end for _, end, _ in ranges) != length:
                continue
            found.measured.add(changed.path)
            found.places[changed.path] |= {
                each.offset for each in changed.statements if _is_counted(each.offset, ranges)
            }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # not what Node writes


def _ranges(function: Any) -> Iterator[tuple[int, int, int]]:
    for each in function["ranges"]:
        yield int(each["startOffset"]), int(each["endOffset"]), int(each["count"])


def _is_counted(offset: int, ranges: list[tuple[int, int, int]]) -> bool:
    """Whether the innermost range around a place was run (Chrome DevTools protocol, Profiler.CoverageRange)."""
    around = [(end - start, count) for start, end, count in ranges if start <= offset < end]
    return min(around, default=(0, 0))[1] > 0


def forget_notes(checkout: Path) -> None:
    """What is in the tree under the name of the notes was not noted in this run."""
    unlink_beneath(checkout, RECORD)
    try:
        for name in list(files_beneath(checkout / RECORD, most_entries=MOST_RECORDS)):
            unlink_beneath(checkout / RECORD, name)
    except NotReadable:
        return  # reading them afterwards fails in the same way, and says so


def is_run(statement: Statement, places: set[int]) -> bool:
    """Whether a statement was run: of Python's that are several lines long each line is noted by itself."""
    if statement.offset >= 0:
        return statement.offset in places
    return any(line in places for line in range(statement.line, statement.end + 1))


def covered(code: Mapping[str, Changed], run: LinesRun) -> Coverage:
    """The figures."""
    if run.unknown:
        return Coverage(unknown=run.unknown)
    every = [(path, each) for path, changed in code.items() if path in run.measured for each in changed.statements]
    return Coverage(
        statements=len(every),
        run=sum(is_run(statement, run.places.get(path, set())) for path, statement in every),
    )
