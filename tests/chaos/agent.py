"""The agent of the kill test: writes a note in steps, and goes on with what it finds in its work tree.

Each step is announced before it is taken and noted after it, so that one that is announced twice was done again.
"""

import re
from pathlib import Path

from tests.support.repositories import make_repository

STEPS = 5
"""Tool calls of a task whose run nobody disturbs."""
STEP_SECONDS = 0.6
THOUGHT_SECONDS = 0.4
"""Between two steps, where checkpoints are taken."""
PROGRAM = f"""
import json, os, pathlib, re, time
name = re.search(r"notes/(\\w+)\\.txt", open(os.environ["JOURNEYMAN_PROMPT"]).read())[1]
note = pathlib.Path("notes", name + ".txt")
note.parent.mkdir(exist_ok=True)
done = len(note.read_text().splitlines()) if note.exists() else 0
for step in range(done + 1, {STEPS + 1}):
    print(json.dumps(dict(type="tool_call", tool="write", text=f"step {{step}}", session="one")), flush=True)
    time.sleep({STEP_SECONDS})
    aside = pathlib.Path("/tmp/note")
    aside.write_text("".join(f"{{name}} step {{number}}\\n" for number in range(1, step + 1)))
    whole = note.with_name("." + note.name)
    whole.write_text(aside.read_text())
    whole.rename(note)
    print(json.dumps(dict(type="tool_result", tool="write", text=f"noted {{step}}")), flush=True)
    time.sleep({THOUGHT_SECONDS})
print(json.dumps(dict(type="result", text=f"notes/{{name}}.txt has {STEPS} lines")), flush=True)
"""
CHECK = f"""
import pathlib, sys
for note in pathlib.Path("notes").glob("*.txt"):
    if note.read_text() != "".join(f"{{note.stem}} step {{number}}\\n" for number in range(1, {STEPS + 1})):
        sys.exit(f"{{note}} is not what was asked for")
"""
TEAM = """scope = ["notes/**"]

[[checks]]
name = "notes"
command = "python3 check.py"
"""
_STEP = re.compile(rb'"text": "step (\d+)"')


def note_of(name: str) -> str:
    """What a task's file has in the end."""
    return "".join(f"{name} step {number}\n" for number in range(1, STEPS + 1))


def goal_of(name: str) -> str:
    """In words that the agent understands."""
    return f"Write notes/{name}.txt, one line a step."


def steps_in(output: bytes) -> list[int]:
    """The steps that a run announced, in order."""
    return [int(number) for number in _STEP.findall(output)]


def configure(state: Path) -> None:
    """Write journeyman.toml and the agent's program."""
    folder = state / "agent"
    folder.mkdir(mode=0o755)
    (folder / "agent.py").write_text(PROGRAM)
    (folder / "agent.py").chmod(0o644)
    (state / "journeyman.toml").write_text(
        'default_agent = "writer"\n\n[agents.writer]\ncommand = ["python3", "/opt/agent/agent.py"]\n'
        f'mounts = [{{ source = "{folder}", target = "/opt/agent" }}]\n'
    )


def repository(path: Path) -> Path:
    """One whose check holds of every note in it."""
    files = {"check.py": CHECK, ".journeyman/team.toml": TEAM, "AGENTS.md": "# Notes\n", "notes/.keep": ""}
    return make_repository(path, files, bare=True)
