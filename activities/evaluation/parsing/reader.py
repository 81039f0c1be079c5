"""The process that parses: a parser that breaks takes nothing else with it.

Standard input has a JSON object a line (`ask`, `source`, and what else is asked with), standard output an answer a
line. Limits on memory and processor time are its own first act; what is not answered was not read.
"""

import json
import resource
import sys
from dataclasses import asdict
from typing import Any

from activities.evaluation.depth import python_code
from activities.evaluation.weakening import python_tests
from activities.evaluation.weakening.facts import NotComparable

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 20
MOST_ANSWER_CHARS = 8 * 1024 * 1024


def main() -> None:
    """Answer until there is nothing more to read."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    for line in sys.stdin:
        answer = json.dumps(_answer(json.loads(line)))
        if len(answer) > MOST_ANSWER_CHARS:
            answer = json.dumps({"problem": "there is too much in it"})
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
    from activities.evaluation.depth import script_code  # noqa: PLC0415

    return script_code.statements(source, suffix, lines)


def _units(suffix: str, source: str) -> tuple[Any, ...]:
    if suffix in (".py", ".pyi"):
        return python_tests.units(source)
    # Loaded only where there is something to read.
    from activities.evaluation.weakening import script_tests  # noqa: PLC0415

    return script_tests.units(source.encode(), suffix)


if __name__ == "__main__":
    main()
