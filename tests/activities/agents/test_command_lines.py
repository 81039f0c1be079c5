"""The vendors' own command lines do their work in our sandbox, and what they say is understood."""

import pytest

from tests.activities.agents.bench import Bench, make_adapter
from tests.support.model_script import Read, Script, Shell, Turn, Usage, Write
from workflows.models.run import RunEnd
from workflows.models.transcript import EventKind

pytestmark = [pytest.mark.xdist_group("agents")]
KINDS = ("claude-code", "opencode", "codex")
WRONG = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"
WORK = [
    Turn("I look first", (Read("calc.py"),), Usage(100, 10, 0)),
    Turn("I mend it", (Write("calc.py", RIGHT), Write("pkg/new.py", "x = 1\n")), Usage(100, 10, 50)),
    Turn("I try it", (Shell("python3 -c 'import calc; print(calc.add(2, 3))'; exit 3"),), Usage(100, 10, 50)),
    Turn("add() adds now.", usage=Usage(100, 10, 50)),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_agent_edits_files_runs_commands_and_ends_with_its_own_words(bench: Bench, kind: str) -> None:
    bench.write("calc.py", WRONG)
    with bench.model(Script(WORK)) as model:
        outcome = await bench.run(kind)
    assert outcome.verdict.succeeded, (outcome.verdict, outcome.output.decode(errors="replace"))
    assert outcome.verdict.detail == ""
    assert outcome.verdict.summary == "add() adds now."
    assert (outcome.status.end, outcome.status.exit_code) == (RunEnd.EXITED, 0)
    assert (bench.read("calc.py"), bench.read("pkg/new.py")) == (RIGHT, "x = 1\n")
    assert [event.text for event in outcome.of(EventKind.MESSAGE) if not event.text.startswith("session")][:4] == [
        turn.text for turn in WORK
    ]
    assert len(outcome.of(EventKind.TOOL_CALL)) == 4
    results = outcome.of(EventKind.TOOL_RESULT)
    assert len(results) == 4
    assert "5" in results[-1].text
    assert [result.is_error for result in results] == [False, False, False, True]
    assert sum(event.tokens_in for event in outcome.of(EventKind.USAGE)) == 4 * 100 + 3 * 50
    assert sum(event.tokens_out for event in outcome.of(EventKind.USAGE)) == 40
    assert len(outcome.of(EventKind.RESULT)) == 1
    assert outcome.session
    assert len(model.work()) == 4


@pytest.mark.parametrize("kind", KINDS)
async def test_an_agent_goes_on_with_a_session_of_an_earlier_sandbox(bench: Bench, kind: str) -> None:
    bench.write("calc.py", WRONG)
    with bench.model(Script([Turn("the word is heliotrope")])) as model:
        first = await bench.run(kind, "remember the word\n", session=bench.session())
        assert first.verdict.succeeded, first.output.decode(errors="replace")
        second = await bench.run(kind, "say it again\n", session=bench.session(first.session))
    assert second.verdict.succeeded, second.output.decode(errors="replace")
    assert second.session == first.session
    conversation = str(model.work()[-1].body)
    for said in ("remember the word", "heliotrope", "say it again"):
        assert said in conversation


@pytest.mark.parametrize("kind", KINDS)
async def test_a_prompt_longer_than_an_argument_can_be_arrives_whole(bench: Bench, kind: str) -> None:
    with bench.model(Script([Turn("done")])) as model:
        outcome = await bench.run(kind, "begin " + "context " * 30_000 + "end-of-the-prompt\n")
    assert outcome.verdict.succeeded, outcome.verdict
    assert "end-of-the-prompt" in str(model.work()[-1].body)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_agent_asks_its_provider_at_the_declared_endpoints_and_nobody_else(bench: Bench, kind: str) -> None:
    with bench.model(Script([Turn("done")])) as model:
        outcome = await bench.run(kind)
    (service,) = make_adapter(kind).services
    declared = {(endpoint.method, endpoint.path) for endpoint in service.endpoints}
    assert {(asked.method, asked.path.partition("?")[0]) for asked in model.asked} <= declared
    assert [record.host for record in outcome.records if not record.allowed] == []
    for asked in model.work():
        assert asked.headers[service.header] == f"{service.prefix}{bench.KEY}"
        assert "placeholder" not in " ".join(asked.headers.values())


@pytest.mark.parametrize("kind", ["opencode"])
async def test_opencode_speaks_to_anthropic_too(bench: Bench, kind: str) -> None:
    bench.write("calc.py", WRONG)
    with bench.model(Script(WORK)) as model:
        outcome = await bench.run(kind, dialect="anthropic-messages")
    assert outcome.verdict.succeeded, outcome.output.decode(errors="replace")
    assert bench.read("calc.py") == RIGHT
    assert {asked.path for asked in model.asked} == {"/v1/messages"}
    assert sum(event.tokens_in for event in outcome.of(EventKind.USAGE)) == 4 * 100 + 3 * 50
