"""A whole task whose agent comes to a cap of its budget or to the end of its tool calls: no work is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.host.layout import HostLayout
from activities.sandbox import processes
from activities.sandbox.run_directory import RunDirectory
from tests.support.model_script import Script, Turn, Usage
from tests.support.model_server import ModelServer, model_server
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from workflows.models.decision import Action
from workflows.models.question import Choice
from workflows.models.run import RunEnd
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("budget")
DOLLAR = Usage(input=0, output=1_000_000, cache_read=0)
"""Of each answer, at one dollar per million tokens."""
AGENT = """
import json, os, pathlib, re, sys, time, urllib.request
mode, text = sys.argv[1], pathlib.Path("calc.py").read_text()
prompt = pathlib.Path(os.environ["JOURNEYMAN_PROMPT"]).read_text()

def ask():
    tools = [{"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}]
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "go on"}], "tools": tools}).encode()
    url = os.environ["JOURNEYMAN_MODEL_URL"] + "/v1/chat/completions"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        json.load(answer)

def say(**event):
    print(json.dumps(event), flush=True)

def mend():
    # Once: whoever is ended in the middle of a write leaves half a file.
    if "a - b" in pathlib.Path("calc.py").read_text():
        pathlib.Path("calc.py").write_text(text.replace("a - b", "a + b"))

if mode == "asker":
    ask(); mend(); ask(); ask()
    say(type="result", text="add() adds now; asked three times")
elif mode == "caller":
    # It forgets what it does, as agents do: only a fresh one that was told gets it done.
    if "said so far" in prompt and "calc.py is the place" in prompt:
        mend()
        say(type="result", text="add() adds now, as the one before me found out")
    else:
        say(type="message", text="calc.py is the place, said so far")
        for number in range(1000):
            say(type="tool_call", tool="look", text=f"look {number}")
            say(type="tool_result", tool="look", text="seen")
            pathlib.Path("seen.txt").write_text(str(number))
            time.sleep(0.05)
elif mode == "wanderer":
    for number in range(1000):
        say(type="tool_call", tool="look", text=f"look {number}")
        say(type="tool_result", tool="look", text="seen")
        mend()
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server(Script([Turn("done", usage=DOLLAR)])) as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, model: ModelServer) -> AsyncIterator[Installation]:
    program = place / "program"
    program.mkdir(mode=0o755)
    (program / "agent.py").write_text(AGENT)
    (program / "agent.py").chmod(0o644)
    tables = [
        "tool_calls = 5",
        "runs_per_round = 2",
        "[budget]\ntask_usd = 1\ntask_most_usd = 4",
        f'[providers.own]\nurl = "{model.url}"\nprivate = true\nprices.m = {{ input = 0, output = 1 }}',
        *(
            f'[agents.{mode}-agent]\ncommand = ["python3", "/opt/agent/agent.py", "{mode}"]\nprovider = "own"\n'
            f'mounts = [{{ source = "{program}", target = "/opt/agent" }}]'
            for mode in ("asker", "caller", "wanderer")
        ),
    ]
    async with installed(place, configuration="\n".join(tables)) as installation:
        yield installation


async def next_question(here: Installation, task: str, answered: str) -> None:
    while (question := (await here.reaches(task, Stage.QUESTION)).status.question) is None or question.id == answered:
        await asyncio.sleep(0.1)


def states(here: Installation, run_id: str) -> set[str]:
    """Of every process in a run's sandbox, as `ps` shows them: T is stopped, D is what a frozen cgroup's are."""
    run = RunDirectory(HostLayout(here.settings.hosts / here.parts.host).runs / run_id)
    inside = run.living(run.sandbox)
    assert inside is not None
    stats = [Path(f"/proc/{process.pid}/stat").read_text() for process in processes.descendants(inside)]
    return {stat.rpartition(")")[2].split()[0] for stat in stats}


async def test_a_run_at_its_cap_stands_still_until_somebody_lets_it_go_on(
    here: Installation, model: ModelServer, state: Path
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    model.asked.clear()
    task = await here.ask(repository, "asker-agent")
    view = await here.reaches(task, Stage.QUESTION)
    question = view.status.question
    assert question is not None
    assert "its task's budget is used up" in question.text
    assert question.used_micro_usd == 1_000_000
    assert len(model.asked) == 1
    (run_id,) = here.parts.sandboxes.live_runs()
    async with asyncio.timeout(10):
        while not states(here, run_id) <= {"T", "D"}:
            await asyncio.sleep(0.02)
    # What there is outlives its host, should nobody answer for hours.
    kept = await here.parts.shared.attested.checkpoint_of(task, run_id)
    assert kept is not None and kept.patch is not None and kept.metered.micro_usd == 1_000_000
    await here.answer(task, Choice.CONTINUE, 1)
    # One dollar more is one request more.
    await next_question(here, task, question.id)
    assert len(model.asked) == 2
    assert here.parts.sandboxes.live_runs() == (run_id,)
    await here.answer(task, Choice.CONTINUE, 1)
    view = await here.reaches(task, Stage.REVIEW)
    assert len(model.asked) == 3
    assert view.status.run is not None
    assert view.status.run.summary == "add() adds now; asked three times"
    assert (view.status.run.metered.micro_usd, view.status.run.metered.requests) == (3_000_000, 3)
    assert view.status.used.micro_usd == 3_000_000
    assert view.status.run.metered.price_version.startswith("own-")
    assert (await here.evidence(task)).patched.passed


@pytest.mark.parametrize(
    ("choice", "stage", "outcome"),
    [(Choice.PROPOSE, Stage.REVIEW, None), (Choice.DISCARD, Stage.ENDED, Outcome.DISCARDED)],
)
async def test_work_of_a_run_at_its_cap_is_proposed_or_discarded_as_somebody_chose(
    here: Installation, model: ModelServer, state: Path, choice: Choice, stage: Stage, outcome: Outcome | None
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, "asker-agent")
    await here.answer(task, Choice.CONTINUE, 1)
    await next_question(here, task, "q1")
    await here.answer(task, choice)
    view = await here.settles(task)
    assert (view.status.stage, view.status.outcome) == (stage, outcome), view.status.message
    assert view.status.run is not None
    assert view.status.run.end is RunEnd.BUDGET
    assert view.status.run.metered.micro_usd == 2_000_000
    assert here.parts.sandboxes.live_runs() == ()
    assert "+    return a + b" in (await here.diff(task)).decode()
    if choice is Choice.PROPOSE:
        await here.decide(task, Action.REJECT)
        await here.reaches(task, Stage.ENDED)


async def test_a_run_of_too_many_tool_calls_is_followed_by_a_fresh_one_that_knows_what_it_found(
    here: Installation, state: Path
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, "caller-agent")
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert (view.status.runs, view.status.round) == (2, 1)
    assert view.status.run is not None
    assert view.status.run.summary == "add() adds now, as the one before me found out"
    assert "seen.txt" in (await here.diff(task)).decode()


async def test_an_agent_that_is_never_done_asks_what_to_do_with_its_work(here: Installation, state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, "wanderer-agent")
    question = (await here.reaches(task, Stage.QUESTION)).status.question
    assert question is not None
    assert "2 runs of 5 tool calls" in question.text
    assert here.parts.sandboxes.live_runs() == ()
    await here.answer(task, Choice.PROPOSE)
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert view.status.run is not None
    assert view.status.run.end is RunEnd.TOOL_CALLS
    # What it began while it was being stopped counts too; it would have made a thousand.
    assert 5 <= view.status.run.tool_calls < 200
    assert (await here.evidence(task)).patched.passed
