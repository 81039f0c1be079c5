"""Which faults are put into changed lines, and in which order. Pure.

First one fault for each line, then another for those whose first nobody noticed; a line is done with as soon as one of
its faults is noticed. So little time is spread over many lines.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from activities.evaluation.depth.code import Mutant, Statement
from activities.evaluation.depth.lines_run import is_run
from workflows.models.evidence import Mutation

MOST_TRIED = 40
MOST_FOR_A_LINE = 3


@dataclass
class Trials:
    """What came of the faults of each line."""

    waiting: dict[tuple[str, int], list[Mutant]]
    tried: dict[tuple[str, int], list[Mutant]] = field(default_factory=dict)
    noticed: set[tuple[str, int]] = field(default_factory=set)
    count: int = 0
    stopped: str = ""

    def next_ones(self) -> Iterator[tuple[tuple[str, int], Mutant]]:
        """The next fault to try, until there is none; what came of it is to be told before the next is asked for."""
        for turn in range(MOST_FOR_A_LINE):
            for place, mutants in self.waiting.items():
                if place in self.noticed or turn >= len(mutants):
                    continue
                if self.count >= MOST_TRIED:
                    self.stopped = f"{MOST_TRIED} were tried, and no more are"
                    return
                yield place, mutants[turn]

    def tell(self, place: tuple[str, int], mutant: Mutant, noticed: bool) -> None:
        """What came of one."""
        self.count += 1
        self.tried.setdefault(place, []).append(mutant)
        if noticed:
            self.noticed.add(place)

    def unnoticed(self) -> Iterator[tuple[str, int, list[Mutant]]]:
        """Path, line and faults of every line that nobody noticed a fault in."""
        yield from (
            (path, line, mutants) for (path, line), mutants in self.tried.items() if (path, line) not in self.noticed
        )

    def result(self) -> Mutation:
        """The figures."""
        return Mutation(lines=len(self.tried), tried=self.count, noticed=len(self.noticed), stopped=self.stopped)


def trials(statements: Mapping[str, tuple[Statement, ...]], places: Mapping[str, set[int]]) -> Trials:
    """Faults in statements that are run: in others none can be noticed."""
    waiting: dict[tuple[str, int], list[Mutant]] = {}
    for path, found in statements.items():
        for statement in found:
            if statement.mutants and is_run(statement, places.get(path, set())):
                waiting.setdefault((path, statement.line), []).extend(statement.mutants)
    return Trials(waiting)
