"""What counts as a hang, for whatever a run shows: one that works never does, one that rests does at its limit."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.agents.adapter import Hang
from activities.agents.command import CommandAdapter
from activities.agents.heard import Heard, Said
from activities.agents.tool_calls import ToolCallCount
from activities.egress.contract import Traffic
from activities.host.hangs import FLOOD_BYTES, IDLE_SHARE, HangDetector, Look, hang_of, reason
from activities.policy.agent_tables import AgentEntry
from workflows.models.run import HangKind

EVERY = tuple(Hang(kind=kind, seconds=10) for kind in HangKind)
BEGUN = Look(1, output_bytes=100, cpu_seconds=1, said=Said(steps=1))
DONE = Look(1, output_bytes=100, cpu_seconds=1, said=Said(steps=2, has_result=True))
ASKS = Look(1, output_bytes=100, cpu_seconds=1, said=Said(steps=1, asks=True))


def first(looks: Iterable[Look], hangs: Iterable[Hang] = EVERY) -> tuple[HangKind, float] | None:
    """The first hang that is named, and after how many seconds."""
    detector, at = HangDetector(hangs), 0.0
    for look in looks:
        at += look.seconds
        if hang := detector.look(look):
            return hang.kind, at
    return None


@pytest.mark.parametrize(
    ("look", "kind"),
    [
        (Look(1, cpu_seconds=0), HangKind.SILENT_START),
        (BEGUN, HangKind.STALL),
        (DONE, HangKind.NO_EXIT),
        (ASKS, HangKind.PERMISSION_PROMPT),
    ],
)
def test_a_run_that_rests_is_named_at_its_limit_and_not_before(look: Look, kind: HangKind) -> None:
    found = first([look] * 100)
    assert found is not None
    assert found[0] is kind
    # The first look is what it is measured from.
    assert 10 <= found[1] <= 12


seconds = st.floats(min_value=0.1, max_value=5)
quiet = st.lists(st.tuples(seconds, st.floats(IDLE_SHARE * 1.5, 2)), min_size=1, max_size=60)


@given(quiet, st.sampled_from([Look(0, cpu_seconds=0), BEGUN, ASKS]))
def test_a_run_that_computes_is_no_hang_however_long_it_is_silent(spans: list[tuple[float, float]], look: Look) -> None:
    cpu, looks = 0.0, []
    for passed, share in spans:
        cpu += passed * share
        looks.append(Look(passed, look.output_bytes, cpu, look.traffic, look.said))
    assert first(looks) is None


@given(st.lists(seconds, min_size=1, max_size=60), st.sampled_from([Look(0, cpu_seconds=0), BEGUN, ASKS, DONE]))
def test_a_run_whose_model_is_heard_is_no_hang_until_it_has_long_had_its_result(spans: list[float], look: Look) -> None:
    looks, moved, at = [], 0, 0.0
    for passed in spans:
        moved, at = moved + 1, at + passed
        looks.append(Look(passed, look.output_bytes, look.cpu_seconds, Traffic(moved=moved), look.said))
    found = first(looks)
    assert found is None or (found[0] is HangKind.NO_EXIT and found[1] >= 100)


@given(st.lists(st.tuples(seconds, st.integers(1, int(FLOOD_BYTES * 0.09))), min_size=1, max_size=60))
def test_a_run_that_prints_is_no_hang_unless_it_floods(spans: list[tuple[float, int]]) -> None:
    printed, looks = 0, []
    for passed, size in spans:
        printed += size
        looks.append(Look(passed, printed, 1, said=Said(steps=1)))
    assert first(looks) is None


look = st.builds(
    Look,
    seconds=st.floats(0, 20),
    output_bytes=st.integers(0, 10**9),
    cpu_seconds=st.none() | st.floats(0, 1e6),
    traffic=st.builds(Traffic, answered=st.integers(0, 99), failed=st.integers(0, 99), moved=st.integers(0, 10**9)),
    said=st.builds(Said, steps=st.integers(0, 99), errors=st.integers(0, 99), has_result=st.booleans()),
)


@given(st.lists(look, max_size=50))
def test_whatever_is_told_nothing_is_named_before_its_time_or_without_a_limit(looks: list[Look]) -> None:
    assert first(looks, ()) is None
    found = first(looks)
    assert found is None or found[1] >= 10


def test_nothing_is_known_of_a_run_whose_processor_time_is_not() -> None:
    assert first([Look(1, 100, None, said=Said(steps=1))] * 100) is None


def test_time_in_which_it_stands_still_does_not_count() -> None:
    still = [Look(0, BEGUN.output_bytes, BEGUN.cpu_seconds, said=BEGUN.said)] * 1000
    assert first([*[BEGUN] * 8, *still]) is None


def test_now_and_then_a_moment_of_processor_time_is_rest() -> None:
    """As command lines have it that wait: their garbage collector wakes up."""
    bursts = [Look(1, 100, 1 + (number // 5) * 0.1, said=Said(steps=1)) for number in range(40)]
    found = first(bursts)
    assert found is not None and found[0] is HangKind.STALL


def test_failures_are_a_loop_only_while_nothing_works_and_it_goes_on() -> None:
    def failing(seconds: int, *, answered_at: int = -1, until: int = 10**6) -> list[Look]:
        return [
            Look(
                1,
                output_bytes=number,
                cpu_seconds=number,
                traffic=Traffic(failed=min(number, until), answered=int(number >= answered_at >= 0), moved=number),
                said=Said(steps=number),
            )
            for number in range(seconds)
        ]

    found = first(failing(60))
    assert found is not None and found[0] is HangKind.RETRY_LOOP and 10 <= found[1] <= 13
    assert first(failing(14, answered_at=7)) is None
    # Two failures are bad luck, and what stopped failing is not tried any more.
    assert first(failing(60, until=2)) is None
    assert first(failing(60, until=5)) is None


def test_errors_alone_are_a_loop_and_errors_between_steps_are_not() -> None:
    alone = [Look(1, number, number, said=Said(steps=1, errors=number)) for number in range(1, 40)]
    found = first(alone)
    assert found is not None and found[0] is HangKind.RETRY_LOOP
    between = [Look(1, number, number, said=Said(steps=number // 6, errors=number)) for number in range(1, 90)]
    assert first(between) is None


def test_a_flood_is_a_rate_that_lasts() -> None:
    flood = [Look(1, int(number * FLOOD_BYTES * 1.1), number, said=Said(steps=1)) for number in range(40)]
    found = first(flood)
    assert found is not None and found[0] is HangKind.OUTPUT_FLOOD and 10 <= found[1] <= 12
    # What was printed before a worker came back, it finds at once.
    assert first([Look(1, 50 * 1024 * 1024, number, said=Said(steps=1)) for number in range(40)]) is None


def test_a_result_is_taken_back_by_a_further_tool_call_and_by_nothing_else() -> None:
    def said(*kinds: str) -> Said:
        counting = ToolCallCount(CommandAdapter("a", AgentEntry(command=("a",))), 100)
        counting.saw(b"".join(json.dumps({"type": kind}).encode() + b"\n" for kind in kinds))
        return counting.heard.said()

    assert said("tool_call", "tool_result", "result").has_result
    assert said("result", "message", "usage", "error").has_result
    assert not said("result", "tool_call").has_result
    assert said("message", "error", "tool_call") == Said(steps=2, errors=1)


@pytest.mark.parametrize(
    ("output", "asks"),
    [
        (b"Allow bash to run `rm -rf x`? [y/N] ", True),
        (b"working\nDo you want to proceed?\n 1. Yes\n", False),
        (b"Do you want to proceed? (yes/no)", True),
        (b"permission required for edit\n", True),
        (b'{"type": "control_request", "request": {"subtype": "can_use_tool"}}\n', True),
        (b'{"type":"exec_approval_request","command":["rm"]}\n', True),
        (b'{"type": "tool_result", "text": "Do you want to proceed? [y/n]"}\n', False),
        (b"\xff\x00 nothing of the kind\n", False),
        (b"permission required\n" + b"x" * 10_000, False),
        (b"", False),
    ],
)
def test_a_question_that_nobody_answers_is_told_by_the_last_line(output: bytes, asks: bool) -> None:
    whole, pieces = Heard(), Heard()
    whole.output(output)
    for place in range(len(output)):
        pieces.output(output[place : place + 1])
    assert whole.said().asks == pieces.said().asks == asks


@pytest.mark.parametrize("kind", list(HangKind))
def test_a_stopped_run_is_known_again_by_its_reason(kind: HangKind) -> None:
    assert hang_of(reason(Hang(kind=kind, seconds=2.5))) is kind
    assert hang_of(f"somebody says it hung ({kind}): x") is None
    assert hang_of("hung (forged): x") is None


def test_an_owner_sets_limits_beside_those_of_the_command_line_or_takes_them_away() -> None:
    entry = AgentEntry.model_validate({"command": ["a"], "hangs": {"stall": 5, "no_exit": 0}})
    limits = {hang.kind: hang.seconds for hang in CommandAdapter("a", entry).hangs}
    assert limits == {HangKind.STALL: 5, HangKind.OUTPUT_FLOOD: 30, HangKind.RETRY_LOOP: 300}
