"""A whole task whose agent hangs: it is named, its work is kept, it goes on once, and then people are asked."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.model_script import Script, Trouble, Turn
from tests.support.model_server import ModelServer, model_server
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workflows.models.decision import Action
from workflows.models.question import WORK, Choice, QuestionKind
from workflows.models.run import HangKind, RunEnd
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("hangs")
AGENT = """
import json, os, pathlib, sys, threading, time, urllib.request
mode, steps = sys.argv[1], pathlib.Path(os.environ["JOURNEYMAN_SESSION_DIR"], "steps")
session, told = os.environ["JOURNEYMAN_SESSION"], open(os.environ["JOURNEYMAN_PROMPT"]).read()

def say(**event):
    print(json.dumps(event), flush=True)

def mend():
    source = pathlib.Path("calc.py")
    source.write_text(source.read_text().replace("a - b", "a + b"))

def ask():
    tools = [{"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}]
    said = [{"role": "user", "content": "go on"}]
    body = json.dumps({"model": "m", "stream": True, "tools": tools, "messages": said}).encode()
    url = os.environ["JOURNEYMAN_MODEL_URL"] + "/v1/chat/completions"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()

def begin():
    say(type="message", text="I begin", session="conversation-7")
    say(type="tool_call", tool="edit", text="calc.py")
    pathlib.Path("begun.txt").write_text(mode)
    steps.write_text("one step")
    say(type="tool_result", tool="edit", text="done")

if mode == "silent-start":
    again = steps.exists()
    steps.write_text("one step")
else:
    again = bool(session)
if again and mode not in ("twice", "always-late"):
    mend()
    words = f"{steps.read_text()}, session {session!r}, told {'You were interrupted' in told}"
    say(type="result", text=words)
elif mode == "silent-start":
    time.sleep(600)
elif mode in ("stall", "late"):
    begin()
    time.sleep(600)
elif mode in ("twice", "always-late"):
    begin()
    mend()
    time.sleep(600)
elif mode == "no-exit":
    begin()
    mend()
    say(type="result", text="add() adds now")
    threading.Event().wait(600)
elif mode == "errors":
    begin()
    while True:
        say(type="error", text="the model does not answer")
        time.sleep(0.2)
elif mode == "retry-loop":
    begin()
    while True:
        try:
            ask()
        except OSError as error:
            print(f"trying again: {error}", flush=True)
        time.sleep(0.3)
elif mode == "permission-prompt":
    begin()
    print("Allow it to run `rm -rf build`? [y/N] ", end="", flush=True)
    time.sleep(600)
elif mode == "output-flood":
    begin()
    while True:
        print("x" * 50_000, flush=True)
        time.sleep(0.05)
elif mode == "torrent":
    begin()
    while True:
        print("x" * 50_000, flush=True)
elif mode == "memory":
    begin()
    kept = [bytes(b"x" * 1_000_000) for _ in range(4000)]
elif mode == "tester":
    begin()
    mend()
    until = time.monotonic() + 8
    while time.monotonic() < until:
        sum(range(10_000))
    say(type="result", text="all tests pass")
elif mode == "thinker":
    begin()
    mend()
    ask()
    say(type="result", text="it thought for long")
"""
QUIET = 3
"""Seconds after which these agents count as hanging."""
LIMITS = {
    "silent-start": "silent_start = 3",
    "stall": "stall = 3",
    "twice": "stall = 3",
    "no-exit": "no_exit = 2",
    "errors": "retry_loop = 2",
    "retry-loop": "retry_loop = 3",
    "permission-prompt": "permission_prompt = 3\nstall = 20",
    "output-flood": "output_flood = 2",
    "torrent": "output_flood = 0",
    "tester": "stall = 3\nsilent_start = 3",
    "thinker": "stall = 3\nsilent_start = 3",
    "late": "stall = 0",
    "always-late": "stall = 0",
    "memory": "stall = 0",
}
"""Of each agent, in its own table."""


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server(Script([Turn("a thought")], always=Trouble.SLOW, slow_seconds=1.8)) as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, model: ModelServer) -> AsyncIterator[Installation]:
    program = place / "program"
    program.mkdir(mode=0o755)
    (program / "agent.py").write_text(AGENT)
    (program / "agent.py").chmod(0o644)
    with socket.socket() as nobody:
        # Taken, and listened at by nobody.
        nobody.bind(("127.0.0.1", 0))
        tables = [
            "continues = 1",
            '[limits.run]\nwall_seconds = 15\nmemory_bytes = "256 MiB"\noutput_bytes = "8 MiB"',
            f'[providers.thinking]\nurl = "{model.url}"\nprivate = true',
            f'[providers.gone]\nurl = "http://127.0.0.1:{nobody.getsockname()[1]}"\nprivate = true',
        ]
        for mode, limits in LIMITS.items():
            provider = {"thinker": "thinking", "retry-loop": "gone"}.get(mode)
            tables.append(
                f'[agents.{mode}-agent]\ncommand = ["python3", "/opt/agent/agent.py", "{mode}"]\n'
                + (f'provider = "{provider}"\n' if provider else "")
                + f'mounts = [{{ source = "{program}", target = "/opt/agent" }}]\n[agents.{mode}-agent.hangs]\n{limits}'
            )
        async with installed(place, configuration="\n".join(tables)) as installation:
            yield installation


@pytest.fixture
def repository(state: Path) -> Path:
    return make_repository(state / "till.git", FILES, bare=True)


@pytest.mark.parametrize(
    ("agent", "kind", "told"),
    [
        ("stall", HangKind.STALL, "one step, session 'conversation-7', told True"),
        ("silent-start", HangKind.SILENT_START, "one step, session '', told True"),
        ("errors", HangKind.RETRY_LOOP, "one step, session 'conversation-7', told True"),
        ("retry-loop", HangKind.RETRY_LOOP, "one step, session 'conversation-7', told True"),
        ("permission-prompt", HangKind.PERMISSION_PROMPT, "one step, session 'conversation-7', told True"),
        ("output-flood", HangKind.OUTPUT_FLOOD, "one step, session 'conversation-7', told True"),
        ("torrent", HangKind.OUTPUT_FLOOD, "one step, session 'conversation-7', told True"),
    ],
)
async def test_an_agent_that_hangs_is_named_goes_on_once_where_it_was_and_gets_done(
    here: Installation, repository: Path, agent: str, kind: HangKind, told: str
) -> None:
    task = await here.ask(repository, f"{agent}-agent")
    view = await here.reaches(task, Stage.REVIEW, Stage.GUIDANCE, Stage.ENDED, Stage.QUESTION)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert view.status.hangs == (f"{kind} in run {task}-1-1",)
    assert view.status.run is not None
    assert (view.status.run.summary, view.status.runs, view.status.round) == (told, 2, 1)
    evidence = await here.evidence(task)
    assert evidence.patched.passed
    assert evidence.hangs == view.status.hangs
    assert f"hung        {kind} in run {task}-1-1" in (await typed(here.settings.state, "show", task)).out
    assert f"{kind} in run {task}-1-1" in (await typed(here.settings.state, "evidence", task)).out
    await here.decide(task, Action.REJECT)


async def test_a_result_stands_although_its_command_line_never_ends(here: Installation, repository: Path) -> None:
    task = await here.ask(repository, "no-exit-agent")
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert view.status.run is not None
    assert (view.status.run.end, view.status.run.hang, view.status.runs) == (RunEnd.HUNG, HangKind.NO_EXIT, 1)
    assert view.status.run.summary == "add() adds now"
    assert "did not end within 2 s" in view.status.run.detail
    assert (await here.evidence(task)).hangs == (f"no-exit in run {task}-1-1",)
    await here.decide(task, Action.REJECT)


@pytest.mark.parametrize(
    ("agent", "words"), [("tester", "all tests pass"), ("thinker", "it thought for long")], ids=["computes", "asks"]
)
async def test_a_run_that_is_silent_for_long_is_no_hang_while_it_computes_or_its_model_answers(
    here: Installation, repository: Path, agent: str, words: str
) -> None:
    task = await here.ask(repository, f"{agent}-agent")
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert view.status.run is not None
    assert (view.status.run.summary, view.status.hangs, view.status.runs) == (words, (), 1)
    # It was silent for longer than what counts as a hang of one that does nothing.
    assert view.status.run.usage.wall_seconds > 2 * QUIET
    await here.decide(task, Action.REJECT)


async def test_an_agent_that_hangs_twice_is_asked_about_and_what_there_is_can_be_proposed(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "twice-agent")
    question = (await here.reaches(task, Stage.QUESTION)).status.question
    assert question is not None
    assert (question.kind, question.choices) == (QuestionKind.HANG, WORK)
    assert "again, the agent hung (stall); what it had done so far is kept" in question.text
    # It waits without a workspace: no place of the host is taken.
    assert here.parts.sandboxes.live_runs() == ()
    assert here.parts.placements.all() == []
    shown = (await typed(here.settings.state, "show", task)).out
    early = await typed(here.settings.state, "approve", task, "--as", "grace")
    assert "while the task is at stage question; it waits for a person to answer" in early.error
    unjudged = await typed(here.settings.state, "evidence", task)
    assert unjudged.code == 1
    assert f"nothing was judged; hung: stall in run {task}-1-1, stall in run {task}-1-2" in unjudged.error
    assert f"journeyman answer {task} propose" in shown and f"stall in run {task}-1-2" in shown
    await here.answer(task, Choice.PROPOSE)
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    evidence = await here.evidence(task)
    assert evidence.patched.passed
    assert evidence.hangs == tuple(f"stall in run {task}-1-{number}" for number in (1, 2))
    await here.decide(task, Action.REJECT)


async def test_a_run_that_comes_to_its_deadline_is_asked_about_and_goes_on_where_it_was(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "late-agent")
    question = (await here.reaches(task, Stage.QUESTION)).status.question
    assert question is not None
    assert (question.kind, question.choices) == (QuestionKind.LIMIT, WORK)
    assert "was not done in the 15 s of a run; what it had done so far is kept" in question.text
    await here.answer(task, Choice.CONTINUE)
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert view.status.run is not None
    # In another workspace, with the conversation of the first.
    assert view.status.run.run_id == f"{task}-2-2"
    assert view.status.run.summary == "one step, session 'conversation-7', told True"
    diff = (await here.diff(task)).decode()
    assert "begun.txt" in diff and "+    return a + b" in diff
    await here.decide(task, Action.REJECT)


async def test_a_task_is_let_go_on_only_as_often_as_policy_says(here: Installation, repository: Path) -> None:
    task = await here.ask(repository, "always-late-agent")
    await here.answer(task, Choice.CONTINUE)
    while (question := (await here.reaches(task, Stage.QUESTION)).status.question) is None or question.id == "q1":
        await asyncio.sleep(0.1)
    assert question.choices == (Choice.PROPOSE, Choice.DISCARD)
    assert "let go on 1 time, which is the most" in question.text
    await here.answer(task, Choice.DISCARD)
    view = await here.reaches(task, Stage.ENDED)
    assert view.status.outcome is Outcome.DISCARDED, view.status.message
    assert "+    return a + b" in (await here.diff(task)).decode()


async def test_a_run_that_uses_too_much_memory_is_asked_about_with_its_work_and_conversation_kept(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "memory-agent")
    question = (await here.reaches(task, Stage.QUESTION)).status.question
    assert question is not None
    assert (question.kind, question.choices) == (QuestionKind.LIMIT, WORK)
    assert "used more than 256 MiB of memory; what it had done so far is kept" in question.text
    kept = await here.parts.shared.attested.checkpoint_of(task, f"{task}-1-1")
    assert kept is not None and kept.patch is not None and kept.session is not None
    assert (kept.session_id, kept.tool_calls) == ("conversation-7", 1)
    await here.answer(task, Choice.CONTINUE)
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    await here.decide(task, Action.REJECT)
