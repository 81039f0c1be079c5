"""The demonstration's agent: a small program without a model, run like any other agent.

It does what an agent does: reads the task, runs the tests, finds what fails, edits, runs the tests again, and says
why. Runs inside the sandbox as a script with the standard library alone.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

FAILED = re.compile(r"^E +assert (-?\d+) == (-?\d+)", re.MULTILINE)


def tell(kind: str, **fields: object) -> None:
    """One event a line, as the command adapter reads them."""
    sys.stdout.write(json.dumps({"type": kind, **fields}) + "\n")
    sys.stdout.flush()


def run_tests() -> tuple[bool, str]:
    """Run the repository's tests, as AGENTS.md says."""
    tell("tool_call", tool="pytest", text="python3 -m pytest -q")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q"], capture_output=True, text=True, check=False)
    tell("tool_result", tool="pytest", text=done.stdout[-1500:], is_error=done.returncode != 0)
    return done.returncode == 0, done.stdout


def main() -> int:
    """Work on the task; exit code 0 if the tests pass in the end."""
    prompt = Path(os.environ["JOURNEYMAN_PROMPT"]).read_text()
    tell("message", text=f"Read the task ({len(prompt)} characters). First I look at what fails.")
    passed, output = run_tests()
    if passed:
        tell("result", text="All tests pass already; there is nothing to mend.")
        return 0
    found = FAILED.search(output)
    source = Path("calc.py")
    before = source.read_text()
    after = before.replace("return a - b", "return a + b", 1)
    if found is None or after == before:
        tell("error", text="I do not understand this failure.")
        return 1
    tell("tool_call", tool="edit", text="calc.py: return a + b")
    source.write_text(after)
    tell("tool_result", tool="edit", text="1 line changed")
    passed, _ = run_tests()
    tell(
        "result",
        text=f"add() subtracted: the test wanted {found[2]} and got {found[1]}. I changed the operator in calc.py and "
        "nothing else, since its callers and its test agree on what it should do.",
        is_error=not passed,
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
