"""The process that parses: a parser that breaks takes nothing else with it.

Standard input has a JSON object a line (`ask`, `suffix`, `source`, and what else is asked with), standard output an
answer a line. It confines itself before it reads; what is not answered was not read.
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from activities.evaluation.depth import python_code, script_code
from activities.evaluation.parsing.confinement import confine
from activities.evaluation.weakening import python_tests, script_tests
from activities.evaluation.weakening.facts import NotComparable

MOST_ANSWER_CHARS = 8 * 1024 * 1024
MOST_ANSWERS_CHARS = 32 * 1024 * 1024
"""All together: whoever asks holds them in memory."""


_FIRST = (
    *(("tests", ".ts", "test('é', () => {"), ("tests", ".tsx", "test('é', () => {})"), ("tests", ".js", "x")),
    *(("tests", ".py", "def é(:"), ("tests", ".py", "assert é"), ("statements", ".py", "é = 1 + 2")),
    *(("statements", ".js", "x('é' + 1)"), ("statements", ".ts", "x = 1 + 2")),
)


def main() -> None:
    """Answer until there is nothing more to read."""
    # What a codec or an error message would load later has to be there before.
    for ask, suffix, source in _FIRST:
        json.dumps(_answer({"ask": ask, "suffix": suffix, "source": source, "lines": [1]}))
    confine()
    left = MOST_ANSWERS_CHARS
    for line in sys.stdin:
        answer = json.dumps(_answer(json.loads(line)))
        if len(answer) > min(left, MOST_ANSWER_CHARS):
            answer = json.dumps({"problem": "there is too much in it"})
        left -= len(answer)
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


def _answer(asked: dict[str, Any]) -> dict[str, object]:
    try:
        if asked["ask"] == "statements":
            return {"statements": [asdict(each) for each in _statements(**asked)]}
        return {"units": [asdict(unit) for unit in _units(asked["suffix"], asked["source"])]}
    except NotComparable as error:
        return {"problem": str(error)}
    except (RecursionError, MemoryError):
        return {"problem": "it is nested too deeply, or too large, to be read"}
    except Exception as error:
        return {"problem": f"reading it broke ({type(error).__name__})"}


def _statements(suffix: str, source: str, lines: list[int], **_: object) -> tuple[Any, ...]:
    if suffix == ".py":
        return python_code.statements(source, lines)
    return script_code.statements(source, suffix, lines)


def _units(suffix: str, source: str) -> tuple[Any, ...]:
    if suffix in (".py", ".pyi"):
        return python_tests.units(source)
    return script_tests.units(source.encode(), suffix)


if __name__ == "__main__":
    main()
