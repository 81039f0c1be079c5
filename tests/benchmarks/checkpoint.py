"""How long a run stands still for a checkpoint of a work tree of 200 MB, by its own clock."""

import json
from pathlib import Path

from tests.benchmarks.figures import Figure, median, spread
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, installed
from workflows.models.status import Stage

_FILES = 5_000
_FILE_BYTES = 40_000
_STEPS = 12
_SHOWN_MS = 15
"""What is shorter may be the scheduler's."""
_AGENT = """
import json, pathlib, sys, threading, time
steps, shown = int(sys.argv[1]), float(sys.argv[2])
def say(**event):
    print(json.dumps(event), flush=True)
def watch():
    before = time.monotonic()
    while True:
        time.sleep(0.001)
        now = time.monotonic()
        if (gap := (now - before) * 1000) > shown:
            say(type="message", text=f"gap {gap:.1f}")
        before = time.monotonic()
threading.Thread(target=watch, daemon=True).start()
for number in range(steps):
    say(type="tool_call", tool="edit", text=str(number))
    for file in range(20):
        pathlib.Path("data", f"{number * 20 + file:05d}").write_text(str(number) * 40000)
    say(type="tool_result", tool="edit", text="done")
    time.sleep(2)
say(type="result", text="done")
"""


async def measure(state: Path) -> list[Figure]:
    """One run that is looked at after every tool call."""
    program = state / "program"
    program.mkdir(mode=0o755)
    (program / "agent.py").write_text(_AGENT)
    (program / "agent.py").chmod(0o644)
    command = json.dumps(["python3", "/opt/agent/agent.py", str(_STEPS), str(_SHOWN_MS)])
    agent = f'[agents.worker]\ncommand = {command}\nmounts = [{{ source = "{program}", target = "/opt/agent" }}]'
    block = "0123456789abcdef" * (_FILE_BYTES // 16)
    files = {f"data/{number:05d}": f"{number}{block}" for number in range(_FILES)}
    repository = make_repository(state / "large.git", FILES | files, bare=True)
    async with installed(state, configuration=agent, checkpoint_seconds=60, checkpoint_calls=1) as here:
        task = await here.ask(repository, "worker")
        view = await here.reaches(task, Stage.REVIEW, Stage.GUIDANCE, Stage.ENDED, seconds=600)
        assert view.status.run is not None and view.status.run.output is not None, view.status.message
        output = (await here.parts.shared.artifacts.get(view.status.run.output)).decode()
        taken = await here.parts.shared.attested.checkpoints(task)
    gaps = sorted(float(line.split("gap ")[1].split('"')[0]) for line in output.splitlines() if "gap " in line)
    pauses = gaps[-len(taken) :] or [0.0]
    copied = [one.paused_ms for one in taken]
    return [
        Figure(
            "checkpoint_pause_ms",
            round(median(pauses), 1),
            unit="ms",
            goal=200,
            detail=f"{len(taken)} checkpoints of {_FILES} files, {_FILES * _FILE_BYTES // 10**6} MB "
            f"({spread(pauses)}); "
            f"of that looking and copying {median(copied):.0f} ms",
        )
    ]
