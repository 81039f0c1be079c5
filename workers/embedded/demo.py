"""The demonstration: the main job from a failing test to a reverted merge, on a stack of its own."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from workers.cli.client import CommandFailed, GatewayClient
from workers.cli.evidence_lines import print_evidence
from workers.cli.terminal import Terminal, plain, safe_block
from workers.cli.waiting import stage_lines
from workers.embedded import demo_agent
from workers.embedded.demo_repository import GOAL, create_demo_repository
from workers.embedded.stack import stack
from workers.embedded.temporal_server import free_port
from workers.gateway.messages import NewDecision, NewTask, TaskView
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.evidence import Evidence
from workflows.models.pull_request import RevertOutcome, RevertResult
from workflows.models.status import Outcome, Stage, TaskStatus

_LONGEST_SECONDS = 600
_WAITING = {Stage.REVIEW, Stage.APPROVED, Stage.GUIDANCE, Stage.ENDED}
_CHOICES = {
    "yes": (Action.APPROVE, Action.MERGE),
    "no": (Action.REJECT,),
    "changes": (Action.REQUEST_CHANGES,),
}
_Answer = TypeVar("_Answer")
_CONFIGURATION = """profile = "local"
default_agent = "demo"
# One test and no chance in it: running it again would show nothing but that it takes time.
repeats = 0

[agents.demo]
adapter = "command"
command = ["python3", "/opt/agent/demo_agent.py"]

[[agents.demo.mounts]]
source = "{agent}"
target = "/opt/agent"

[limits.run]
wall_seconds = 120
"""


async def demonstrate(installed: Settings, *, auto: bool, as_json: bool) -> None:
    """Run the demonstration. Raises CommandFailed unless everything happened as it should."""
    if not auto and _nobody_there():
        raise CommandFailed("nobody is at the terminal to decide: use `journeyman demo --auto`, or `make demo AUTO=1`")
    console = Terminal(sys.stderr if as_json else sys.stdout)
    installed.prepare_state()
    state = installed.state / "demo"
    settings = Settings(
        state=state,
        config=None,
        security=None,
        archive="",
        host="",
        temporal_address=f"127.0.0.1:{free_port()}",
        temporal_ui_port=free_port(),
    )
    _refuse_while_up(settings)
    shutil.rmtree(state, ignore_errors=True)
    settings.prepare_state()
    _share_stage(installed.state, state)
    repository = state / "till.git"
    create_demo_repository(repository)
    agent = state / "agent"
    agent.mkdir(mode=0o755)
    shutil.copyfile(demo_agent.__file__, agent / "demo_agent.py")
    (agent / "demo_agent.py").chmod(0o644)
    settings.config_file.write_text(_CONFIGURATION.format(agent=agent))
    started = time.monotonic()
    console.print("starting Temporal, a worker, the gateway and an egress gateway on this machine …")
    async with stack(settings, leave_nothing=True):
        console.print(f"up after {time.monotonic() - started:.1f} s")
        await _in_a_thread(lambda: _main_job(settings, repository, console, auto=auto, as_json=as_json))


def _nobody_there() -> bool:
    """Whether nothing can ever be answered: told before the work, not after."""
    try:
        return os.fstat(sys.stdin.fileno()).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116
    except (AttributeError, OSError, ValueError):
        return True


async def _in_a_thread(work: Callable[[], None]) -> None:
    """Run work that waits for a person, in a thread that Ctrl-C can leave behind at the prompt."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error is not None else done.set_result(None)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:  # whatever it is, whoever waits has to hear it
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is gone when this was left behind
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, daemon=True).start()
    await done


def _main_job(settings: Settings, repository: Path, console: Console, *, auto: bool, as_json: bool) -> None:
    asker, decider = GatewayClient(settings.gateway_socket, "ada"), GatewayClient(settings.gateway_socket, "grace")
    begun = time.monotonic()
    before = _tree(repository)
    admitted = asker.admit(NewTask(goal=GOAL, repository=str(repository), task_type="test-fix"))
    task = admitted.task_id
    console.print(f"\ntask {task}: {GOAL}")
    view = _follow(asker, task, console, _WAITING)
    if view.status.stage is not Stage.REVIEW:
        raise CommandFailed(f"the task did not reach review: {view.status.message}")
    console.print(f"\nTemporal UI   {view.temporal_ui}")
    command = f"JOURNEYMAN_STATE={settings.state} {sys.argv[0]}"
    if auto:
        console.print("deciding as a second person; everything of it ends with this command")
    else:
        console.print(
            f"from another terminal:\n  {command} show {task}\n  {command} diff {task}\n  {command} evidence {task}\n"
        )
    sys.stderr.flush()
    evidence = asker.evidence(task)
    view = _decide(asker, decider, task, console, auto=auto, quiet=as_json)
    if view.status.outcome is not Outcome.MERGED:
        console.print(f"{plain(view.status.message or str(view.status.outcome))}: base is as it was")
        return
    merged = _tree(repository)
    if not auto and not _asked("Merged. Take it back?", console, {"yes": True, "no": False}):
        console.print(f"The merge stays in {repository}, which is yours to look at. Everything else of it ends now.")
        return
    revert = decider.revert(task, NewDecision(action=Action.REVERT))
    _report(
        view.status, evidence, revert, (before, merged, _tree(repository)), time.monotonic() - begun, console, as_json
    )


