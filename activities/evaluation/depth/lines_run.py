"""Which changed statements a watched run ran: from what the probe noted, which code under test could have written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from activities.evaluation.beneath import NotReadable, files_beneath, read_beneath, unlink_beneath
from activities.evaluation.depth.probe_stage import RECORD
from activities.evaluation.depth.python_code import Statement
from workflows.models.evidence import Coverage

MOST_RECORDS = 2000
MOST_RECORD_BYTES = 16 * 1024 * 1024
_WATCHING = b"watching"
_REPLACED = b"replaced"


@dataclass
class LinesRun:
    """What was noted."""

    lines: dict[str, set[int]] = field(default_factory=dict)
    """By path as it was asked for."""
    unknown: str = ""
    """Why it is not all that was run."""


def lines_run(checkouts: Iterable[Path], wanted: Iterable[str]) -> LinesRun:
    """Read the notes of all checks together."""
    found = LinesRun({path: set() for path in wanted})
    watched = False
    left = MOST_RECORD_BYTES
    for checkout in checkouts:
        folder = checkout / RECORD
        try:
            for name in files_beneath(folder, most_entries=MOST_RECORDS):
                data = read_beneath(folder, name, left)
                left -= len(data)
                for line in data.split(b"\n"):
                    watched = watched or line == _WATCHING
                    if line == _REPLACED:
                        found.unknown = "another tool watches the tests, so what they ran is not known"
                    number, _, path = line.partition(b" ")
                    known = found.lines.get(path.decode("utf-8", "surrogateescape"))
                    if known is not None and number.isdigit() and len(number) < 9:
                        known.add(int(number))
        except NotReadable:
            found.unknown = "more was noted than is read"
    if not watched and not found.unknown:
        found.unknown = "no check starts a Python that could be watched"
    return found


def forget_notes(checkout: Path) -> None:
    """What is in the tree under the name of the notes was not noted in this run."""
    unlink_beneath(checkout, RECORD)
    try:
        for name in list(files_beneath(checkout / RECORD, most_entries=MOST_RECORDS)):
            unlink_beneath(checkout / RECORD, name)
    except NotReadable:
        return  # reading them afterwards fails in the same way, and says so


def is_run(statement: Statement, lines: set[int]) -> bool:
    """Whether a statement was run: of one that is several lines long each line is noted by itself."""
    return any(line in lines for line in range(statement.line, statement.end + 1))


def covered(statements: Mapping[str, tuple[Statement, ...]], run: LinesRun) -> Coverage:
    """The figures."""
    if run.unknown:
        return Coverage(unknown=run.unknown)
    every = [(path, statement) for path, found in statements.items() for statement in found]
    return Coverage(
        statements=len(every),
        run=sum(is_run(statement, run.lines.get(path, set())) for path, statement in every),
    )
