"""A run ends at a tool-call boundary, and the next one is told what was done."""

import json

import pytest

from activities.agents.command import CommandAdapter
from activities.agents.handover import MOST_CHARS, handover
from activities.agents.tool_calls import ToolCallCount
from activities.policy.agent_tables import AgentEntry
from workflows.models.transcript import EventKind, TranscriptEvent


def lines(*kinds: str) -> bytes:
    return b"".join(json.dumps({"type": kind, "tool": "bash", "text": "ls"}).encode() + b"\n" for kind in kinds)


def count(limit: int) -> ToolCallCount:
    return ToolCallCount(CommandAdapter("a", AgentEntry(command=("a",))), limit)


CALL = ("tool_call", "tool_result")


def test_a_run_goes_on_until_its_last_allowed_call_has_its_result() -> None:
    counting = count(2)
    assert not counting.saw(lines(*CALL, "tool_call"))
    assert counting.saw(lines("tool_result"))


def test_calls_that_run_side_by_side_are_not_torn_apart() -> None:
    counting = count(2)
    assert not counting.saw(lines("tool_call", "tool_call", "tool_call", "tool_result", "tool_result"))
    assert counting.saw(lines("tool_result"))


@pytest.mark.parametrize("results", [0, 3])
def test_an_agent_that_leaves_results_out_does_not_get_around_the_limit(results: int) -> None:
    counting = count(4)
    assert not counting.saw(lines(*["tool_call"] * 20, *["tool_result"] * results))
    assert counting.saw(lines("tool_call"))


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_pieces_of_any_size_give_the_same_count(size: int) -> None:
    output, counting = lines(*CALL, "message", *CALL), count(2)
    for start in range(0, len(output), size):
        counting.saw(output[start : start + size])
    assert counting.reached


def test_a_handover_holds_the_plan_the_last_words_and_the_steps() -> None:
    events = [
        TranscriptEvent(kind=EventKind.MESSAGE, text="first I split the parser"),
        TranscriptEvent(kind=EventKind.TOOL_CALL, tool="bash", text="pytest -q"),
        TranscriptEvent(kind=EventKind.TOOL_RESULT, tool="bash", text="2 failed", is_error=True),
        TranscriptEvent(kind=EventKind.MESSAGE, text="the lexer is done, the printer is left"),
    ]
    text = handover(events, "it made 40 tool calls")
    for part in (
        "it made 40 tool calls",
        "first I split",
        "the printer is left",
        "bash: pytest -q",
        "failed: 2 failed",
    ):
        assert part in text


def test_a_handover_of_a_flood_stays_small_and_says_what_is_left_out() -> None:
    flood = TranscriptEvent(kind=EventKind.TOOL_CALL, tool="bash", text="\x1b[2J" + "x" * 10_000)
    text = handover([flood] * 5000, "it made 40 tool calls")
    assert len(text) < MOST_CHARS + 100
    assert "4940 earlier ones left out" in text
    assert "\x1b" not in text
