"""What every forge can do. An outward action first looks for its own trace, so that a retry finds it done."""

from typing import Protocol

from workflows.models.ci import CiReport
from workflows.models.patch import Patch
from workflows.models.pull_request import MergeResult, PullRequest, RevertResult
from workflows.models.standing import GateCheck, PullStanding
from workflows.models.task import Task


class Forge(Protocol):
    """Branches, pull requests, merges and reverts of one repository."""

    async def propose(
        self, task: Task, patch: Patch, bundle: bytes, title: str, body: str, *, pushed: bool = False
    ) -> PullRequest:
        """Push the patch's head to the task's branch, and create, adopt or update its PR.

        `pushed`: people put that head there themselves, and what they put there since stays.
        """
        ...

    async def merge(
        self, task: Task, pull_request: PullRequest, patch: Patch, message: str, *, was_enqueued: bool = False
    ) -> MergeResult:
        """Merge exactly patch.head onto exactly patch.base_commit, or say why not.

        Where the forge merges by a queue of its own, that decides onto what; ENQUEUED until it has. `was_enqueued`: it
        was there before, so that it is not put there again after it was put out.
        """
        ...

    async def annotate(self, task: Task, commits: tuple[str, ...], text: str) -> None:
        """Have the repository's notes tell this about commits, where whoever has it reads it offline."""
        ...

    async def leave_queue(self, task: Task, pull_request: PullRequest) -> None:
        """Have the forge's merge queue not merge it, if it waits there."""
        ...

    async def find_merge(self, task: Task, patch: Patch) -> MergeResult | None:
        """The merge of patch.head, if it is on base."""
        ...

    async def propose_revert(
        self, task: Task, merge_commit: str, message: str, title: str, body: str
    ) -> PullRequest | None:
        """Propose a revert that conflicts: base with conflict markers on a branch of its own, for a person to resolve.

        An open one is adopted, with whatever somebody pushed to it. None if the merge is not on base any more.
        """
        ...

    async def close(self, task: Task, pull_request: PullRequest, reason: str) -> None:
        """Close the PR without merging, and delete its branch."""
        ...

    async def revert(self, task: Task, merge_commit: str, message: str) -> RevertResult:
        """Put base back as if the merge had not happened, keeping later commits, or name what is in the way."""
        ...

    async def tell(self, task: Task, pull_request: PullRequest, standing: PullStanding) -> str:
        """Show on an open pull request where it stands, each time in place of what was told before.

        Returns why not all of it can be shown, for people; empty if it is.
        """
        ...

    async def read_ci(self, task: Task, commit: str, *, logs: bool) -> CiReport:
        """What CI there says of a commit; nothing where there is none. `logs`: with the end of failing jobs' logs."""
        ...

    async def show_gate(self, task: Task, check: GateCheck) -> str:
        """Show beside its head what the gate says. Returns why that can't be, for people; empty if it was done.

        A forge that protects no branches by checks has nowhere to show it, and is done with it.
        """
        ...

    async def withdraw_gate(self, task: Task, head: str, why: str) -> None:
        """Have nothing say of a head any more that it passes the gate."""
        ...
