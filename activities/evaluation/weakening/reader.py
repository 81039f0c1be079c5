"""Reads sources that anybody may have written, in a process of its own: a parser that breaks takes nothing with it.

Standard input has a JSON object a line (`suffix`, `source`), standard output an answer a line. Started with limits on
memory and processor time by activities/evaluation/weakening/reading.py; what is not answered was not read.
"""

import json
import resource
import sys
from dataclasses import asdict

from activities.evaluation.weakening import python_tests
from activities.evaluation.weakening.facts import NotComparable, Unit

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
        asked = json.loads(line)
        answer = json.dumps(_answer(asked["suffix"], asked["source"]))
        if len(answer) > MOST_ANSWER_CHARS:
            answer = json.dumps({"problem": "it asserts too much to be compared"})
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


def _answer(suffix: str, source: str) -> dict[str, object]:
    try:
        return {"units": [asdict(unit) for unit in _units(suffix, source)]}
    except NotComparable as error:
        return {"problem": str(error)}
    except (RecursionError, MemoryError):
        return {"problem": "it is nested too deeply, or too large, to be read"}
    except Exception as error:
        return {"problem": f"reading it broke ({type(error).__name__})"}


def _units(suffix: str, source: str) -> tuple[Unit, ...]:
    if suffix in (".py", ".pyi"):
        return python_tests.units(source)
    # Loaded only where there is something to read.
    from activities.evaluation.weakening import script_tests  # noqa: PLC0415

    return script_tests.units(source.encode(), suffix)


if __name__ == "__main__":
    main()
