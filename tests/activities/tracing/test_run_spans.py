"""A run's spans say truly how long things took, and say nothing that was typed, read or written."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from activities.agents.command import CommandAdapter
from activities.agents.transcript import read_transcript
from activities.egress.contract import EgressRecord
from activities.policy.agent_tables import AgentEntry
from activities.sandbox.arrivals import Arrivals
from activities.sandbox.contract import RunStatus
from activities.tracing.names import ATTRIBUTES, Attribute
from activities.tracing.run_spans import MOST_REQUESTS, MOST_TOOL_CALLS, paired, run_spans
from workflows.models.run import RunEnd, RunResult
from workflows.models.trace import Span, TraceContext
from workflows.models.transcript import EventKind, TranscriptEvent
from workflows.models.usage import Metered

T0 = 1_795_000_000.0
TASK = TraceContext(trace_id="a" * 32, span_id="b" * 16)
STAGE = TraceContext(trace_id="a" * 32, span_id="c" * 16)
STATUS = RunStatus(
    run_id="t-1-1", end=RunEnd.EXITED, exit_code=0, requested_at=T0, started_at=T0 + 0.2, ended_at=T0 + 60
)
RESULT = RunResult(run_id="t-1-1", end=RunEnd.EXITED, exit_code=0, succeeded=True, agent="coder")
SECRET = "AKIAIOSFODNN7EXAMPLQ"
ADAPTER = CommandAdapter("coder", AgentEntry(adapter="command", command=("true",)))


def call(at: float, tool: str = "", call_id: str = "", text: str = "") -> TranscriptEvent:
    return TranscriptEvent(kind=EventKind.TOOL_CALL, at=at, tool=tool, call=call_id, text=text)


def result(at: float, tool: str = "", call_id: str = "", *, is_error: bool = False, text: str = "") -> TranscriptEvent:
    return TranscriptEvent(kind=EventKind.TOOL_RESULT, at=at, tool=tool, call=call_id, is_error=is_error, text=text)


def spans_of(
    events: list[TranscriptEvent] | tuple[TranscriptEvent, ...] = (),
    records: list[EgressRecord] | None = None,
    status: RunStatus = STATUS,
) -> list[Span]:
    return run_spans("t", TASK, STAGE, RESULT, status, events, records or [])


def seconds(span: Span) -> float:
    assert span.end_unix_nano is not None
    return (span.end_unix_nano - span.start_unix_nano) / 1e9


def test_a_tool_call_takes_from_its_line_to_the_line_with_its_result() -> None:
    lines = [
        json.dumps({"type": kind, "tool": "bash", "text": SECRET}).encode() for kind in ("tool_call", "tool_result")
    ]
    output = b"\n".join(lines) + b"\n"
    arrivals = Arrivals((0, len(lines[0]) + 1), (T0 + 5, T0 + 6.25))
    events = read_transcript(ADAPTER, output, arrivals).events
    assert [event.at for event in events] == [T0 + 5, T0 + 6.25]
    [tool] = [span for span in spans_of(events) if span.name == "execute_tool bash"]
    assert seconds(tool) == pytest.approx(1.25, abs=0.001)
    assert tool.parent_id == spans_of(events)[0].span_id
    assert SECRET not in str(spans_of(events))


def test_a_line_that_is_sent_in_two_parts_has_the_time_of_its_end() -> None:
    output = b'{"type": "message", "text": "one"}\n'
    events = read_transcript(ADAPTER, output, Arrivals((0, 10), (T0 + 1, T0 + 3))).events
    assert [event.at for event in events] == [T0 + 3]


def test_calls_side_by_side_keep_their_own_results() -> None:
    by_id = [call(1, "bash", "x"), call(2, "bash", "y"), result(3, "bash", "y"), result(9, "bash", "x")]
    assert [(a.at, b.at if b else 0) for a, b in paired(by_id)] == [(1, 9), (2, 3)]
    by_tool = [call(1, "read"), call(2, "bash"), result(3, "bash"), result(9, "read")]
    assert [(a.at, b.at if b else 0) for a, b in paired(by_tool)] == [(1, 9), (2, 3)]
    in_order = [call(1), call(2), result(3), result(9)]
    assert [(a.at, b.at if b else 0) for a, b in paired(in_order)] == [(1, 3), (2, 9)]


def test_a_call_that_never_ended_is_shown_as_such_until_the_end_of_its_run() -> None:
    [tool] = [span for span in spans_of([call(T0 + 10, "bash")]) if span.name.startswith("execute_tool")]
    assert seconds(tool) == pytest.approx(50, abs=0.001)
    assert tool.attributes[Attribute.UNFINISHED] is True


def test_a_model_request_is_shown_with_its_model_tokens_and_cost() -> None:
    record = EgressRecord(
        time=datetime.fromtimestamp(T0 + 2, UTC).isoformat(),
        sandbox="t-1-1",
        method="POST",
        host="anthropic.model.internal:80",
        allowed=True,
        rule="anthropic.model.internal",
        status=200,
        duration_ms=1500,
        model="claude-x-1",
        metered=Metered(input_tokens=10, cache_read_tokens=5, cache_write_tokens=1, output_tokens=7, micro_usd=42),
    )
    [chat] = [span for span in spans_of(records=[record]) if span.name == "chat claude-x-1"]
    assert chat.start_unix_nano == round((T0 + 2) * 1e9)
    assert seconds(chat) == pytest.approx(1.5)
    told = {name: chat.attributes[name] for name in (Attribute.INPUT_TOKENS, Attribute.OUTPUT_TOKENS)}
    assert told == {"gen_ai.usage.input_tokens": 16, "gen_ai.usage.output_tokens": 7}
    assert (chat.attributes[Attribute.OPERATION], chat.attributes[Attribute.MICRO_USD]) == ("chat", 42)


@pytest.mark.parametrize(
    "record",
    [
        EgressRecord(
            time="", sandbox="s", method="GET", host=f"{SECRET}.evil.example:80", path=f"/{SECRET}", rule="refused"
        ),
        EgressRecord(
            time="", sandbox="s", method="GET", host=f"{SECRET}.a.example:443", allowed=True, rule="*.a.example"
        ),
        EgressRecord(time="", sandbox="s", method=SECRET, host="a:80", path=f"/?q={SECRET}", allowed=True, rule="a"),
        EgressRecord(time="", sandbox="s", host="a:80", allowed=True, rule="a", model=f"{SECRET} and more words"),
    ],
)
def test_what_an_agent_put_into_a_request_is_in_no_span(record: EgressRecord) -> None:
    assert SECRET not in str(spans_of(records=[record]))


def test_what_an_agent_put_into_the_name_of_a_tool_is_in_no_span() -> None:
    for tool in (f"key {SECRET}", f"{SECRET}\n", "x" * 65 + SECRET, f"'{SECRET}'", f"\x1b[31m{SECRET}"):
        assert SECRET not in str(spans_of([call(T0 + 1, tool, text=SECRET), result(T0 + 2, text=SECRET)]))


def test_the_same_run_gives_the_same_spans_whoever_tells_of_it() -> None:
    events = [call(T0 + 1, "bash"), result(T0 + 2), call(T0 + 3, "edit")]
    records = [EgressRecord(time="", sandbox="s")]
    assert spans_of(events, records) == spans_of(events, records)
    ids = [span.span_id for span in spans_of(events, records)]
    assert len(set(ids)) == len(ids)


def test_a_run_of_unknown_times_has_no_spans_rather_than_wrong_ones() -> None:
    assert spans_of([call(0, "bash")], status=RunStatus(run_id="t-1-1", end=RunEnd.LOST)) == []
    assert [span.name for span in spans_of([call(0, "bash"), result(0)])] == ["invoke_agent coder", "sandbox start"]


def test_a_flood_of_calls_and_requests_is_cut_and_says_how_much() -> None:
    events = [call(T0 + 1, "bash")] * (MOST_TOOL_CALLS + 7)
    records = [EgressRecord(time="", sandbox="s")] * (MOST_REQUESTS + 5)
    spans = spans_of(events, records)
    assert len(spans) == 2 + MOST_TOOL_CALLS + MOST_REQUESTS
    assert spans[0].attributes[Attribute.LEFT_OUT] == 12


moments = some.one_of(
    some.just(0.0), some.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)
)
kinds = some.sampled_from(list(EventKind))
events_ = some.builds(TranscriptEvent, kind=kinds, at=moments, tool=some.text(max_size=5), call=some.text(max_size=2))


@given(some.lists(events_, max_size=30), some.lists(some.text(max_size=30), max_size=5))
@settings(max_examples=200, deadline=None)
def test_whatever_times_a_transcript_and_a_record_claim_spans_stay_within_their_run(
    events: list[TranscriptEvent], times: list[str]
) -> None:
    spans = spans_of(events, [EgressRecord(time=time, sandbox="s", duration_ms=10**12) for time in times])
    first, last = spans[0].start_unix_nano, spans[0].end_unix_nano
    assert last is not None
    for span in spans:
        assert span.end_unix_nano is not None
        assert first <= span.start_unix_nano <= span.end_unix_nano <= last
        assert set(span.attributes) <= {str(name) for name in ATTRIBUTES}
