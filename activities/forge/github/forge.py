"""GitHub as the forge: branches by git, pull requests by its REST interface.

What is merged, and what takes it back, is made of what this host's mirror knows, after bringing it up to date; what is
done is asked of GitHub first, since an answer may have been lost after it.
"""

import asyncio

from github.PullRequest import PullRequest as GitHubPull
from github.Repository import Repository as GitHubRepository

from activities.forge.github.access import GitHubAccess
from activities.forge.github.ci import CiReader
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused
from activities.forge.github.gate_check import GateChecks
from activities.forge.github.gate_review import GateReviews
from activities.forge.github.gate_status import GateStatuses
from activities.forge.github.merging import Merging, Queue
from activities.forge.github.pulls import GitHubPulls, as_model
from activities.forge.github.remote import Protected, Remote
from activities.forge.github.telling import Telling, tell_end
from activities.forge.local_repository import NOTES, LocalRepository
from activities.forge.standing_comment import closed_comment, merged_comment
from activities.forge.taking_back import NOTHING_LEFT, REVERTS, taken_back
from activities.repository.git import Git
from activities.repository.mirror import Mirror, Mirrors
from activities.repository.patches import pack_of
from workflows.models.ci import CiReport
from workflows.models.intent import revert_branch
from workflows.models.patch import Patch
from workflows.models.plural import plural
from workflows.models.pull_request import MergeOutcome, MergeResult, PullRequest, RevertOutcome, RevertResult
from workflows.models.standing import GateCheck, GateState, PullStanding
from workflows.models.task import Task

_MOST_TRIES = 5
_NOT_FOUND, _UNPROCESSABLE = 404, 422


