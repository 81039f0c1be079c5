"""Spans reach the archive and the collector once, and nobody who works waits or fails for them."""

import asyncio
import logging
import time
from pathlib import Path

import pytest

from activities.archive.objects import Objects
from activities.tracing.measures import Measures
from activities.tracing.names import MEASURES, Attribute, Measure
from activities.tracing.otlp import OtlpSender, is_configured
from activities.tracing.recorder import Recorder, current
from activities.tracing.store import SpanStore
from tests.support.otlp_receiver import otlp_receiver, values
from workers.embedded.temporal_server import free_port
from workflows.models.trace import Span, SpanKind, TraceContext, parse_traceparent, trace_of

TRACE = "ab" * 16
PLACE = TraceContext(trace_id=TRACE, span_id="cd" * 8)


def a_span(number: int = 1, name: str = "task", **more: object) -> Span:
    values = {"trace_id": TRACE, "span_id": f"{number:016x}", "name": name, "start_unix_nano": number * 10**9}
    return Span.model_validate(values | {"end_unix_nano": (number + 2) * 10**9} | more)


@pytest.fixture
def store(tmp_path: Path) -> SpanStore:
    return SpanStore(Objects.open(str(tmp_path)))


async def on_record(store: SpanStore) -> list[str]:
    return [span.span_id for span in await store.spans(TRACE)]


async def test_spans_that_a_retry_tells_of_again_are_on_record_sent_and_counted_once(store: SpanStore) -> None:
    with otlp_receiver() as receiver:
        for _ in range(2):
            recorder = Recorder(store, OtlpSender(receiver.endpoint, "host-1"))
            chat = {Attribute.MODEL.value: "m", Attribute.INPUT_TOKENS.value: 30, Attribute.MICRO_USD.value: 500_000}
            recorder.record_once("run-1", [a_span(1, attributes={"journeyman.outcome": "merged"})])
            recorder.record_once("run-1b", [a_span(2, "chat m", attributes=chat)])
            await asyncio.to_thread(recorder.close)
        assert await on_record(store) == [f"{1:016x}", f"{2:016x}"]
        assert sorted(span.span_id.hex() for span in receiver.spans) == [f"{1:016x}", f"{2:016x}"]
        assert {span.trace_id.hex() for span in receiver.spans} == {TRACE}
        assert receiver.resource["service.name"] == "journeyman"
        [tasks] = receiver.metrics[Measure.TASKS].sum.data_points
        assert (tasks.as_int, values(tasks.attributes)) == (1, {"journeyman.outcome": "merged"})
        [tokens] = receiver.metrics[Measure.TOKENS].histogram.data_points
        assert (tokens.sum, values(tokens.attributes)["gen_ai.token.type"]) == (30, "input")
        assert receiver.metrics[Measure.COST].sum.data_points[0].as_double == 0.5
        assert receiver.refused == []


async def test_every_measure_is_taken_from_some_span(store: SpanStore) -> None:
    tokens = {Attribute.INPUT_TOKENS.value: 1, Attribute.OUTPUT_TOKENS.value: 1, Attribute.MICRO_USD.value: 1}
    names = (
        "task",
        "stage run",
        "invoke_agent a",
        "sandbox start",
        "check c",
        "chat m",
        "execute_tool t",
        "egress refused",
    )
    with otlp_receiver() as receiver:
        sender = OtlpSender(receiver.endpoint, "host-1")
        measures = Measures(sender.meters)
        for name in names:
            measures.take(a_span(name=name, attributes=tokens))
        await asyncio.to_thread(sender.close)
        assert set(receiver.metrics) == set(MEASURES)


async def test_a_collector_that_is_away_delays_and_fails_nothing_and_the_archive_has_all(store: SpanStore) -> None:
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    recorder = Recorder(store, OtlpSender(f"http://127.0.0.1:{free_port()}", "host-1"))
    began = time.monotonic()
    for number in range(1, 3000):
        recorder.record(a_span(number))
    assert time.monotonic() - began < 1
    assert await asyncio.to_thread(recorder.flush)
    began = time.monotonic()
    await asyncio.to_thread(recorder.close)
    assert time.monotonic() - began < 10
    assert len(await on_record(store)) == 2999


async def test_an_archive_that_refuses_costs_spans_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "archive"
    store = SpanStore(Objects.open(str(folder)))
    (folder / "traces").write_text("in the way")
    recorder = Recorder(store)
    recorder.record(a_span(1))
    assert await asyncio.to_thread(recorder.flush)
    assert "could not be put on record" in caplog.text
    (folder / "traces").unlink()
    recorder.record(a_span(2))
    await asyncio.to_thread(recorder.close)
    assert await on_record(store) == [f"{2:016x}"]


async def test_what_is_recorded_right_before_the_end_is_on_record(store: SpanStore) -> None:
    recorder = Recorder(store)
    recorder.record(a_span(1))
    await asyncio.to_thread(recorder.close)
    recorder.record(a_span(2))
    assert await on_record(store) == [f"{1:016x}"]


async def test_a_step_that_fails_is_a_span_with_the_kind_of_failure_and_not_its_words(store: SpanStore) -> None:
    recorder = Recorder(store)
    seen = []

    def failing() -> None:
        with recorder.span("step x", PLACE, {}, SpanKind.SERVER) as own:
            seen.append(current() == own)
            raise ValueError("secret words")

    with pytest.raises(ValueError, match="secret words"):
        failing()
    assert seen == [True]
    assert current() is None
    await asyncio.to_thread(recorder.close)
    [span] = await store.spans(TRACE)
    assert (span.error, span.parent_id) == ("ValueError", PLACE.span_id)
    assert "secret" not in span.model_dump_json()


async def test_a_broken_line_in_the_archive_hides_no_other_span(store: SpanStore, tmp_path: Path) -> None:
    await store.write(TRACE, "a", [a_span(1)])
    for name, content in (("b", b"{\n\xff\n"), ("c", b'{"trace_id": 1}\n')):
        (tmp_path / "traces" / TRACE / f"{name}.jsonl").write_bytes(content)
    await store.write(TRACE, "d", [a_span(2), a_span(1)])
    assert await on_record(store) == [f"{1:016x}", f"{2:016x}"]


async def test_of_two_tasks_in_one_callers_trace_each_shows_its_own_spans(store: SpanStore) -> None:
    for number in (1, 2):
        await store.write(TRACE, str(number), [a_span(number, attributes={Attribute.TASK.value: f"task{number}"})])
    assert [span.span_id for span in await store.spans(TRACE, "task2")] == [f"{2:016x}"]


async def test_whoever_asks_second_for_a_task_joins_the_trace_of_the_first(store: SpanStore) -> None:
    other = TraceContext(trace_id="ef" * 16, span_id="cd" * 8)
    assert await store.begin("t", PLACE) == PLACE
    assert await store.begin("t", other) == PLACE
    assert await store.of_task("t") == PLACE
    assert await store.of_task("older-than-traces") == trace_of("older-than-traces", "")


@pytest.mark.parametrize(
    "text", ["", "x", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'1' * 32}-{'0' * 16}-01", f"ff-{'1' * 32}-{'1' * 16}-01"]
)
def test_a_traceparent_that_is_none_is_not_joined(text: str) -> None:
    assert parse_traceparent(text) is None
    assert parse_traceparent(PLACE.traceparent) == PLACE


def test_nothing_is_sent_unless_somebody_configured_it() -> None:
    assert not is_configured("", {})
    assert is_configured("http://c:4318", {})
    assert is_configured("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"})
    assert not is_configured("http://c:4318", {"OTEL_SDK_DISABLED": "true"})
