"""The timeline is readable whatever the trace is like."""

import io
import time

import pytest
from rich.console import Console

from workers.cli.timeline import print_timeline
from workflows.models.trace import Span

TRACE = "ab" * 16
DAY = 86400.0
T0 = 1_795_000_000.0


def a_span(number: int, start: float, end: float | None, parent: int = 0, name: str = "", **attributes: str) -> Span:
    return Span(
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        name=name or f"span {number}",
        start_unix_nano=round((T0 + start) * 1e9),
        end_unix_nano=None if end is None else round((T0 + end) * 1e9),
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
    )


def drawn(*spans: Span, now: float = 100, width: int = 120) -> list[str]:
    file = io.StringIO()
    print_timeline(spans, Console(file=file, width=width, highlight=False, soft_wrap=True), now=T0 + now)
    return file.getvalue().splitlines()


def line_of(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.strip().startswith(name))


def bar(line: str) -> int:
    return sum(line.count(mark) for mark in "█░")


def test_each_span_has_its_place_offset_duration_and_bar() -> None:
    lines = drawn(a_span(1, 0, 10, name="task"), a_span(2, 5, 10, parent=1, name="stage run"))
    assert "0.00 s" in line_of(lines, "task") and "10.00 s" in line_of(lines, "task")
    run = next(line for line in lines if "stage run" in line)
    assert run.startswith("  stage run") and "5.00 s" in run
    assert bar(line_of(lines, "task")) == 2 * bar(run)


def test_days_of_waiting_for_a_person_do_not_hide_the_minutes_of_work() -> None:
    spans = [
        a_span(1, 0, 3 * DAY, name="task"),
        a_span(2, 0, 120, parent=1, name="stage run"),
        a_span(3, 120, 3 * DAY, parent=1, name="stage review", journeyman__waits_for="person"),
    ]
    lines = drawn(*spans)
    assert "░" in line_of(lines, "stage review") and "waits for a person" in line_of(lines, "stage review")
    assert "3.0 d" in line_of(lines, "stage review")
    assert bar(line_of(lines, "stage run")) > bar(line_of(lines, "stage review"))


def test_what_goes_on_reaches_to_now_and_says_so() -> None:
    line = line_of(drawn(a_span(1, 0, None, name="task"), now=50), "task")
    assert "50.00 s…" in line


def test_spans_without_a_parent_or_with_each_other_as_parents_are_shown_once() -> None:
    lines = drawn(
        a_span(1, 0, 1, parent=99), a_span(2, 1, 2, parent=3), a_span(3, 1, 2, parent=2), a_span(4, 1, 2, parent=4)
    )
    for number in range(1, 5):
        assert sum(f"span {number}" in line for line in lines) == 1


@pytest.mark.parametrize(("start", "end"), [(0, 0), (10, 5), (0, 1e-9)])
def test_a_span_of_no_or_negative_length_still_has_a_bar(start: float, end: float) -> None:
    assert bar(line_of(drawn(a_span(1, start, end, name="odd")), "odd")) >= 1


def test_overlapping_spans_stay_apart() -> None:
    lines = drawn(*(a_span(number, number, number + 5) for number in range(1, 5)))
    assert len([line for line in lines if "span " in line and "█" in line]) == 4


def test_thousands_of_spans_are_summed_up_within_a_second_and_on_a_few_screens() -> None:
    spans = [a_span(1, 0, 5000, name="run"), *(a_span(n, n / 10, n / 10 + 1, parent=1) for n in range(2, 20_000))]
    began = time.monotonic()
    lines = drawn(*spans)
    assert time.monotonic() - began < 5
    assert len(lines) < 60
    assert any("and 19958 more" in line for line in lines)


def test_a_chain_of_thousands_is_drawn_without_running_away_to_the_right() -> None:
    lines = drawn(*(a_span(n, n, 5000, parent=n - 1) for n in range(1, 3000)))
    assert len(lines) < 420
    assert max(map(len, lines)) < 160


def test_a_name_can_neither_move_the_cursor_nor_use_markup() -> None:
    lines = drawn(a_span(1, 0, 1, name="[red]x[/red]\x1b[2J\x07 y"))
    assert any("[red]x[/red]" in line for line in lines)
    assert not any("\x1b" in line or "\x07" in line for line in lines)


def test_a_task_without_any_trace_says_so() -> None:
    assert drawn() == ["There is no trace of this task."]
