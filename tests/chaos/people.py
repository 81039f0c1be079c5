"""Those who ask for work and decide about it. What they ask for five times at once is to be done once."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import agent
from tests.chaos.world import World
from workers.gateway.messages import Admitted, NewTask
from workflows.models.decision import Action
from workflows.models.status import Outcome, Stage

AT_ONCE = 5
"""Deliveries of one trigger."""
_LOOK_SECONDS = 0.7
_MOST_ATTEMPTS = 4
"""Of one intent, each after the one before it ended without a merge."""
_UNANSWERED_SECONDS = 240.0


@dataclass
class Asked:
    """One intent, and what its people saw of it."""

    name: str
    repository: Path
    tasks: list[str] = field(default_factory=list)
    """One an attempt."""
    answers: set[str] = field(default_factory=set)
    """Every task id that any delivery was answered with."""
    interventions: list[str] = field(default_factory=list)
    """What a person had to do beyond approving and merging, and why."""
    merged: bool = False
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0

    @property
    def key(self) -> str:
        """Of the intent."""
        return f"linear:{self.name}"


class GivenUp(Exception):
    """An intent that came to nothing, however long its people waited."""


async def see_through(world: World, asked: Asked, patience_seconds: float) -> None:
    """Ask, decide, and ask again after an attempt that came to nothing, until it is merged. Raises GivenUp."""
    try:
        async with asyncio.timeout(patience_seconds):
            for attempt in range(_MOST_ATTEMPTS):
                task = await _deliver(world, asked, again=attempt > 0)
                asked.tasks.append(task)
                if await _decide_until_ended(world, asked, task):
                    asked.merged, asked.seconds = True, time.monotonic() - asked.began
                    return
    except TimeoutError as late:
        raise GivenUp(f"{asked.name}: not merged after {patience_seconds:.0f} s") from late
    raise GivenUp(f"{asked.name}: {'; '.join(asked.interventions)}")


async def _deliver(world: World, asked: Asked, *, again: bool) -> str:
    """Deliver the trigger five times at once, each until it is answered. Returns the newest task it led to."""
    new = NewTask(
        goal=agent.goal_of(asked.name),
        repository=str(asked.repository),
        task_type="docs",
        key=asked.key,
        again=again,
    )
    answers = await asyncio.gather(*(_answered(world, new, asked.tasks) for _ in range(1 if again else AT_ONCE)))
    asked.answers |= {answer.task_id for answer in answers}
    return answers[-1].task_id


async def _answered(world: World, new: NewTask, before: Sequence[str]) -> Admitted:
    """`before`: the attempts that have ended."""
    again = new.again
    while True:
        try:
            answer = await asyncio.wait_for(asyncio.to_thread(world.gateway("ada").admit, new), _UNANSWERED_SECONDS)
            if answer.task_id not in before:
                return answer
            # What was still open was the last attempt, whose end had yet to be put on record.
            new = new.model_copy(update={"again": again})
        except Exception as error:
            # A new attempt may have been made although the answer was lost: it is found, not asked for once more.
            if again:
                new = new.model_copy(update={"again": "still open" not in str(error)})
        await asyncio.sleep(_LOOK_SECONDS)


async def _decide_until_ended(world: World, asked: Asked, task: str) -> bool:
    """Whether it was merged."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            view = await world.view(task)
            status = view.status
            if status.stage is Stage.ENDED and view.live:
                # It is not on record yet.
                continue
            if status.stage is Stage.ENDED:
                if status.outcome is not Outcome.MERGED:
                    asked.interventions.append(f"{task} {status.outcome}: {status.message}")
                return status.outcome is Outcome.MERGED
            if status.stage is Stage.REVIEW:
                await world.decide(task, Action.APPROVE)
            elif status.stage is Stage.APPROVED:
                if status.message and not any(status.message in said for said in asked.interventions):
                    asked.interventions.append(f"{task} merge again: {status.message}")
                await world.decide(task, Action.MERGE)
            elif status.stage is Stage.GUIDANCE:
                asked.interventions.append(f"{task} guidance: {status.message}")
                await world.decide(task, Action.REQUEST_CHANGES, message=agent.goal_of(asked.name))
        except Exception:
            # Whatever is down now, whoever asked looks again later.
            continue