class GitHubForge:
    """Implements contract.Forge on GitHub."""

    def __init__(
        self, git: Git, mirrors: Mirrors, access: GitHubAccess, *, reverting: GitHubAccess, reviewing: GitHubAccess
    ) -> None:
        """`reverting`: as whom reverts are pushed onto base; `reviewing`: as whom what is approved is reviewed."""
        self._git = git
        self._mirrors = mirrors
        self._access = access
        self._remote = Remote(git, access.git_environment)
        self._reverting = Remote(git, reverting.git_environment)
        self._reviewing = reviewing

    async def propose(
        self, task: Task, patch: Patch, bundle: bytes, title: str, body: str, *, pushed: bool = False
    ) -> PullRequest:
        """See contract. The branch is the task's own: it is moved wherever it was, unless people have pushed this."""
        pulls = GitHubPulls(await self._access.repository(task.repository.url))
        mirror = await self._mirrors.refresh(task.repository.url)
        await self._git.run(
            *("index-pack", "--stdin", "--fix-thin", "--strict"),
            purpose="taking in the patch",
            git_dir=mirror.vault,
            stdin=pack_of(bundle),
        )
        if not pushed:
            await self._remote.push(mirror, patch.head, task.branch, expected=None)
        return as_model(await pulls.ensure(branch=task.branch, head=patch.head, base=task.base, title=title, body=body))

    async def merge(
        self, task: Task, pull_request: PullRequest, patch: Patch, message: str, *, was_enqueued: bool = False
    ) -> MergeResult:
        """See contract. GitHub pins the head; that base is the one that was judged is looked at just before.

        A branch protection that wants branches to be up to date has GitHub itself refuse what slips in between.
        """
        repository = await self._access.repository(task.repository.url)
        pulls, merging = GitHubPulls(repository), Merging(repository, self._access.merge_method)
        pull = await pulls.of_number(pull_request.number)
        if pull.merged:
            return await self._merged(task, pull, patch)
        if pull.state != "open":
            return MergeResult(outcome=MergeOutcome.REFUSED, detail="the pull request is not open any more")
        if pull.head.sha != patch.head:
            moved = f"{task.branch} is not at the approved {patch.head[:12]}: somebody pushed to it"
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=moved)
        if pull.base.ref != task.base:
            detail = f"the pull request leads to {pull.base.ref} now, and was judged for {task.base}: change it back"
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=detail)
        queue = await asyncio.to_thread(merging.queue, task.base, pull.number)
        if queue.has_it:
            return await self._waits(task, queue)
        if was_enqueued:
            pull = await pulls.of_number(pull_request.number)
            if pull.merged:
                return await self._merged(task, pull, patch)
            put_out = GitHubRefused(_UNPROCESSABLE, f"the merge queue of {task.base} put it out without merging it")
            detail = await asyncio.to_thread(merging.statement, pull, put_out)
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=detail)
        mirror = await self._mirrors.refresh(task.repository.url)
        tip = await self._mirrors.resolve(mirror, task.base)
        if tip != patch.base_commit:
            return MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=tip)
        try:
            if queue.exists:
                await asyncio.to_thread(merging.enqueue, pull, patch.head)
                return await self._waits(task, await asyncio.to_thread(merging.queue, task.base, pull.number))
            await asyncio.to_thread(merging.merge, pull, patch.head, message)
        except GitHubRefused as refused:
            # That base moved, protection tells in other words, such as that checks are expected.
            now = await self._mirrors.resolve(await self._mirrors.refresh(task.repository.url), task.base)
            if now != tip:
                return MergeResult(outcome=MergeOutcome.BASE_MOVED, base_commit=now, detail=str(refused))
            detail = await asyncio.to_thread(merging.statement, pull, refused)
            return MergeResult(outcome=MergeOutcome.REFUSED, base_commit=now, detail=detail)
        return await self._merged(task, await pulls.of_number(pull_request.number), patch)

    async def _waits(self, task: Task, queue: Queue) -> MergeResult:
        """In base's merge queue, whose checks run on a commit of its own: what was approved is shown there, too."""
        if queue.commit:
            title = "approved, and checked together with what is before it in the merge queue"
            await self.show_gate(task, GateCheck(head=queue.commit, state=GateState.PASSED, title=title))
        detail = f"it is number {queue.position} in the merge queue of {task.base}"
        return MergeResult(outcome=MergeOutcome.ENQUEUED, detail=detail)

    async def annotate(self, task: Task, commits: tuple[str, ...], text: str) -> None:
        """See contract. Others may push notes meanwhile, so each try begins with theirs."""
        own = f"{NOTES}-{task.id}"
        for _ in range(_MOST_TRIES):
            mirror = await self._mirrors.refresh(task.repository.url)
            place, known = LocalRepository(self._git, mirror.vault), await self._remote.at(mirror, NOTES)
            if known:
                await self._remote.fetch(mirror, NOTES, own)
            try:
                await place.annotate(own, commits, text)
                if await self._remote.push_reference(mirror, own, NOTES, expected=known):
                    return
            finally:
                await place.run("update-ref", "-d", own, purpose="tidying up")

    async def leave_queue(self, task: Task, pull_request: PullRequest) -> None:
        """See contract."""
        repository = await self._access.repository(task.repository.url)
        pull = await GitHubPulls(repository).of_number(pull_request.number)
        await asyncio.to_thread(Merging(repository, self._access.merge_method).leave_queue, pull)

    async def find_merge(self, task: Task, patch: Patch) -> MergeResult | None:
        """See contract."""
        pulls = GitHubPulls(await self._access.repository(task.repository.url))
        pull = await pulls.of_branch(task.branch)
        if pull is None or not pull.merged or pull.head.sha != patch.head:
            return None
        return await self._merged(task, pull, patch)

    async def close(self, task: Task, pull_request: PullRequest, reason: str) -> None:
        """See contract."""
        repository = await self._access.repository(task.repository.url)
        await asyncio.to_thread(_close, repository, pull_request.number, task.branch)
        await tell_end(self._access, task, pull_request.number, closed_comment(task, reason))

    async def tell(self, task: Task, pull_request: PullRequest, standing: PullStanding) -> str:
        """See contract."""
        url = task.repository.url
        repository = await self._access.repository(url)
        ours = Telling(repository, await asyncio.to_thread(self._access.login, url))
        return await asyncio.to_thread(ours.tell, task, pull_request.number, standing)

    async def read_ci(self, task: Task, commit: str, *, logs: bool) -> CiReport:
        """See contract."""
        repository = await self._access.repository(task.repository.url)
        reader = CiReader(repository, self._access.known, self._access.app_id)
        return await asyncio.to_thread(reader.read, commit, logs=logs)

    async def show_gate(self, task: Task, check: GateCheck) -> str:
        """See contract."""
        not_shown = await asyncio.to_thread((await self._gate(task)).show, check)
        return "; ".join(filter(None, (not_shown, await self._review(task, check))))

    async def withdraw_gate(self, task: Task, head: str, why: str) -> None:
        """See contract."""
        await asyncio.to_thread((await self._gate(task)).withdraw, head, why)
        try:
            found = await self._reviews(task)
        except GitHubRefused:
            # Where that App is not, it has approved nothing.
            return
        for reviews in found:
            await asyncio.to_thread(reviews.withdraw, head, why)

    async def _review(self, task: Task, check: GateCheck) -> str:
        """Returns why what the gate says can't be said by a review, where that is wanted."""
        try:
            found = await self._reviews(task)
        except GitHubRefused as refused:
            return f"the App of [github.reviews] can't review here: {refused}"
        told = [await asyncio.to_thread(reviews.show, check, task.base) for reviews in found]
        return "; ".join(filter(None, told))

    async def _reviews(self, task: Task) -> list[GateReviews]:
        """On each pull request of the branch: anybody who may write can open another, which leads elsewhere."""
        url = task.repository.url
        if not self._reviewing.serves(url):
            return []
        pulls = await GitHubPulls(await self._access.repository(url)).all_of_branch(task.branch)
        login = await asyncio.to_thread(self._reviewing.login, url)
        repository = await self._reviewing.repository(url)
        return [GateReviews(repository, login, pull.number) for pull in pulls if pull.merged_at is None]

    async def _gate(self, task: Task) -> GateChecks | GateStatuses:
        url, app_id = task.repository.url, self._access.app_id
        repository = await self._access.repository(url)
        if app_id is not None:
            return GateChecks(repository, self._access.known, app_id, task.id)
        return GateStatuses(repository, self._access.known, await asyncio.to_thread(self._access.login, url))

    async def revert(self, task: Task, merge_commit: str, message: str) -> RevertResult:
        """See contract. Straight onto base where this App may; else by a pull request, merged if GitHub lets it."""
        for _ in range(_MOST_TRIES):
            mirror = await self._mirrors.refresh(task.repository.url)
            place, tip = LocalRepository(self._git, mirror.vault), await self._mirrors.resolve(mirror, task.base)
            if not await place.contains(tip, merge_commit):
                detail = f"{merge_commit[:12]} is not on {task.base} any more; base was rewritten or deleted"
                return RevertResult(outcome=RevertOutcome.REFUSED, detail=detail)
            done = await taken_back(place, merge_commit, tip)
            if done is not None and not done.unresolved:
                return RevertResult(outcome=RevertOutcome.ALREADY_REVERTED, commit=done.commit, detail=done.told)
            tree, conflicts = await place.undo(merge_commit, tip)
            if not conflicts and tree == await place.tree_of(tip):
                return RevertResult(outcome=RevertOutcome.ALREADY_REVERTED, detail=NOTHING_LEFT)
            if conflicts:
                later = await place.commits_touching(merge_commit, tip, conflicts)
                what = f"{plural(len(conflicts), 'file')} {'was' if len(conflicts) == 1 else 'were'} changed again"
                detail = f"{what} since: revert the later commits first"
                if done is not None:
                    detail = done.what_to_do(task.base)
                return RevertResult(
                    outcome=RevertOutcome.CONFLICT, detail=detail, conflicts=conflicts, commits_in_the_way=later
                )
            commit = await place.commit(tree, (tip,), await place.with_trailer(message, REVERTS, merge_commit))
            try:
                if await self._reverting.push(mirror, commit, task.base, expected=tip):
                    return RevertResult(outcome=RevertOutcome.REVERTED, commit=commit)
            except Protected as protected:
                return await self._revert_by_pull(task, mirror, commit, str(protected))
        return RevertResult(outcome=RevertOutcome.REFUSED, detail=f"{task.base} moves too fast; try again")

    async def propose_revert(
        self, task: Task, merge_commit: str, message: str, title: str, body: str
    ) -> PullRequest | None:
        """See contract."""
        mirror = await self._mirrors.refresh(task.repository.url)
        place, tip = LocalRepository(self._git, mirror.vault), await self._mirrors.resolve(mirror, task.base)
        if not await place.contains(tip, merge_commit):
            return None
        pulls, branch = GitHubPulls(await self._access.repository(task.repository.url)), revert_branch(task.id)
        adopted = await pulls.of_branch(branch)
        if adopted is not None and adopted.state == "open":
            head = adopted.head.sha
        else:
            tree, _ = await place.undo(merge_commit, tip)
            head = await place.commit(tree, (tip,), await place.with_trailer(message, REVERTS, merge_commit))
            await self._remote.push(mirror, head, branch, expected=None)
        return as_model(await pulls.ensure(branch=branch, head=head, base=task.base, title=title, body=body))

    async def _revert_by_pull(self, task: Task, mirror: Mirror, commit: str, protected: str) -> RevertResult:
        """Base takes no push: the revert as a pull request, and merged, if that is enough for GitHub."""
        branch = revert_branch(task.id)
        await self._remote.push(mirror, commit, branch, expected=None)
        told = await self._git.run("log", "-1", "--format=%B", commit, purpose="reading it", git_dir=mirror.vault)
        message = told.decode(errors="replace")
        title, _, body = message.partition("\n")
        repository = await self._access.repository(task.repository.url)
        pulls, merging = GitHubPulls(repository), Merging(repository, self._access.merge_method)
        pull = await pulls.ensure(branch=branch, head=commit, base=task.base, title=title, body=body.strip())
        try:
            merged = await asyncio.to_thread(merging.merge, pull, commit, message)
        except GitHubRefused as refused:
            detail = f"base is protected, so it waits for a person as a pull request: {refused}; {protected}"
            return RevertResult(outcome=RevertOutcome.PROPOSED, detail=detail, pull_request=pull.html_url)
        return RevertResult(outcome=RevertOutcome.REVERTED, commit=merged, pull_request=pull.html_url)

    async def _merged(self, task: Task, pull: GitHubPull, patch: Patch) -> MergeResult:
        """What there is on base, seen by git: GitHub's record alone does not say onto what it was merged."""
        if pull.head.sha != patch.head:
            detail = f"the pull request was merged at {pull.head.sha[:12]}, and not at the approved {patch.head[:12]}"
            return MergeResult(outcome=MergeOutcome.REFUSED, detail=detail)
        commit = pull.merge_commit_sha
        mirror = await self._mirrors.refresh(task.repository.url)
        onto = await self._git.line("rev-parse", f"{commit}^1", purpose="reading the merge", git_dir=mirror.path)
        await tell_end(self._access, task, pull.number, merged_comment(task, commit))
        detail = ""
        if onto != patch.base_commit:
            detail = f"base moved in the same moment: it was judged on {patch.base_commit[:12]}, and is on {onto[:12]}"
        return MergeResult(outcome=MergeOutcome.MERGED, commit=commit, base_commit=commit, detail=detail)


def _close(repository: GitHubRepository, number: int, branch: str) -> None:
    with translated(f"closing pull request {number}"):
        pull = repository.get_pull(number)
        if pull.state == "open":
            pull.edit(state="closed")
    try:
        with translated(f"deleting {branch}"):
            repository.get_git_ref(f"heads/{branch}").delete()
    except GitHubRefused as refused:
        if refused.status not in {_NOT_FOUND, _UNPROCESSABLE}:
            raise
