"""The local forge: a git repository on this machine; records of its pull requests are the installation's.

Git runs as the repository's owner, with the repository's hooks off. Where the base branch is checked out, its work
tree is updated as `git pull` does it, unless that would lose what nobody has committed. The owner's own filters see
the merged files then.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from activities.forge.local_repository import KEPT, NOTES, DirtyWorkTree, LocalRepository
from activities.forge.pulls import Pull, Pulls
from activities.forge.taking_back import NOTHING_LEFT, REVERTS, taken_back
from activities.repository.git import Git, GitError
from activities.repository.locking import lock_file
from activities.repository.mirror import PROPOSED
from activities.repository.patches import pack_of
from workflows.models.ci import CiReport
from workflows.models.intent import revert_branch
from workflows.models.patch import Patch
from workflows.models.plural import plural
from workflows.models.pull_request import MergeOutcome, MergeResult, PullRequest, RevertOutcome, RevertResult
from workflows.models.standing import GateCheck, PullStanding
from workflows.models.task import Task

FORGE = "local"
"""Name of this forge in tasks."""
_MOST_TRIES = 20


class LocalForge:
    """Implements contract.Forge on a repository's path."""

    def __init__(self, git: Git, directory: Path) -> None:
        """`directory`: where its locks and pull requests are."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._locks = directory / "locks"
        self._locks.mkdir(exist_ok=True)
        self._git = git
        self._pulls = directory / "pulls"

    async def propose(
        self, task: Task, patch: Patch, bundle: bytes, title: str, body: str, *, pushed: bool = False
    ) -> PullRequest:
        """See contract. The branch is the task's own, so it is moved wherever it was; what somebody pushed is kept."""
        async with self._alone(task) as (place, pulls):
            # First: whoever copies object files must know that there may be a patch among them.
            await place.run("update-ref", PROPOSED, patch.base_commit, purpose="noting that patches come here")
            await place.run(
                "index-pack", "--stdin", "--fix-thin", "--strict", purpose="pushing the patch", stdin=pack_of(bundle)
            )
            pull = pulls.of_branch(task.branch)
            theirs = await place.move_own(task.branch, {pull.head} if pull is not None else (), patch.head)
            if theirs:
                body = f"{body}\n{_kept(task, theirs)}\n"
            if pull is None or pull.state == "closed":
                pull = pulls.create(branch=task.branch, base=task.base, head=patch.head, title=title, body=body)
            elif pull.state == "open":
                pull = pulls.save(pull.model_copy(update={"head": patch.head, "title": title, "body": body}))
        url = f"local:{task.repository.url}#{pull.number}"
        return PullRequest(number=pull.number, url=url, head=task.branch, base=task.base, title=title)

    async def merge(
        self, task: Task, pull_request: PullRequest, patch: Patch, message: str, *, was_enqueued: bool = False
    ) -> MergeResult:
        """See contract. Looks first for the merge in base's history, where a crash may have left it."""
        async with self._alone(task) as (place, pulls):
            pull = pulls.of_branch(task.branch)
            tip = await place.tip(task.base)
            if tip is None:
                return MergeResult(
                    outcome=MergeOutcome.REFUSED,
                    detail=f"base branch {task.base!r} is gone; restore it, or reject the task",
                )
            if (done := await self._find_merge(place, pulls, task, patch)) is not None:
                return done
            if pull is None or pull.state != "open":
                return MergeResult(
                    outcome=MergeOutcome.REFUSED, base_commit=tip, detail="the pull request is not open any more"
                )
            if await place.tip(task.branch) != patch.head:
                return MergeResult(
                    outcome=MergeOutcome.REFUSED,
                    base_commit=tip,
                    detail=(
                        f"{task.branch} is not at the approved {patch.head[:12]}: somebody pushed to it; put it back "
                        f"(git branch -f {task.branch} {patch.head[:12]}), or `journeyman request-changes {task.id} "
                        "-m TEXT`: the next round replaces it, and keeps what was pushed"
                    ),
                )
            if tip != patch.base_commit:
                return MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=tip)
            # The tree of the head that was approved, whatever else the order says.
            commit = await place.commit(f"{patch.head}^{{tree}}", (tip, patch.head), message)
            try:
                moved = await place.move(task.base, tip, commit)
            except DirtyWorkTree as dirty:
                return MergeResult(outcome=MergeOutcome.REFUSED, base_commit=tip, detail=str(dirty))
            if not moved:
                return MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=await place.tip(task.base) or "")
            self._note_merge(pulls, pull, commit)
            await self._clear(place, task, patch)
            return MergeResult(outcome=MergeOutcome.MERGED, commit=commit, base_commit=commit)

    async def annotate(self, task: Task, commits: tuple[str, ...], text: str) -> None:
        """See contract."""
        async with self._alone(task) as (place, _):
            await place.annotate(NOTES, commits, text)

    async def leave_queue(self, task: Task, pull_request: PullRequest) -> None:
        """See contract. There is none."""

    async def find_merge(self, task: Task, patch: Patch) -> MergeResult | None:
        """See contract."""
        async with self._alone(task) as (place, pulls):
            return await self._find_merge(place, pulls, task, patch)

    async def _find_merge(self, place: LocalRepository, pulls: Pulls, task: Task, patch: Patch) -> MergeResult | None:
        tip = await place.tip(task.base)
        done = await place.merge_of(patch, tip) if tip is not None else None
        if done is None:
            return None
        await place.catch_up_work_tree(task.base, f"{done}^1", done)
        self._note_merge(pulls, pulls.of_branch(task.branch), done)
        await self._clear(place, task, patch)
        return MergeResult(outcome=MergeOutcome.MERGED, commit=done, base_commit=tip or "")

    async def close(self, task: Task, pull_request: PullRequest, reason: str) -> None:
        """See contract."""
        async with self._alone(task) as (place, pulls):
            pull = pulls.of_branch(task.branch)
            theirs = await place.move_own(task.branch, {pull.head} if pull is not None else ())
            if pull is not None and pull.state == "open":
                reason = f"{reason[:1800]}; {_kept(task, theirs)}" if theirs else reason[:2000]
                pulls.save(pull.model_copy(update={"state": "closed", "reason": reason}))

    async def revert(self, task: Task, merge_commit: str, message: str) -> RevertResult:
        """See contract. Reverting is merging, onto base, the merge's first parent's tree as a child of the merge."""
        async with self._alone(task) as (place, pulls):
            conflicting = pulls.of_branch(revert_branch(task.id))
            for _ in range(_MOST_TRIES):
                tip = await place.tip(task.base)
                if tip is None or not await place.contains(tip, merge_commit):
                    detail = f"{merge_commit[:12]} is not on {task.base} any more; base was rewritten or deleted"
                    return RevertResult(outcome=RevertOutcome.REFUSED, detail=detail)
                done = await taken_back(place, merge_commit, tip)
                if done is not None and not done.unresolved:
                    await place.catch_up_work_tree(task.base, f"{done.commit}^1", done.commit)
                    self._note_merge(pulls, conflicting, done.commit)
                    return RevertResult(outcome=RevertOutcome.ALREADY_REVERTED, commit=done.commit, detail=done.told)
                tree, conflicts = await place.undo(merge_commit, tip)
                if not conflicts and tree == await place.tree_of(tip):
                    return RevertResult(outcome=RevertOutcome.ALREADY_REVERTED, detail=NOTHING_LEFT)
                if conflicts:
                    later = await place.commits_touching(merge_commit, tip, conflicts)
                    detail = (
                        f"{plural(len(conflicts), 'file')} {'was' if len(conflicts) == 1 else 'were'} changed again "
                        "since: revert the later commits first"
                    )
                    if done is not None:
                        detail = done.what_to_do(task.base)
                    return RevertResult(
                        outcome=RevertOutcome.CONFLICT, detail=detail, conflicts=conflicts, commits_in_the_way=later
                    )
                commit = await place.commit(tree, (tip,), await place.with_trailer(message, REVERTS, merge_commit))
                try:
                    if await place.move(task.base, tip, commit):
                        self._note_merge(pulls, conflicting, commit)
                        return RevertResult(outcome=RevertOutcome.REVERTED, commit=commit)
                except DirtyWorkTree as dirty:
                    return RevertResult(outcome=RevertOutcome.REFUSED, detail=str(dirty))
        return RevertResult(outcome=RevertOutcome.REFUSED, detail=f"{task.base} moves too fast; try again")

    async def propose_revert(
        self, task: Task, merge_commit: str, message: str, title: str, body: str
    ) -> PullRequest | None:
        """See contract. Once somebody has pushed to the branch it is theirs, and base may move on without it."""
        branch = revert_branch(task.id)
        async with self._alone(task) as (place, pulls):
            tip = await place.tip(task.base)
            if tip is None or not await place.contains(tip, merge_commit):
                return None
            if await taken_back(place, merge_commit, tip) is not None:
                # Merged with markers left in it: another one would have them twice over.
                return None
            at, pull = await place.tip(branch), pulls.of_branch(branch)
            is_open = pull is not None and pull.state == "open"
            if pull is None or not is_open or at is None or (at == pull.head and not await place.is_onto(at, tip)):
                tree, _ = await place.undo(merge_commit, tip)
                # Whoever merges it has taken the merge back, and asking again says so.
                head = await place.commit(tree, (tip,), await place.with_trailer(message, REVERTS, merge_commit))
                if await place.place(branch, at, head):
                    if pull is not None and is_open:
                        pull = pulls.save(pull.model_copy(update={"head": head, "title": title, "body": body}))
                    else:
                        pull = pulls.create(branch=branch, base=task.base, head=head, title=title, body=body)
        if pull is None:
            return None
        url = f"local:{task.repository.url}#{pull.number}"
        return PullRequest(number=pull.number, url=url, head=branch, base=task.base, title=pull.title)

    async def tell(self, task: Task, pull_request: PullRequest, standing: PullStanding) -> str:
        """See contract. Whoever looks here asks this installation."""
        return ""

    async def read_ci(self, task: Task, commit: str, *, logs: bool) -> CiReport:
        """See contract. Signals about base come by `journeyman signal`."""
        return CiReport(commit=commit)

    async def show_gate(self, task: Task, check: GateCheck) -> str:
        """See contract. Nobody merges here but this installation, so nothing has to be shown to anybody else."""
        return ""

    async def withdraw_gate(self, task: Task, head: str, why: str) -> None:
        """See contract."""

    def pulls(self, url: str) -> list[Pull]:
        """Every pull request of a repository."""
        return self._pulls_of(LocalRepository(self._git, Path(url))).all()

    async def _clear(self, place: LocalRepository, task: Task, patch: Patch) -> None:
        """Delete the branch of a task that was merged; what somebody pushed to it is kept."""
        # Who pushes to it in this moment keeps it.
        with contextlib.suppress(GitError):
            await place.move_own(task.branch, {patch.head})

    def _note_merge(self, pulls: Pulls, pull: Pull | None, commit: str) -> None:
        if pull is not None and pull.state != "merged":
            pulls.save(pull.model_copy(update={"state": "merged", "merge_commit": commit}))

    @contextlib.asynccontextmanager
    async def _alone(self, task: Task) -> AsyncIterator[tuple[LocalRepository, Pulls]]:
        """One action at a time on a repository by this installation; others are held off by compare-and-swap."""
        place = LocalRepository(self._git, Path(task.repository.url))
        await place.refuse_partial()
        async with lock_file(self._locks / f"{place.key}.lock"):
            yield place, self._pulls_of(place)

    def _pulls_of(self, place: LocalRepository) -> Pulls:
        return Pulls(self._pulls / place.key)


def _kept(task: Task, commit: str) -> str:
    return f"Somebody had pushed to this branch: commit {commit} is kept as {KEPT}{task.branch}/{commit}"
