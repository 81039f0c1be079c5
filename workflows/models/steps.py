"""Arguments and results of the steps a workflow takes; one model in, one model out."""

from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model
from workflows.models.checkpoint import Checkpoint
from workflows.models.decision import SignedDecision
from workflows.models.evidence import CheckRun, Evaluation
from workflows.models.patch import Conflict, Patch
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import PullRequest
from workflows.models.run import Placement, RunResult
from workflows.models.task import Task
from workflows.models.usage import Allowance


class PrepareOrder(Model):
    """Make a workspace for a task on whichever host takes the order."""

    task: Task
    epoch: int
    resume_from: Patch | None = None
    """Continue from this patch instead of from base alone."""
    lost_epoch: int = 0
    """The placement before this one, whose host was silent: if this is that host, its workspace is taken over."""
    lost_host: str = ""
    """That host; empty from a workflow that did not say yet."""


class Prepared(Model):
    """A workspace that is ready for a run; it holds one place of its host's capacity."""

    placement: Placement
    base_commit: str
    start_tree: str
    """The tree the workspace was checked out with."""
    policy: TaskPolicy
    layer: str = ""
    """Hash of the environment layer that is mounted, or nothing if the repository names no set-up."""
    layer_log: ArtifactRef | None = None
    agent: str = ""
    checkpoint: Checkpoint | None = None
    """Of a run that was lost with its host: the workspace is as it was then."""
    found_run: str = ""
    """In a workspace that was taken over: the last run of the agent that began there, over or still going on."""


class ContextOrder(Model):
    """Tell the agent what it needs before it starts."""

    task: Task
    prepared: Prepared
    feedback: ArtifactRef | None = None
    """What the last evaluation found, if it blocked."""
    handover: ArtifactRef | None = None
    """What the run before did, if this one goes on with its work."""
    resumes: bool = False
    """Whether it goes on with a run that was lost with its host, from prepared.checkpoint."""
    interrupted: str = ""
    """Why the run before was ended, if this one goes on with its conversation."""
    guidance: str = ""
    """A reviewer's words, or why the last tree was refused."""
    conflict: Conflict | None = None
    """The task's patch so far, if this round began on base as it is now because the two conflict."""
    round: int = 1


class StartupContext(Model):
    """What the agent will be told, and where each part came from."""

    prompt: ArtifactRef
    manifest: ArtifactRef


class RunOrder(Model):
    """Run the agent once in the prepared workspace."""

    run_id: str
    """`<task>-<epoch>-<number>`: a retry of the activity finds the same run by it."""
    task: Task
    prepared: Prepared
    context: StartupContext
    allowance: Allowance = Allowance()
    """Of this run in all. At a cap it stands still and the step returns PAUSED; the same order with more goes on."""
    resumes: bool = False
    """Whether it goes on with the conversation that prepared.checkpoint has."""
    goes_on: str = ""
    """Id of the run whose conversation it goes on with: one that hung or came to a limit, and was checkpointed."""
    asks: bool = False
    """Whether it stands still, and the step returns PAUSED, at a refused host that people may be asked about."""
    asked: tuple[str, ...] = ()
    """Hosts that were asked about; what was answered is on record."""
    stop: str = ""
    """End the run that stands still, for this reason, and bring out what there is."""


class ExportOrder(Model):
    """Bring the workspace's tree out as a patch."""

    task: Task
    prepared: Prepared
    run: RunResult
    context: StartupContext
    round: int = 1


class PackagesOrder(Model):
    """Say which packages a patch brings by its lock files."""

    task: Task
    prepared: Prepared
    patch: Patch


class EvaluateOrder(Model):
    """Judge a patch on a base."""

    task: Task
    prepared: Prepared
    patch: Patch
    run: RunResult | None = None
    base_run: CheckRun | None = None
    """Outcome on the same base, from an earlier round."""
    round: int = 1
    hangs: tuple[str, ...] = ()
    """Of the task's runs, for the evidence; the step reads them on record itself."""
    pushed_by: tuple[str, ...] = ()
    """Who pushed to the task's branch by themselves; the step reads it on record itself."""


class ReleaseOrder(Model):
    """Give back the workspace and its place in the host's capacity."""

    task_id: str
    placement: Placement


