"""Packages that a patch brings by its lock files: installed for its evaluation only once they were allowed by name."""

from workflows import timeouts
from workflows.asking import Asking
from workflows.hosting import Hosting
from workflows.models.patch import Patch
from workflows.models.question import PACKAGES, QuestionKind
from workflows.models.steps import PackagesOrder, Prepared
from workflows.progress import Progress
from workflows.steps import HostSteps

_MOST_QUESTIONS = 3
"""Of one task: an agent that brings other packages in every round asks people no more."""
_SHOWN = 20


class PackageQuestions:
    """Asks about each package at most once in a task."""

    def __init__(self, progress: Progress, hosting: Hosting, asking: Asking) -> None:
        self._progress = progress
        self._hosting = hosting
        self._asking = asking
        self._asked: set[str] = set()
        self._questions = 0
        self._open: tuple[str, ...] = ()

    async def has_to_ask(self, prepared: Prepared, patch: Patch) -> bool:
        """Whether people have to be asked before a patch is judged."""
        if not prepared.policy.setup.lock_files or self._questions >= _MOST_QUESTIONS:
            return False
        order = PackagesOrder(task=self._progress.status.task, prepared=prepared, patch=patch)
        changes = await self._hosting.step(prepared, HostSteps.examine_packages, order, timeouts.FORGE)
        self._open = changes.open if changes.askable and not set(changes.open) <= self._asked else ()
        return bool(self._open)

    async def ask(self) -> None:
        """Whatever is answered, or nothing, the patch is judged: its host reads on record what is allowed."""
        self._asked |= set(self._open)
        self._questions += 1
        named = ", ".join(self._open[:_SHOWN]) + (f" and {len(self._open) - _SHOWN} more" * (len(self._open) > _SHOWN))
        await self._asking.ask(
            QuestionKind.PACKAGES,
            f"the patch changes lock files, which bring {named}. Allow them, so that the checks run with them, or "
            "refuse them, and the checks run with what base has",
            choices=PACKAGES,
            packages=self._open,
            seconds=self._progress.policy.budget.answer_seconds,
        )