def _decide(
    asker: GatewayClient, decider: GatewayClient, task: str, console: Console, *, auto: bool, quiet: bool
) -> TaskView:
    """Have the patch decided about, here or in another terminal, until the task has ended."""
    view, seen = asker.view(task), ""
    while view.status.stage is not Stage.ENDED:
        head = view.status.patch.head if view.status.patch else ""
        if head != seen and not quiet:
            print_evidence(asker.evidence(task))
            console.print(plain(view.status.run.summary if view.status.run else ""))
            console.print(safe_block(asker.diff(task)), markup=False)
        if auto and seen:
            raise CommandFailed(f"the patch was not merged: {view.status.message}")
        seen = head
        chosen = _CHOICES["yes"] if auto else _asked("Approve and merge this patch as `grace`?", console, _CHOICES)
        words = _said("What should change?", console) if Action.REQUEST_CHANGES in chosen else ""
        try:
            for action in chosen:
                decider.decide(task, _decision(action, view.status, words))
        except CommandFailed as refused:
            # Anybody may have decided in another terminal meanwhile: this one says how.
            console.print(f"not done here: {plain(str(refused))}")
        view = _follow(asker, task, console, _WAITING, len(view.status.spans))
    return view


def _report(
    status: TaskStatus,
    evidence: Evidence,
    revert: RevertResult,
    trees: tuple[str, str, str],
    seconds: float,
    console: Console,
    as_json: bool,
) -> None:
    """Say what happened, and fail unless base really went red, green and back.

    A tree is what was judged: base is green after the merge since its tree is the one whose checks passed, and it is
    back since its tree is the one it began with.
    """
    before, merged, after = trees
    red = not evidence.base.passed and before == evidence.base.tree
    green = evidence.patched.passed and merged == evidence.patched.tree and merged != before
    reverted = revert.outcome is RevertOutcome.REVERTED and after == before
    stages: dict[str, float] = {}
    for span in status.spans:
        if span.ended is not None:
            stages[span.stage] = round(stages.get(span.stage, 0) + (span.ended - span.started).total_seconds(), 3)
    console.print("\nwhat happened")
    for what, took in (*stages.items(), ("revert", round(revert.seconds, 3))):
        console.print(f"  {what:10} {took:6.2f} s")
    for what, holds in (("base was red", red), ("then green", green), ("then reverted", reverted)):
        console.print(f"  {what:14} {'[green]yes[/green]' if holds else '[red]no[/red]'}")
    console.print(f"  {'in all':10} {seconds:6.2f} s")
    if as_json:
        result = {
            "task_id": status.task.id,
            "red": red,
            "green": green,
            "reverted": reverted,
            "merge_commit": status.merge_commit,
            "revert_commit": revert.commit,
            "stage_seconds": stages,
            "revert_seconds": revert.seconds,
            "seconds": round(seconds, 3),
        }
        sys.stdout.write(json.dumps(result) + "\n")
    if not (red and green and reverted):
        raise CommandFailed("base did not go from red to green and back; the lines above say where it stopped")


def _follow(client: GatewayClient, task: str, console: Console, until: set[Stage], shown: int = 0) -> TaskView:
    """Show each stage as it passes, until one of these."""
    begun = time.monotonic()
    while True:
        view = client.view(task)
        for line in stage_lines(view.status, shown):
            console.print(f"  {line}")
        shown = len(view.status.spans)
        if view.status.stage in until:
            return view
        if time.monotonic() - begun > _LONGEST_SECONDS:
            raise CommandFailed(f"the task is still at stage {view.status.stage}: {view.status.message}")
        time.sleep(0.1)


def _decision(action: Action, status: TaskStatus, words: str) -> NewDecision:
    return NewDecision(
        action=action,
        head=status.patch.head if status.patch else "",
        evidence_hash=status.evaluation.evidence_hash if status.evaluation else "",
        message=words,
    )


def _asked(question: str, console: Console, answers: Mapping[str, _Answer]) -> _Answer:
    """Ask until one of the answers is given; its beginning is enough."""
    while True:
        said = _said(f"{question} [{', '.join(answers)}]", console).lower()
        meant = [answer for word, answer in answers.items() if said and word.startswith(said)]
        if meant:
            return meant[0]


def _said(question: str, console: Console) -> str:
    console.print(f"{question} ", end="", markup=False)
    answer = sys.stdin.readline()
    if not answer:
        raise CommandFailed("nobody is at the terminal to decide; `make demo AUTO=1` decides by itself")
    return answer.strip()


def _tree(repository: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "main^{tree}"], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _share_stage(installed: Path, demo: Path) -> None:
    """Use what set-up or an earlier demonstration has staged; it is named by its content."""
    (installed / "stage").mkdir(exist_ok=True, mode=0o755)
    (demo / "stage").symlink_to(installed / "stage")


def _refuse_while_up(settings: Settings) -> None:
    if settings.gateway_socket.exists():
        with contextlib.suppress(CommandFailed):
            GatewayClient(settings.gateway_socket).tasks()
            raise RuntimeError(
                f"a demonstration already runs with the state in {settings.state}: finish that one first"
            )