class Released(Model):
    """What was left of a workspace that was given back."""

    kept: Patch | None = None
    """The work of a run that was stopped before it was done."""


class ProposeOrder(Model):
    """Publish the branch and create or adopt its PR."""

    task: Task
    patch: Patch
    evaluation: Evaluation
    run: RunResult
    context: StartupContext


class RebaseOrder(Model):
    """Lay an approved patch onto a base that has moved."""

    task: Task
    patch: Patch


class RebaseResult(Model):
    """The patch on the new base, or the paths in conflict."""

    patch: Patch | None = None
    conflicts: tuple[str, ...] = ()


class DecisionOrder(Model):
    """Verify a decision's signature and authority, and put it on record."""

    task: Task
    policy: TaskPolicy
    signed: SignedDecision


class DecisionVerdict(Model):
    """Whether a decision is valid."""

    valid: bool
    refusal: str = ""


class GateOrder(Model):
    """Say what may happen to a patch without a person, and who has to approve it otherwise."""

    task: Task
    patch: Patch
    evaluation: Evaluation


class MergeOrder(Model):
    """Merge exactly this head onto exactly this base.

    The step trusts the archive rather than this order: which evidence was recorded for which head, under which
    policy, and whether an approval of an earlier head carries over to this one.
    """

    task: Task
    pull_request: PullRequest
    patch: Patch
    evaluation: Evaluation
    approval: SignedDecision | None = None
    """A person's; None if policy approves it."""
    further_approvals: tuple[SignedDecision, ...] = ()
    """Of other persons, where more than one has to."""
    merge: SignedDecision | None = None
    """A person's; None if policy merges it."""
    enqueued: bool = False
    """Whether the forge's merge queue took it before: if it is there no more and not merged, it was put out."""
    leave_queue: bool = False
    """Wait no longer for that queue: take it out, and say so."""

    @property
    def approvals(self) -> tuple[SignedDecision, ...]:
        """All of them."""
        return (*((self.approval,) if self.approval else ()), *self.further_approvals)


class ClosePullRequestOrder(Model):
    """Close the PR of a task that was rejected or cancelled, and drop its branch."""

    task: Task
    pull_request: PullRequest | None = None
    reason: str = ""


class TellOrder(Model):
    """Say something where a task was asked for."""

    task: Task
    mark: str
    """By which it is said once."""
    text: str


class LookAtPullRequest(Model):
    """Look at the PR of a task that somebody changed on the forge."""

    task: Task
    pull_request: PullRequest
    watch_seconds: int = 0
    """For how long base is watched if it was merged."""


class AdoptOrder(Model):
    """Take what somebody pushed to a task's branch for the task's patch."""

    task: Task
    pull_request: PullRequest
    patch: Patch
    """That was there before."""


class Adopted(Model):
    """What was pushed, as a patch that can be judged; or why it can't be."""

    patch: Patch | None = None
    pushed_by: tuple[str, ...] = ()
    """Who pushed, for people."""
    refused: str = ""


class RevertOrder(Model):
    """Take a merged task back."""

    task: Task
    merge_commit: str
    signed: SignedDecision | None = None
    """A person's; None where policy takes back what it merged: the step finds out for itself whether base is red."""
    requested_at: float
    """Unix seconds when the person asked, policy found base red, or a drill had merged its change."""
    is_drill: bool = False
    """Whether it takes back what a drill merged: the step finds out for itself whether one did."""


class RecordOrder(Model):
    """Append one entry to the task's chain in the archive."""

    task_id: str
    entry_id: str
    """Unique within the task, so that a retry appends once."""
    kind: str
    """Such as `outcome`, `evidence`, `decision`."""
    data: dict[str, object] = {}
    artifacts: tuple[ArtifactRef, ...] = ()


class Attendance(Model):
    """Stay with a host for as long as a placement lasts."""

    host: str


class SweepOrder(Model):
    """Which host is to be swept."""

    host: str


class Swept(Model):
    """What a sweep has removed: mirrors and environment layers by their names on disk, and from the archive."""

    mirrors: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    artifacts: dict[str, int] = {}
    """Kind to how many."""


class Nothing(Model):
    """An empty result."""
