"""What it costs to run checks again, to watch them and to try faults, beside an evaluation that does none of it."""

from pathlib import Path

from tests.benchmarks.figures import Figure, median, spread
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from workflows.models.status import Stage

_TASKS = 5
_DEEP = "repeats = 1\nmutation_seconds = 120"


async def measure(state: Path) -> list[Figure]:
    """The same task on the same repository, with and without; the first of each not counted."""
    seconds = {}
    for name, configuration in (("plain", ""), ("deep", _DEEP)):
        folder = state / name
        folder.mkdir(mode=0o711)
        async with installed(folder, configuration=configuration) as installation:
            repository = make_repository(folder / "repository", FILES)
            seconds[name] = [await _evaluated(installation, repository) for _ in range(_TASKS + 1)][1:]
    plain, deep = median(seconds["plain"]), median(seconds["deep"])
    detail = f"evaluation of a one-line patch, two checked trees: {spread(seconds['plain'])}"
    more = f"with one repeat of each tree, one of them watched, and one fault: {spread(seconds['deep'])}"
    return [
        Figure("evaluate_s", plain, "s", detail=detail),
        Figure("evaluate_deeper_vs_plain", round(deep / plain, 2), goal=3, detail=more),
    ]


async def _evaluated(installation: Installation, repository: Path) -> float:
    task = await installation.ask(repository, "mender")
    view = await installation.reaches(task, Stage.REVIEW, Stage.GUIDANCE, Stage.ENDED, seconds=300)
    if view.status.stage is not Stage.REVIEW:
        raise RuntimeError(f"the benchmark's task came to {view.status.stage}: {view.status.message}")
    return sum(
        (span.ended - span.started).total_seconds()
        for span in view.status.spans
        if span.stage is Stage.EVALUATE and span.ended is not None
    )
