"""When a model or a permission fails an agent, the verdict says so in words that a person can act on."""

import pytest

from tests.activities.agents.bench import Bench
from tests.support.model_script import Script, Shell, Trouble, Turn
from workflows.models.run import RunEnd
from workflows.models.transcript import EventKind

pytestmark = [pytest.mark.xdist_group("agents")]
KINDS = ("claude-code", "opencode", "codex")
WORK = [Turn("I try it", (Shell("echo tried > tried.txt"),)), Turn("It is done.")]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_rate_limit_is_named_and_what_to_do_about_it(bench: Bench, kind: str) -> None:
    with bench.model(Script(WORK, always=Trouble.RATE_LIMITED)):
        outcome = await bench.run(kind)
    assert not outcome.verdict.succeeded
    assert "rate limit was reached; wait" in outcome.verdict.detail


@pytest.mark.parametrize("kind", ["claude-code", "codex"])
async def test_an_overloaded_provider_is_named_and_what_to_do_about_it(bench: Bench, kind: str) -> None:
    with bench.model(Script(WORK, always=Trouble.OVERLOADED)):
        outcome = await bench.run(kind)
    assert not outcome.verdict.succeeded
    assert "overloaded; ask again later" in outcome.verdict.detail


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_that_fails_once_costs_a_run_nothing(bench: Bench, kind: str) -> None:
    with bench.model(Script(WORK, troubles=[Trouble.RATE_LIMITED])):
        outcome = await bench.run(kind)
    assert outcome.verdict.succeeded, outcome.output.decode(errors="replace")
    assert bench.read("tried.txt") == "tried\n"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_model_that_refuses_is_no_success(bench: Bench, kind: str) -> None:
    with bench.model(Script([WORK[0], Turn("I can't help with that.", refuses=True)])):
        outcome = await bench.run(kind)
    assert not outcome.verdict.succeeded
    assert "refused the task" in outcome.verdict.detail


@pytest.mark.parametrize("kind", ["claude-code", "codex"])
async def test_a_provider_that_the_sandbox_may_not_reach_is_told_from_a_failing_agent(bench: Bench, kind: str) -> None:
    outcome = await bench.run(kind, reachable=False)
    assert not outcome.verdict.succeeded
    assert "the request was refused; check the provider's `key`" in outcome.verdict.detail
    assert {record.host for record in outcome.records if not record.allowed} == {"vendor.model.internal:80"}


# OpenCode tries for over a minute; its last words are in test_readers.py.
@pytest.mark.parametrize("kind", ["claude-code", "codex"])
async def test_an_unreachable_model_is_named_though_the_command_line_may_call_it_a_success(
    bench: Bench, kind: str
) -> None:
    outcome = await bench.run(kind)
    assert not outcome.verdict.succeeded
    assert "could not be reached" in outcome.verdict.detail


@pytest.mark.parametrize("kind", KINDS)
async def test_answers_that_are_no_event_stream_end_the_run_with_a_reason(bench: Bench, kind: str) -> None:
    with bench.model(Script(WORK, always=Trouble.GARBAGE)):
        outcome = await bench.run(kind)
    # Claude Code asks again for the whole answer, which is fine; the others give up.
    assert outcome.verdict.succeeded == (kind == "claude-code"), outcome.verdict
    assert (
        outcome.verdict.succeeded
        or "agent: it ended without a result" in outcome.verdict.detail
        or ("agent: it reported a failure" in outcome.verdict.detail)
    )


async def test_a_permission_that_was_denied_is_no_success_though_it_exits_with_0(bench: Bench) -> None:
    bench.write(".claude/settings.json", '{"permissions": {"deny": ["Bash(touch:*)"]}}')
    with bench.model(Script([Turn("I try it", (Shell("touch x"),)), Turn("It is done.")])):
        outcome = await bench.run("claude-code")
    assert outcome.status.exit_code == 0
    assert outcome.of(EventKind.DENIAL)
    assert not outcome.verdict.succeeded
    assert "denied 1 tool calls (Bash)" in outcome.verdict.detail


@pytest.mark.parametrize("kind", KINDS)
async def test_a_model_that_stalls_is_ended_by_the_limit_and_said_to_have_been(bench: Bench, kind: str) -> None:
    with bench.model(Script(WORK, always=Trouble.STALL)) as model:
        outcome = await bench.run(kind, wall_seconds=15)
        assert model.stalled.is_set()
    assert outcome.status.end is RunEnd.DEADLINE
    assert outcome.verdict.detail.startswith("agent: it did not end in time")
