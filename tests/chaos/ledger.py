"""What came of every intent, read from the repositories, the forge and the archive; never from what anybody said."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from activities.archive.objects import ArchiveError
from activities.forge.local import LocalForge
from tests.chaos import agent
from tests.chaos.observer import Observer
from tests.chaos.people import Asked
from tests.chaos.world import World
from tests.support.repositories import git
from workflows.models.checkpoint import Checkpoint


@dataclass
class Account:
    """One intent."""

    asked: Asked
    merges: int = 0
    """Merge commits on base that name any of its tasks."""
    pulls: int = 0
    """Pull requests of its branches that are open or merged."""
    is_right: bool = False
    """Whether base has exactly what was asked for."""
    faults: list[str] = field(default_factory=list)
    """What is wrong, in words."""
    calls: int = 0
    repeated_calls: int = 0
    """Tool calls that were made although they had been made before."""
    checkpoints: int = 0
    lost_checkpoints: list[str] = field(default_factory=list)

    @property
    def exactly_one(self) -> bool:
        """One merge, one pull request, and the right content."""
        return not self.faults

    @property
    def is_duplicate(self) -> bool:
        """Whether anything of it was done more than once."""
        return self.merges > 1 or self.pulls > 1 or len(self.asked.answers) > len(self.asked.tasks)


async def account(world: World, observer: Observer, asked: Asked) -> Account:
    """Take stock of one intent when everything has settled."""
    made = Account(asked)
    repository = asked.repository
    tasks = set(asked.tasks) | asked.answers
    made.merges = sum(_merges(repository, task) for task in tasks)
    forge = LocalForge(world.shared.git, world.settings.forge_location)
    pulls = [pull for pull in forge.pulls(str(repository)) if any(task in pull.branch for task in tasks)]
    counted = Counter(pull.state for pull in pulls)
    made.pulls = counted["open"] + counted["merged"]
    made.is_right = _on_base(repository, asked.name) == agent.note_of(asked.name)
    for wrong, said in (
        (made.merges != 1, f"{made.merges} merges"),
        (made.pulls != 1, f"{made.pulls} pull requests"),
        (counted["open"] > 0, "a pull request is still open"),
        (not made.is_right, "base does not have what was asked for"),
        (len(asked.answers) > len(asked.tasks), f"{len(asked.answers)} tasks for {len(asked.tasks)} attempts"),
    ):
        if wrong:
            made.faults.append(said)
    for task in tasks:
        await _record(world, observer, task, made)
    return made


async def _record(world: World, observer: Observer, task: str, made: Account) -> None:
    """The archive's chain: one outcome, and runs and checkpoints that can be read."""
    entries = await world.shared.chains.entries(task)
    outcomes = [entry for entry in entries if entry.kind == "outcome"]
    if len(outcomes) != 1:
        made.faults.append(f"{task} has {len(outcomes)} outcomes on record")
    checkpoints = await world.shared.attested.checkpoints(task)
    made.checkpoints += len(checkpoints)
    runs = observer.of(task)
    announced = [step for run in runs for step in run.steps]
    made.calls += len(announced)
    made.repeated_calls += len(announced) - len(set(announced))
    for checkpoint in checkpoints:
        name = f"{checkpoint.run_id} checkpoint {checkpoint.number}"
        try:
            noted = await _steps_in_it(world, checkpoint)
        except ArchiveError as error:
            made.lost_checkpoints.append(f"{name}: {error}")
            continue
        for run in runs:
            # Whatever began after it was taken goes on from there, or from more.
            if run.began > checkpoint.taken_at.timestamp() and run.steps and run.steps[0] <= noted:
                made.lost_checkpoints.append(f"{name} had {noted} steps, and {run.run_id} began at {run.steps[0]}")


async def _steps_in_it(world: World, checkpoint: Checkpoint) -> int:
    """How many steps the work of a checkpoint has. Raises ArchiveError if any of it can't be read."""
    artifacts, patch = world.shared.artifacts, checkpoint.patch
    for ref in (patch.bundle if patch else None, checkpoint.session, checkpoint.handover):
        if ref is not None:
            await artifacts.get(ref)
    return (await artifacts.get(patch.diff)).count(b" step ") if patch is not None else 0


def _merges(repository: Path, task: str) -> int:
    listed = git(repository, "log", "--merges", "--format=%s", "main")
    return sum(1 for line in listed.splitlines() if line.startswith(f"Merge task {task}:"))


def _on_base(repository: Path, name: str) -> str:
    try:
        return git(repository, "show", f"main:notes/{name}.txt") + "\n"
    except Exception:
        return ""
