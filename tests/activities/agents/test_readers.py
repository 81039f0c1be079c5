"""Whatever a vendor's command line prints, its reader makes bounded events of it and its run gets a clear verdict."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.agents.json_lines import TEXT_CHARS
from activities.agents.transcript import read_transcript
from tests.activities.agents.bench import make_adapter
from workflows.models.run import RunEnd
from workflows.models.transcript import EventKind

KINDS = ("claude-code", "opencode", "codex")
ADAPTERS = {kind: make_adapter(kind) for kind in KINDS}
MOST_PER_LINE = 210
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=6,
)
WORDS = st.sampled_from(
    [
        "type",
        "subtype",
        "message",
        "content",
        "result",
        "is_error",
        "permission_denials",
        "tool_name",
        "tool_input",
        "usage",
        "modelUsage",
        "model",
        "item",
        "id",
        "status",
        "text",
        "part",
        "state",
        "tokens",
        "cache",
        "input",
        "output",
        "error",
        "data",
        "reason",
        "sessionID",
        "session_id",
        "attempt",
        "changes",
        "path",
        "kind",
        "assistant",
        "user",
        "system",
        "init",
        "api_retry",
        "tool_use",
        "tool_result",
        "step_finish",
        "item.completed",
        "item.started",
        "turn.completed",
        "turn.failed",
        "thread.started",
        "command_execution",
        "file_change",
        "agent_message",
        "mcp_tool_call",
        "success",
        "stop",
    ]
)
SHAPED = st.recursive(
    JSON | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=8),
    max_leaves=12,
)


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


@pytest.mark.parametrize("kind", KINDS)
@given(content=st.dictionaries(WORDS, SHAPED, max_size=8))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_event_breaks_a_reader_whatever_is_where_in_it(kind: str, content: dict[str, Any]) -> None:
    events = ADAPTERS[kind].read_events(json.dumps(content).encode())
    assert len(events) <= MOST_PER_LINE
    assert all(len(event.text) <= TEXT_CHARS + 100 for event in events)
    ADAPTERS[kind].judge(events, 0, RunEnd.EXITED)


@pytest.mark.parametrize("kind", KINDS)
@given(line=st.binary(max_size=300))
def test_no_bytes_break_a_reader(kind: str, line: bytes) -> None:
    events = ADAPTERS[kind].read_events(line)
    assert "\x1b" not in "".join(event.text for event in events)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe\x00\n" * 1000,
        b"x" * 50_000_000 + b"\n",
        b'{"type": "result", "result": "' + b"y" * 50_000_000 + b'"}\n',
        b"{" * 100_000 + b"\n",
        b'{"type": "assistant", "message": {"content": [' + b'{"type":"text","text":"a"},' * 30_000 + b"0]}}\n",
        b"\x1b[2J\x1b]0;owned\x07\n",
        b"",
    ],
    ids=["invalid UTF-8", "50 MB", "50 MB of JSON", "nested", "many blocks", "escapes", "nothing"],
)
def test_garbage_is_no_success_and_costs_little(kind: str, garbage: bytes) -> None:
    transcript = read_transcript(ADAPTERS[kind], garbage)
    verdict = ADAPTERS[kind].judge(transcript.events, 0, RunEnd.EXITED)
    assert not verdict.succeeded
    assert "it ended without a result, with exit code 0" in verdict.detail
    assert len(transcript.lines) < 2_000_000
    assert "\x1b" not in transcript.lines.decode() + verdict.detail + verdict.summary


CLAUDE_RESULT = {"type": "result", "subtype": "success", "is_error": False, "result": "done", "session_id": "s1"}
OPENCODE_STOP = {"type": "step_finish", "sessionID": "s1", "part": {"reason": "stop", "tokens": {"input": 5}}}
CODEX_DONE = ({"type": "item.completed", "item": {"type": "agent_message", "text": "done"}}, {"type": "turn.completed"})
ENDED_WELL = {
    "claude-code": lines(CLAUDE_RESULT),
    "opencode": lines({"type": "text", "part": {"text": "done"}}, OPENCODE_STOP),
    "codex": lines(*CODEX_DONE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_and_then_silence_is_named_as_that(kind: str) -> None:
    events = read_transcript(ADAPTERS[kind], ENDED_WELL[kind]).events
    assert ADAPTERS[kind].judge(events, 0, RunEnd.EXITED).succeeded
    verdict = ADAPTERS[kind].judge(events, None, RunEnd.DEADLINE)
    assert not verdict.succeeded
    assert verdict.detail == "agent: it did not end in time after it had reported its result"
    assert verdict.summary == "done"


@pytest.mark.parametrize("kind", KINDS)
def test_an_exit_code_after_a_good_result_is_said_and_does_not_lose_the_work(kind: str) -> None:
    events = read_transcript(ADAPTERS[kind], ENDED_WELL[kind]).events
    verdict = ADAPTERS[kind].judge(events, 1, RunEnd.EXITED)
    assert verdict.succeeded
    assert "exited with code 1" in verdict.detail


@pytest.mark.parametrize(
    ("kind", "output", "detail"),
    [
        (
            "claude-code",
            lines(CLAUDE_RESULT | {"is_error": True, "result": "API Error: Unable to connect to API"}),
            "could not be reached",
        ),
        (
            "claude-code",
            lines(CLAUDE_RESULT | {"subtype": "error_max_turns", "is_error": False, "result": None}),
            "turns",
        ),
        ("claude-code", lines(CLAUDE_RESULT | {"is_error": "no"}), "it reported a failure"),
        (
            "claude-code",
            lines(CLAUDE_RESULT | {"permission_denials": [{"tool_name": "Bash", "tool_input": {"command": "ls"}}]}),
            "denied 1 tool calls (Bash)",
        ),
        (
            "opencode",
            lines(
                {
                    "type": "error",
                    "error": {
                        "name": "APIError",
                        "data": {"message": "Cannot connect to API: Unable to connect. Is the computer able to access"},
                    },
                }
            ),
            "could not be reached",
        ),
        (
            "opencode",
            lines({"type": "step_finish", "part": {"reason": "content-filter"}}),
            "the model stopped: content-filter (the model refused the task",
        ),
        (
            "opencode",
            lines(
                {
                    "type": "tool_use",
                    "part": {
                        "tool": "bash",
                        "state": {"status": "error", "error": "The user rejected permission"},
                    },
                },
                OPENCODE_STOP,
            ),
            "denied 1 tool calls (bash)",
        ),
        (
            "codex",
            lines({"type": "turn.failed", "error": {"message": "exceeded retry limit, last status: 429"}}),
            "rate limit was reached; wait",
        ),
        (
            "codex",
            lines(
                {
                    "type": "item.completed",
                    "item": {"type": "command_execution", "status": "declined"},
                },
                *CODEX_DONE,
            ),
            "denied 1 tool calls (shell)",
        ),
        (
            "codex",
            lines({"type": "item.completed", "item": {"type": "command_execution"}}, {"type": "turn.completed"}),
            "without a word",
        ),
    ],
)
def test_what_looks_like_an_end_and_is_none_has_its_reason(kind: str, output: bytes, detail: str) -> None:
    events = read_transcript(ADAPTERS[kind], output).events
    verdict = ADAPTERS[kind].judge(events, 0, RunEnd.EXITED)
    assert not verdict.succeeded
    assert detail in verdict.detail


@pytest.mark.parametrize("kind", KINDS)
def test_a_retry_loop_is_named_by_its_last_error_when_time_ends_it(kind: str) -> None:
    loops: dict[str, Callable[[], dict[str, Any]]] = {
        "claude-code": lambda: {"type": "system", "subtype": "api_retry", "attempt": 3, "error_status": 529},
        "opencode": lambda: {"type": "error", "error": {"data": {"message": "529 overloaded"}}},
        "codex": lambda: {"type": "error", "message": "Reconnecting... unexpected status 529"},
    }
    events = read_transcript(ADAPTERS[kind], lines(*(loops[kind]() for _ in range(50)))).events
    verdict = ADAPTERS[kind].judge(events, None, RunEnd.DEADLINE)
    assert "overloaded; ask again later" in verdict.detail
    assert all(event.kind is EventKind.ERROR for event in events)
