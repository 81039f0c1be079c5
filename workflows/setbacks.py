"""What becomes of a run that hung or came to a limit: its work is kept, and it goes on once or people are asked."""

from workflows.asking import Asking
from workflows.models.limits import GIB, MIB, Limits
from workflows.models.patch import ExportResult
from workflows.models.plural import plural
from workflows.models.policy import TaskPolicy
from workflows.models.question import WORK, Choice, QuestionKind
from workflows.models.run import INTERRUPTED, RunEnd, RunResult
from workflows.progress import Progress

_MOST_HANGS = 20
_STOPS = (Choice.PROPOSE, Choice.DISCARD)


class Setbacks:
    """The hangs and limits of one task's runs."""

    def __init__(self, progress: Progress, asking: Asking) -> None:
        self._progress = progress
        self._asking = asking
        self._last: RunResult | None = None
        """The run that was interrupted last, while nothing has been done since."""
        self._exported = ExportResult()
        self._counted: set[str] = set()
        self._in_a_row = 0
        """Hangs since an agent came to an end of its own, or somebody let it go on."""
        self._continued = 0

    def note(self, run: RunResult, exported: ExportResult) -> None:
        """A run is over, however it ended. One that is found again counts once."""
        self._exported = exported
        self._last = run if run.end in INTERRUPTED and not run.succeeded else None
        if run.hang is not None and run.run_id not in self._counted:
            self._counted.add(run.run_id)
            hung = (*self._progress.status.hangs, f"{run.hang} in run {run.run_id}")
            self._progress.change(hangs=hung[-_MOST_HANGS:])
            self._in_a_row += 1
        if self._last is None or run.hang is None:
            self._in_a_row = 0

    @property
    def goes_on(self) -> str:
        """Id of the run whose conversation the next one goes on with; empty if that one begins its own."""
        return self._last.run_id if self._last is not None else ""

    @property
    def interrupted(self) -> str:
        """Why that run was ended, for the agent that goes on."""
        return "" if self._last is None else _said(self._last, self._progress.policy.run_limits)

    @property
    def goes_on_by_itself(self) -> bool:
        """Whether the run that was interrupted is gone on with and nobody asked: it hung for the first time."""
        return self._last is not None and self._last.hang is not None and self._in_a_row == 1

    @property
    def asks(self) -> bool:
        """Whether people are asked about the run that was interrupted."""
        return self._last is not None and not self.goes_on_by_itself

    async def ask(self, policy: TaskPolicy) -> Choice | None:
        """What somebody chose, or None if nobody answered in time."""
        run = self._last
        assert run is not None, "it is asked about a run that was interrupted"
        can_continue = self._continued < policy.continues
        again = "again, " if run.hang is not None else ""
        what = (
            "Let it go on from there, with the limits of a run anew, stop"
            if can_continue
            else f"It was let go on {plural(self._continued, 'time')}, which is the most: stop"
        )
        said = f"{again}{_said(run, policy.run_limits)}{kept_work(self._exported)}"
        answer = await self._asking.ask(
            QuestionKind.HANG if run.hang is not None else QuestionKind.LIMIT,
            f"the run is over: {said}. {what} and propose what there is, or discard it",
            choices=WORK if can_continue else _STOPS,
            seconds=policy.budget.answer_seconds,
        )
        choice = answer.decision.choice if answer is not None else None
        if choice is Choice.CONTINUE:
            self._continued += 1
            self._in_a_row = 0
        return choice


def kept_work(exported: ExportResult) -> str:
    """What of the work of a run that was not done is kept, as the end of a sentence."""
    if exported.refused:
        return f"; what it had done so far could not be taken: {exported.refused}"
    if exported.patch is None:
        return "; it had changed nothing yet"
    left_out = exported.patch.left_out
    missing = f", without what is too large for one: {left_out}" if left_out.files else ""
    return f"; what it had done so far is kept as the task's patch{missing}"


def _said(run: RunResult, limits: Limits) -> str:
    """Why a run was ended, in words of ours alone."""
    if run.hang is not None:
        return f"the agent hung ({run.hang})"
    return {
        RunEnd.DEADLINE: f"the agent was not done in the {limits.wall_seconds:g} s of a run",
        RunEnd.MEMORY: f"the agent used more than {_size(limits.memory_bytes)} of memory",
        RunEnd.PROCESSES: f"the agent started more than {limits.processes} processes at a time",
        RunEnd.DISK: f"the agent wrote more than {_size(limits.disk_bytes)} to disk",
    }.get(run.end, f"the agent's run ended ({run.end})")


def _size(size: int) -> str:
    return f"{size / GIB:.3g} GiB" if size >= GIB else f"{size / MIB:.3g} MiB"
