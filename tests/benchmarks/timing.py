"""How much of a task's time is the system's own: from asking to a proposed patch, less the agent's and the checks'."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.workers.installation import Installation
from workflows.models.evidence import Evidence
from workflows.models.status import Stage


@dataclass(frozen=True)
class Timed:
    """One task's time, in seconds."""

    task_id: str
    total: float
    agent: float
    checks: float

    @property
    def own(self) -> float:
        """What neither the agent nor the checks took."""
        return self.total - self.agent - self.checks


async def timed(installation: Installation, repository: Path, agent: str) -> Timed:
    """Ask for a task and wait until its pull request is ready for review."""
    began = time.time()
    task = await installation.ask(repository, agent)
    view = await installation.reaches(task, Stage.REVIEW, Stage.GUIDANCE, Stage.ENDED, seconds=300)
    status = view.status
    if status.stage is not Stage.REVIEW or status.run is None:
        raise RuntimeError(f"the benchmark's task came to {status.stage}: {status.message}")
    ready = next(span.started for span in status.spans if span.stage is Stage.REVIEW).timestamp()
    evidence = await installation.evidence(task)
    return Timed(task, ready - began, status.run.usage.wall_seconds, _seconds_of_checks(evidence))


def _seconds_of_checks(evidence: Evidence) -> float:
    # Trees that are equal were checked once.
    runs = {run.tree: run for run in (evidence.base, evidence.guarded, evidence.patched)}
    return sum(outcome.seconds for run in runs.values() for outcome in run.outcomes)
