"""One trace tells all of a task, from the command that asked for it to its revert, truly and without its words."""

import asyncio
import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest

from activities.tracing.names import ATTRIBUTES, SPANS, Attribute
from tests.support.otlp_receiver import otlp_receiver
from tests.support.repositories import make_repository
from tests.workers.installation import AGENTS, FILES, MEND, Installation, installed
from tests.workers.test_restart import split
from workers.cli.client import CommandFailed
from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port
from workflows.models.decision import Action
from workflows.models.status import Outcome, Stage
from workflows.models.trace import Span, run_context, trace_of

pytestmark = pytest.mark.xdist_group("trace")
SECRET = "words-that-are-nobody-elses-business"
"""Of no shape that anything would take out of an output: of what is said, a trace has nothing either way."""
_SAY = 'echo \'{"type": "%s", "tool": "%s", "text": "%s"}\''


@pytest.fixture(autouse=True)
def _agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose tool call takes a second and shows a secret; and one that is told when to go on in a tool call."""
    talker = "; ".join(
        [
            _SAY % ("tool_call", "bash", f"cat {SECRET}"),
            "sleep 1",
            _SAY % ("tool_result", "bash", SECRET),
            'echo "parent $TRACEPARENT"',
            MEND,
            "python3 -c 'import urllib.request as u; u.urlopen(\"http://evil.example/x\")'",
            _SAY % ("result", "", f"mended {SECRET}"),
        ]
    )
    patient = f"{_SAY % ('tool_call', 'bash', '')}; while [ ! -e /opt/agent/go ]; do sleep 0.1; done; "
    patient += f"{_SAY % ('tool_result', 'bash', '')}; {MEND}"
    monkeypatch.setitem(AGENTS, "talker", talker)
    monkeypatch.setitem(AGENTS, "patient", patient)


async def command(here: Installation, *words: str, **environment: str) -> str:
    """Type a command in a process of its own, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        str(program("journeyman")),
        *words,
        env=os.environ | {"JOURNEYMAN_STATE": str(here.settings.state)} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def settled(here: Installation, task: str) -> bool:
    """Whether a task has settled; right after a death, queries may still be sent to the worker that is gone."""
    try:
        await here.settles(task)
    except CommandFailed:
        return False
    return True


async def trace(here: Installation, task: str) -> list[Span]:
    return await asyncio.to_thread(here.gateway("ada").trace, task)


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def seconds(span: Span) -> float:
    assert span.end_unix_nano is not None
    return (span.end_unix_nano - span.start_unix_nano) / 1e9


def above(span: Span, spans: list[Span]) -> list[str]:
    """Names of the spans above one, the nearest first."""
    known, names = {each.span_id: each for each in spans}, []
    while span.parent_id in known:
        span = known[span.parent_id]
        names.append(span.name)
    return names


