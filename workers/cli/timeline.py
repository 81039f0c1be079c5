"""A task's trace in the terminal: a tree with, for each span, when it began, how long it took, and a bar.

Time that is spent waiting for people alone is drawn shorter than it was, or minutes of work would vanish beside days.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workers.cli.terminal import out, plain
from workflows.models.plural import plural
from workflows.models.trace import Span

_BAR = 36
_MOST_CHILDREN = 40
"""Of one span, before the rest is summed up in a line; `--json` has all."""
_MOST_LINES = 400
_SHORTENED = 0.1
"""A wait for people takes at most this much of the axis, in relation to all that is no wait."""
_DEEPEST = 12
Row = tuple[int, Span]


def print_timeline(spans: Sequence[Span], console: Console | None = None, now: float | None = None) -> None:
    """Draw the spans. Open ones reach to `now`, unix seconds."""
    console = console or out()
    if not spans:
        console.print("There is no trace of this task.")
        return
    until = round((now if now is not None else time.time()) * 1e9)
    axis = _Axis(spans, until)
    table = Table("span", "begins", "takes", "", box=None, pad_edge=False, collapse_padding=True)
    for column, justify in zip(table.columns[1:3], ("right", "right"), strict=True):
        column.justify = justify  # type: ignore[assignment]
    for line in _lines(spans, until):
        if isinstance(line, str):
            table.add_row(line)
            continue
        depth, span = line
        end = max(span.start_unix_nano, span.end_unix_nano or until)
        table.add_row(
            "  " * depth + _named(span),
            _seconds(span.start_unix_nano - axis.start),
            _seconds(end - span.start_unix_nano) + ("…" if span.end_unix_nano is None else ""),
            axis.bar(span, end),
        )
    console.print(f"trace {plain(spans[0].trace_id, 40)}   {plural(len(spans), 'span')}")
    console.print(table)
    if axis.is_shortened:
        console.print("[dim]░ waits for a person, drawn shorter than it was; … goes on[/dim]")


def _named(span: Span) -> str:
    name = plain(span.name, 60)
    attempt = span.attributes.get("journeyman.attempt", 1)
    details = [plain(str(span.attributes[key]), 20) for key in ("journeyman.tree",) if key in span.attributes] + (
        [f"attempt {attempt}"] if attempt != 1 else []
    )
    if span.attributes.get("journeyman.waits_for"):
        details.append("waits for a person")
    text = name + (f" [dim]({', '.join(details)})[/dim]" if details else "")
    return f"{text} [red]✗ {escape(plain(span.error, 30))}[/red]" if span.error else text


def _lines(spans: Sequence[Span], until: int) -> Iterator[Row | str]:
    """Each span below its parent, in order of time; what is too much is summed up."""
    children, roots = _tree(spans)
    waiting: list[tuple[int, Span | str]] = _pushed(0, roots, until)
    for _ in range(_MOST_LINES):
        if not waiting:
            return
        depth, item = waiting.pop()
        if isinstance(item, str):
            yield "  " * depth + item
        else:
            yield depth, item
            waiting += _pushed(min(depth + 1, _DEEPEST), children.get(item.span_id, []), until)
    if waiting:
        yield f"[dim]and more: there are {len(spans)} spans in all; --json has them[/dim]"


def _pushed(depth: int, siblings: list[Span], until: int) -> list[tuple[int, Span | str]]:
    """Siblings as a stack, the first one on top; the rest of too many as one line."""
    items: list[tuple[int, Span | str]] = [(depth, span) for span in siblings[:_MOST_CHILDREN]]
    if rest := siblings[_MOST_CHILDREN:]:
        seconds = sum(max(0, (span.end_unix_nano or until) - span.start_unix_nano) for span in rest) / 1e9
        items.append((depth, f"[dim]and {len(rest)} more, {seconds:.1f} s together[/dim]"))
    return items[::-1]


def _tree(spans: Sequence[Span]) -> tuple[dict[str, list[Span]], list[Span]]:
    """Children by their parent, and the roots: spans whose parent is not there, or is below them."""
    known = {span.span_id: span for span in spans}
    children: dict[str, list[Span]] = {}
    roots: list[Span] = []
    for span in sorted(known.values(), key=lambda span: span.start_unix_nano):
        if span.parent_id in known and not _in_a_circle(span, known):
            children.setdefault(span.parent_id, []).append(span)
        else:
            roots.append(span)
    return children, roots


def _in_a_circle(span: Span, known: dict[str, Span]) -> bool:
    seen, above = {span.span_id}, known[span.parent_id]
    while above.span_id not in seen and above.parent_id in known:
        seen.add(above.span_id)
        above = known[above.parent_id]
    return above.span_id == span.span_id


class _Axis:
    """From a moment to a place in the bar, with waits for people shortened."""

    def __init__(self, spans: Sequence[Span], until: int) -> None:
        self.start = min(span.start_unix_nano for span in spans)
        end = max(max(span.start_unix_nano, span.end_unix_nano or until) for span in spans)
        waits = _merged(
            (span.start_unix_nano, max(span.start_unix_nano, span.end_unix_nano or until))
            for span in spans
            if span.attributes.get("journeyman.waits_for")
        )
        waiting = sum(last - first for first, last in waits)
        most = max(1, round((end - self.start - waiting) * _SHORTENED))
        self.is_shortened = any(last - first > most for first, last in waits)
        edges = sorted({self.start, end, *(moment for wait in waits for moment in wait)})
        self._places = [(self.start, 0)]
        """Moments, and where they are on the axis."""
        place = 0
        for first, last in pairwise(edges):
            waited = any(begin <= first and last <= over for begin, over in waits)
            place += min(last - first, most) if waited else last - first
            self._places.append((last, place))
        self._length = max(1, place)

    def bar(self, span: Span, end: int) -> str:
        """The span as a bar: at least one character, wherever it is."""
        first = min(_BAR - 1, int(self._at(span.start_unix_nano) * _BAR))
        last = max(first + 1, min(_BAR, round(self._at(end) * _BAR)))
        mark, colour = ("░", "yellow") if span.attributes.get("journeyman.waits_for") else ("█", "cyan")
        colour = "red" if span.error else colour
        return f"{' ' * first}[{colour}]{mark * (last - first)}[/{colour}]"

    def _at(self, moment: int) -> float:
        for (first, start), (last, end) in pairwise(self._places):
            if moment <= last:
                share = (moment - first) / (last - first) if last > first else 0
                return (start + max(0, share) * (end - start)) / self._length
        return 1.0


def _merged(intervals: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _seconds(nanoseconds: int) -> str:
    seconds = nanoseconds / 1e9
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2f} s"
