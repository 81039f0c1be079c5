"""Whatever an agent prints, its run has a readable transcript and a verdict."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.agents.adapter import PROMPT
from activities.agents.command import SUMMARY_CHARS, TEXT_CHARS, CommandAdapter
from activities.agents.configured import configured_adapters
from activities.agents.plain_text import plain
from activities.agents.transcript import LINE_BYTES, MOST_BYTES, MOST_LINES, TranscriptReader, read_transcript
from activities.policy.agent_tables import AgentEntry, AgentMount
from activities.policy.documents import PlatformPolicy
from workflows.models.policy import PolicyRefusal
from workflows.models.run import RunEnd
from workflows.models.transcript import EventKind, TranscriptEvent

ADAPTER = CommandAdapter("demo", AgentEntry(command=("python3", "/opt/demo/agent.py")))


def event(**content: object) -> bytes:
    return json.dumps(content).encode() + b"\n"


def test_an_agent_finds_its_prompt_and_its_program() -> None:
    entry = AgentEntry(
        command=("/opt/demo/run",),
        environment={"MODE": "fast"},
        mounts=(AgentMount(source=Path("/srv/demo"), target="/opt/demo"),),
    )
    launch = CommandAdapter("demo", entry).launch(Path("/state/inputs/r1"))
    assert launch.environment == {"MODE": "fast", "JOURNEYMAN_PROMPT": PROMPT}
    assert [(str(mount.source), mount.target, mount.writable) for mount in launch.mounts] == [
        ("/state/inputs/r1", "/run/task", False),
        ("/srv/demo", "/opt/demo", False),
    ]


def test_events_of_every_kind_are_read() -> None:
    output = b"".join(event(type=kind.value, text=kind.value, tool="bash", tokens_in=5) for kind in EventKind)
    events = read_transcript(ADAPTER, output).events
    assert [one.kind for one in events] == list(EventKind)
    assert all(one.text == one.kind.value and one.tool == "bash" and one.tokens_in == 5 for one in events)


def test_the_transcript_on_record_reads_back_as_the_same_events() -> None:
    transcript = read_transcript(ADAPTER, event(type="message", text="ä\u2028b") + b"plain\n" + event(type="usage"))
    lines = transcript.lines.decode().split("\n")[:-1]
    assert [TranscriptEvent.model_validate_json(line) for line in lines] == list(transcript.events)


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\x00broken",
        b'{"type": "message", "text": "\\ud800"}',
        b'{"type": "nonsense"}',
        b'{"type": ["message"]}',
        b'{"type": "usage", "tokens_in": 1e999, "tokens_out": NaN}',
        b'{"type": "usage", "tokens_in": ' + b"9" * 6000 + b"}",
        b'{"type": "usage", "tokens_in": true}',
        b'{"type": "message", "text": {"a": [1, "\\u0000"]}, "tool": null, "session": 5}',
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b"[1]",
        b"null",
    ],
)
def test_a_broken_line_is_kept_as_far_as_it_can_be_and_never_ends_the_run(line: bytes) -> None:
    transcript = read_transcript(ADAPTER, line)
    assert len(transcript.events) == 1
    transcript.lines.decode("utf-8")


@given(st.lists(st.binary(max_size=200)))
def test_no_output_breaks_the_reader_however_it_is_cut(pieces: list[bytes]) -> None:
    reader = TranscriptReader(ADAPTER)
    events = [one for piece in pieces for one in reader.feed(piece)] + reader.finish()
    assert events == list(read_transcript(ADAPTER, b"".join(pieces)).events)


def test_a_line_of_50_megabytes_costs_neither_memory_nor_the_lines_after_it() -> None:
    reader = TranscriptReader(ADAPTER)
    began = time.monotonic()
    for _ in range(50):
        assert reader.feed(b"x" * 1024 * 1024) == []
        assert len(reader._line) <= LINE_BYTES
    events = reader.feed(b"\n" + event(type="result", text="done"))
    assert time.monotonic() - began < 10
    assert [one.kind for one in events] == [EventKind.MESSAGE, EventKind.ERROR, EventKind.RESULT]
    assert len(events[0].text) < TEXT_CHARS + 100
    assert str(50 * 1024 * 1024) in events[1].text


def test_a_flood_of_lines_leaves_a_transcript_with_its_beginning_and_end() -> None:
    began = time.monotonic()
    transcript = read_transcript(ADAPTER, b"first\n" + b"n\n" * 30_000_000 + event(type="result", text="end"))
    assert time.monotonic() - began < 20
    assert len(transcript.events) <= MOST_LINES + 1
    assert (transcript.events[0].text, transcript.events[-1].text) == ("first", "end")
    assert f"[{30_000_002 - len(transcript.events) + 1} lines" in transcript.lines.decode()


def test_a_transcript_on_record_is_bounded_and_keeps_its_end() -> None:
    large = read_transcript(ADAPTER, (b"y" * TEXT_CHARS + b"\n") * 1500 + event(type="result", text="end"))
    assert len(large.lines) <= MOST_BYTES + 1000
    assert large.events[-1].text == "end"


def test_terminal_escapes_and_unseen_characters_do_not_reach_the_reader_of_a_transcript() -> None:
    hostile = "\x1b[2J\x1b]0;title\x07\x1b]8;;http://e\x1b\\link\x1b[31mred\x9b0m\u202ereversed\u200b\U000e0041\x07"
    assert plain(hostile, 1000) == "linkredreversed"
    (read,) = ADAPTER.read_events(event(type="message", text=hostile))
    assert read.text == "linkredreversed"
    assert plain("tab\tline\nnext\r\nlast", 100) == "tab\tline\nnext\nlast"
    assert plain("x" * 50, 10) == "x" * 10 + " [40 more characters]"


def test_success_is_the_result_event_and_not_the_exit_code() -> None:
    good = [TranscriptEvent(kind=EventKind.RESULT, text="mended")]
    bad = [TranscriptEvent(kind=EventKind.RESULT, text="gave up", is_error=True)]
    assert ADAPTER.judge(good, 0, RunEnd.EXITED).succeeded
    assert not ADAPTER.judge(bad, 0, RunEnd.EXITED).succeeded
    crashed = ADAPTER.judge(good, 1, RunEnd.EXITED)
    assert crashed.succeeded
    assert "code 1" in crashed.detail


def test_without_a_result_event_the_exit_code_decides() -> None:
    said = [TranscriptEvent(kind=EventKind.MESSAGE, text="all done"), TranscriptEvent(kind=EventKind.USAGE)]
    assert ADAPTER.judge(said, 0, RunEnd.EXITED).succeeded
    assert ADAPTER.judge(said, 0, RunEnd.EXITED).summary == "all done"
    failed = ADAPTER.judge([*said, TranscriptEvent(kind=EventKind.ERROR, text="no model")], 3, RunEnd.EXITED)
    assert not failed.succeeded
    assert "code 3: no model" in failed.detail
    assert not ADAPTER.judge([], None, RunEnd.EXITED).succeeded


@pytest.mark.parametrize("end", [end for end in RunEnd if end is not RunEnd.EXITED])
def test_a_run_that_did_not_end_by_itself_is_named_for_what_ended_it(end: RunEnd) -> None:
    verdict = ADAPTER.judge([TranscriptEvent(kind=EventKind.RESULT, text="done")], 0, end)
    assert not verdict.succeeded
    assert "demo: it" in verdict.detail
    assert "after it had reported its result" in verdict.detail


def test_a_failure_written_as_anything_but_false_is_a_failure() -> None:
    (read,) = ADAPTER.read_events(event(type="result", text="x", is_error="true"))
    assert read.is_error


def test_the_last_words_are_bounded() -> None:
    result = TranscriptEvent(kind=EventKind.RESULT, text="x" * TEXT_CHARS)
    assert len(ADAPTER.judge([result], 0, RunEnd.EXITED).summary) == SUMMARY_CHARS


def test_an_adapter_there_is_none_of_is_named() -> None:
    policy = PlatformPolicy(agents={"a": AgentEntry(adapter="telepathy", command=("x",))})
    with pytest.raises(PolicyRefusal, match="telepathy"):
        configured_adapters(policy)
    named = configured_adapters(PlatformPolicy(agents={"a": AgentEntry(command=("x",), credential="inside")}))
    assert (named["a"].name, named["a"].credential) == ("a", "inside")