async def test_one_trace_holds_everything_from_the_command_line_to_the_revert(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    with otlp_receiver() as receiver:
        async with installed(state, otlp_endpoint=receiver.endpoint) as here:
            asked = await command(
                here, "run", f"mend add() {SECRET}", "--repo", str(repository), "--agent", "talker", "--json"
            )
            task = json.loads(asked)["task_id"]
            await here.settles(task)
            # Each of these is a process of its own, as one days later would be.
            await command(here, "approve", task, "--as", "grace", "-m", SECRET)
            await command(here, "merge", task, "--as", "grace")
            await command(here, "revert", task, "--as", "grace")
            spans = await trace(here, task)
            view = await here.view(task)
            shown = await command(here, "show", task, "--timeline")
            printed = json.loads(await command(here, "show", task, "--timeline", "--json"))
            status = view.status
            assert status.run is not None and status.run.output is not None
            output = (await here.parts.shared.artifacts.get(status.run.output)).decode()

    place = trace_of(task, status.task.trace)
    assert {span.trace_id for span in spans} == {place.trace_id}
    assert len({span.span_id for span in spans}) == len(spans)
    assert {span.attributes[Attribute.TASK] for span in spans} == {task}
    # It hangs together: the command is the only root, and all else is below it.
    assert [span.name for span in spans if not above(span, spans)] == ["journeyman run"]
    for name in ("approve", "merge", "revert"):
        assert above(named(spans, f"journeyman {name}")[0], spans) == ["task", "POST /tasks", "journeyman run"]
    assert above(named(spans, "forge merge")[0], spans)[:3] == ["step merge", "stage merge", "task"]
    assert above(named(spans, "forge revert")[0], spans)[:3] == ["step revert", "revert", "task"]
    [tool] = named(spans, "execute_tool bash")
    assert above(tool, spans)[:3] == ["invoke_agent talker", "stage run", "task"]
    assert {span.attributes[Attribute.TREE] for span in named(spans, "check pytest")} == {"base", "guarded"}
    assert len(named(spans, "sandbox start")) == len(named(spans, "egress refused")) == 1
    # Durations are those of the world, not of whoever wrote them down.
    assert 0.95 < seconds(tool) < 2
    assert seconds(named(spans, "invoke_agent talker")[0]) == pytest.approx(status.run.usage.wall_seconds, abs=0.5)
    # What the agent was given leads to its own span.
    assert f"parent {run_context(place, status.run.run_id).traceparent}" in output
    # Nobody's words are in it, in the archive as on the wire.
    assert SECRET in output
    assert SECRET not in "".join(span.model_dump_json() for span in spans)
    assert not any(SECRET.encode() in span.SerializeToString() for span in receiver.spans)
    assert {name for span in spans for name in span.attributes} <= {str(name) for name in ATTRIBUTES}
    assert {span.name.split()[0] for span in spans} <= {name.split()[0] for name in SPANS}
    # The collector has the same spans, each once.
    sent = [span.span_id.hex() for span in receiver.spans]
    assert sorted(sent) == sorted(span.span_id for span in spans)
    assert "journeyman.tasks" in receiver.metrics and "journeyman.sandbox.starts" in receiver.metrics
    assert "waits for a person" in shown and "execute_tool bash" in shown
    assert sorted(span["span_id"] for span in printed) == sorted(sent)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_worker_that_ends_in_the_middle_leaves_one_trace_with_no_span_twice(
    state: Path, how: signal.Signals
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with split(state) as (here, machine):
        await machine.start()
        task = await here.ask(repository, "patient")
        await here.reaches(task, Stage.RUN)
        async with asyncio.timeout(30):
            while b"tool_call" not in (await asyncio.to_thread(here.gateway("ada").log, task, 0)).data:
                await asyncio.sleep(0.05)
        await machine.end(how)
        await machine.start()
        (here.agents / "patient" / "go").touch()
        async with asyncio.timeout(120):
            while not await settled(here, task):
                await asyncio.sleep(0.5)
        await here.decide(task, Action.REJECT)
        await here.reaches(task, Stage.ENDED)
        # A worker may end between the last stage and the record of it.
        async with asyncio.timeout(60):
            while "outcome" not in {entry.kind for entry in await here.parts.shared.chains.entries(task)}:
                await asyncio.sleep(0.05)
        assert await machine.end(signal.SIGTERM) == 0
        spans = await trace(here, task)
        stored = [
            Span.model_validate_json(line)
            for file in (state / "archive" / "traces").rglob("*.jsonl")
            for line in file.read_text().splitlines()
        ]
    assert len({span.trace_id for span in stored}) == 1
    assert len({span.span_id for span in stored}) == len(stored)
    assert {span.span_id for span in stored} == {span.span_id for span in spans}
    [run] = named(spans, "invoke_agent patient")
    [tool] = named(spans, "execute_tool bash")
    assert tool.parent_id == run.span_id
    attempts = [span.attributes[Attribute.ATTEMPT] for span in named(spans, "step run_agent")]
    assert attempts[-1] == 2
    assert [span.name for span in spans if not above(span, spans)] == ["POST /tasks"]


async def test_an_open_task_shows_what_it_waits_for_and_since_when(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with installed(state) as here:
        task = await here.ask(repository, "mender")
        await here.settles(task)
        spans = await trace(here, task)
        going_on = [span.name for span in spans if span.end_unix_nano is None]
        assert going_on == ["task", "stage review"]
        assert named(spans, "stage review")[0].attributes[Attribute.WAITS_FOR] == "person"
        assert "stage review" in await command(here, "show", task[:6], "--timeline")


async def test_a_collector_that_is_away_costs_a_task_nothing(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with installed(state, otlp_endpoint=f"http://127.0.0.1:{free_port()}") as here:
        task = await here.ask(repository, "mender")
        await here.settles(task)
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.MERGE)
        assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
        assert named(await trace(here, task), "forge merge")


async def test_a_task_that_ci_asks_for_is_in_the_trace_of_its_job(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    job = f"00-{'12' * 16}-{'34' * 8}-01"
    async with installed(state) as here:
        words = ("run", "mend add()", "--repo", str(repository), "--agent", "idle", "--json", "--key", "ci:1")
        task = json.loads(await command(here, *words, TRACEPARENT=job))["task_id"]
        await here.settles(task)
        again = json.loads(await command(here, *words, TRACEPARENT=f"00-{'56' * 16}-{'78' * 8}-01"))
        assert again["task_id"] == task
        spans = await trace(here, task)
    assert {span.trace_id for span in spans} == {"12" * 16}
    first, second = named(spans, "journeyman run")
    assert first.parent_id == "34" * 8
    assert second.links == (f"00-{'56' * 16}-{'78' * 8}-01",)


async def test_a_refused_decision_is_in_the_trace_with_its_status_and_not_its_words(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with installed(state) as here:
        task = await here.ask(repository, "mender")
        await here.settles(task)
        with pytest.raises(Exception, match="refused"):
            await here.decide(task, Action.APPROVE, person="ada", message=SECRET)
        spans = await trace(here, task)
    [asked] = named(spans, "POST /tasks/{task}/decisions")
    assert (asked.attributes[Attribute.HTTP_STATUS], asked.attributes[Attribute.ACTION]) == (409, "approve")
    assert SECRET not in str(spans)


async def test_temporals_own_measures_are_served_to_prometheus_where_that_is_asked_for(state: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with split(state, metrics_address=address) as (here, machine):
        await machine.start()
        task = await here.ask(make_repository(state / "till.git", FILES, bare=True), "mender")
        await here.settles(task)
        page = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{address}/metrics").read().decode())
    assert 'temporal_activity_execution_latency_seconds_count{activity_type="run_agent"' in page
