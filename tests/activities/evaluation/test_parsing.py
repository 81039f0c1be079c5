"""The process that parses what anybody may have written can do nothing but answer."""

import subprocess
import sys

import pytest

from activities.evaluation.parsing.asking import LOST, ask
from activities.evaluation.parsing.confinement import CPU_SECONDS

ATTEMPTS = {
    "reads a file": "open('/etc/passwd')",
    "writes a file": "open('/tmp/journeyman-parsed', 'w')",
    "lists a folder": "os.listdir('/')",
    "opens a socket": "socket.socket()",
    "starts a process": "os.fork()",
    "becomes root again": "os.setuid(0)",
    "signals its parent": "os.kill(os.getppid(), 9)",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_parser_that_is_taken_over_can_not(attempt: str) -> None:
    program = (
        "import os, socket\nfrom activities.evaluation.parsing.confinement import confine\n{confine}\n"
        f"try:\n    {ATTEMPTS[attempt]}\nexcept PermissionError:\n    print('refused')\nelse:\n    print('done')\n"
    )
    confined = [sys.executable, "-I", "-c", program.format(confine="confine()")]
    done = subprocess.run(confined, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "refused\n", done.stderr


def test_what_is_refused_works_where_nothing_refuses_it() -> None:
    # Else the attempts above would show nothing.
    program = (
        "import os, socket; open('/etc/passwd'); os.listdir('/'); socket.socket(); os._exit(0) if not os.fork() else 0"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True, timeout=60)


async def test_every_question_gets_its_own_answer_in_order() -> None:
    questions = [
        {"ask": "tests", "suffix": ".py", "source": f"def test_{n}():\n    assert f({n}) == {n}\n"} for n in range(20)
    ]
    broken = {"ask": "tests", "suffix": ".js", "source": "it('a', () => {"}
    answers = await ask([*questions[:10], broken, *questions[10:]])
    assert [answer["units"][1]["name"] for answer in answers if "units" in answer] == [f"test_{n}" for n in range(20)]
    assert "syntax" in answers[10]["problem"]


async def test_what_takes_too_long_ends_and_what_came_before_it_still_counts() -> None:
    good = {"ask": "tests", "suffix": ".py", "source": "def test_a():\n    assert f(1) == 2\n"}
    # Nested conditions are spelled out once a level: by the square of the depth, for each of many lines.
    deep = "".join(" " * n + f"if {'a' * 2000}{n}:\n" for n in range(90))
    slow = {
        "ask": "tests",
        "suffix": ".py",
        "source": deep + "".join(f"{' ' * 90}assert a == {n}\n" for n in range(8000)),
    }
    answers = await ask([good, slow, good])
    assert answers[0]["units"][1]["assertions"]
    assert "problem" in answers[1]
    assert answers[2].get("problem", LOST) == LOST or answers[2]["units"]
    assert CPU_SECONDS < 30


async def test_answers_are_bounded_together() -> None:
    large = "def test_a():\n" + "".join(f"    assert f('{'x' * 90_000}') == {n}\n" for n in range(60))
    answers = await ask([{"ask": "tests", "suffix": ".py", "source": large}] * 8)
    assert "units" in answers[0]
    assert answers[-1]["problem"] == "there is too much in it"


@pytest.mark.parametrize("suffix", [".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"])
async def test_code_of_every_language_is_read_by_what_can_load_nothing_any_more(suffix: str) -> None:
    source = "x = 'é' + f(1)\n"
    answers = await ask([{"ask": "statements", "suffix": suffix, "source": source, "lines": [1]}])
    assert answers[0]["statements"][0]["mutants"]


@pytest.mark.parametrize("suffix", [".py", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts"])
async def test_tests_of_every_language_are_read_by_what_can_load_nothing_any_more(suffix: str) -> None:
    answers = await ask([{"ask": "tests", "suffix": suffix, "source": "x = 'é'\n"}])
    assert answers[0]["units"]
