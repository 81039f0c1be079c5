"""Where a task stands, as people, the command line and the Temporal UI are told it."""

from datetime import datetime
from enum import StrEnum

from workflows.models.base import Model
from workflows.models.ci import CiReport
from workflows.models.decision import SignedDecision
from workflows.models.drill import DRILL
from workflows.models.evidence import Evaluation
from workflows.models.gate import Risk, Verdict
from workflows.models.halt import Work
from workflows.models.patch import Conflict, Patch
from workflows.models.pull_request import PullRequest
from workflows.models.question import Question
from workflows.models.run import Placement, RunResult
from workflows.models.steps import StartupContext
from workflows.models.task import Task
from workflows.models.usage import ANSWER_SECONDS, Metered

POLICY = "policy"
"""Where no person decided."""


class Stage(StrEnum):
    """What a task is doing or waiting for."""

    PREPARE = "prepare"
    CONTEXT = "context"
    RUN = "run"
    EXPORT = "export"
    EVALUATE = "evaluate"
    PROPOSE = "propose"
    REVIEW = "review"
    """Waits for a person's approval."""
    APPROVED = "approved"
    """Waits for a person's merge."""
    QUESTION = "question"
    """Waits for an answer, with the run standing still."""
    GUIDANCE = "guidance"
    """The evaluation still blocks after the last round: waits for a person's words, or a rejection."""
    MERGE = "merge"
    RECORD = "record"
    ENDED = "ended"


WAITS_FOR = {
    Stage.QUESTION: "a person to answer",
    Stage.REVIEW: "a person to approve, request changes or reject",
    Stage.APPROVED: "a person to merge",
    Stage.GUIDANCE: "a person to request changes or reject",
}
"""What each waiting stage waits for."""


class Outcome(StrEnum):
    """How a task ended."""

    MERGED = "merged"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    NO_CHANGES = "no-changes"
    AGENT_FAILED = "agent-failed"
    DISCARDED = "discarded"
    """Somebody chose so when a limit was reached; what there was is in the archive."""
    UNANSWERED = "unanswered"
    """Nobody answered a question in time; what there was is in the archive, nothing was proposed."""
    FAILED = "failed"
    """A step failed for good; the detail says which and why."""


class StageSpan(Model):
    """One stage as it was passed through."""

    stage: Stage
    started: datetime
    ended: datetime | None = None


class TaskOrder(Model):
    """What starts a task's workflow."""

    task: Task
    question: str = ""
    """What to ask back before an agent is started, because the goal is vague; the gateway found so."""
    question_seconds: float = ANSWER_SECONDS
    """How long that question waits: it is asked before there is a workspace whose base says it."""
    host_silence_seconds: float = 300
    """How long a host may be silent, and then once more, before it counts as gone and its tasks go elsewhere."""
    max_rebases: int = 10
    """How often a merge is tried again because base moved, before a person is asked."""


class TaskStatus(Model):
    """Everything about a task that fits in one answer; bytes are behind references."""

    task: Task
    stage: Stage = Stage.PREPARE
    waits_for: str = ""
    message: str = ""
    """The last thing a person should know, such as why a merge was refused."""
    round: int = 0
    placement: Placement | None = None
    silent_at: datetime | None = None
    """When the host of this placement had been silent for the whole time that it may be, once."""
    team: str = ""
    """Whose the repository is, as its base says."""
    context: StartupContext | None = None
    runs: int = 0
    """Of the agent, over all rounds."""
    run: RunResult | None = None
    hangs: tuple[str, ...] = ()
    """Runs of the agent that hung, each with how; at most 20."""
    used: Metered = Metered()
    """Of model providers, by the runs that have ended."""
    question: Question | None = None
    patch: Patch | None = None
    conflict: Conflict | None = None
    """Until another patch was judged on base as it is now: the next round begins there."""
    evaluation: Evaluation | None = None
    pull_request: PullRequest | None = None
    ci: CiReport | None = None
    """What the forge's CI says of the head of the pull request, where there is one."""
    risk: Risk | None = None
    """Of this patch, explained line by line."""
    verdict: Verdict | None = None
    """What the gate decided about this patch: once policy has acted on it, or a person has decided without knowing."""
    approved_by: tuple[str, ...] = ()
    """Persons whose approval of this head and this evidence counts, or `policy`."""
    decisions: tuple[SignedDecision, ...] = ()
    """Accepted ones, in order."""
    spans: tuple[StageSpan, ...] = ()
    outcome: Outcome | None = None
    merge_commit: str = ""
    merged_outside: bool = False
    """Whether somebody merged it on the forge's own page, past the approvals that were asked for here."""

    @property
    def work(self) -> Work:
        """Whose it is, as far as halts ask."""
        return Work(repository=self.task.repository.url, team=self.team or self.task.repository.name)


class RevertRequest(Model):
    """What starts a revert's workflow."""

    task: Task
    merge_commit: str
    signed: SignedDecision | None = None
    """A person's; None where policy takes back what it merged."""
    requested_at: datetime | None = None
    """When policy found that base has turned red, or a drill had merged its change."""
    is_drill: bool = False

    @property
    def asked_at(self) -> datetime:
        """From when on it is timed."""
        asked = self.signed.decision.decided_at if self.signed is not None else self.requested_at
        assert asked is not None, "a person asks by a decision, and policy states a time"
        return asked

    @property
    def asked_by(self) -> str:
        """A person's id, `policy`, or `drill`."""
        if self.signed is not None:
            return self.signed.decision.person.id
        return DRILL if self.is_drill else POLICY
