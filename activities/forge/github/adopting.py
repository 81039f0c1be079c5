"""What people push to a task's branch on GitHub, taken for the task's patch: judged, and shown, like an agent's.

Their commits stay as they are, so that whoever pushed them can go on. Who pushed is asked of GitHub, not read off the
commits, in which anybody can write any name.
"""

import asyncio
from collections.abc import Callable

from github.Repository import Repository as GitHubRepository
from temporalio import activity

from activities.callers import only_called_by
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedPatch
from activities.failures import step
from activities.forge.github.access import GitHubAccess
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubUnavailable
from activities.forge.github.remote import Remote
from activities.repository.git import Git
from activities.repository.intake import ExportRefused, Intake
from activities.repository.mirror import Mirror, Mirrors
from activities.repository.patches import Patches
from workflows.models.intent import task_workflow_id
from workflows.models.steps import Adopted, AdoptOrder
from workflows.models.task import Task

_MOST_PUSHES = 100
_MOST_COMMITS = 500
PersonOf = Callable[[str], str]
"""The id of who has an account of GitHub's; the account itself, as `github:LOGIN`, where nobody is known by it."""


class AdoptingActivities:
    """Implements `adopt_push` of steps.PullRequestSteps."""

    def __init__(
        self,
        access: GitHubAccess,
        git: Git,
        mirrors: Mirrors,
        patches: Patches,
        admissions: Admissions,
        attested: Attested,
        person_of: PersonOf,
    ) -> None:
        self._access = access
        self._git = git
        self._remote = Remote(git, access.git_environment)
        self._intake = Intake(git)
        self._mirrors = mirrors
        self._patches = patches
        self._admissions = admissions
        self._attested = attested
        self._person_of = person_of

    @activity.defn(name="adopt_push")
    @step
    async def adopt_push(self, order: AdoptOrder) -> Adopted:
        """Bring what is on the branch into the vault, and put on record that it is the task's, and whose."""
        only_called_by(task_workflow_id(order.task.id))
        task = await self._admissions.confirm(order.task)
        await self._attested.confirm(task.id, order.patch)
        made = {one.patch.head: one for one in await self._attested.patches(task.id)}
        repository = await self._access.repository(task.repository.url)
        head = await asyncio.to_thread(_head, repository, order.pull_request.number, task)
        if head == order.patch.head:
            return Adopted(patch=order.patch)
        if head in made:
            return Adopted(refused=f"somebody put the branch back to {head[:12]}, which another round replaced")
        logins = await asyncio.to_thread(pushers, repository, task.branch, head, frozenset(made))
        if not logins:
            return Adopted(refused=f"GitHub does not say who pushed {head[:12]}, so it was not judged")
        mirror = await self._mirrors.refresh(task.repository.url)
        # By its hash, under a name of its own: a branch that moves meanwhile is looked at again.
        await self._remote.fetch(mirror, f"refs/heads/{task.branch}", f"refs/journeyman/{task.id}-pushed")
        if await self._git.exit_code("cat-file", "-e", f"{head}^{{commit}}", git_dir=mirror.vault) != 0:
            raise GitHubUnavailable(f"{task.branch} moves: {head[:12]} is not there any more")
        base = await self._base(mirror, task, head)
        if not base:
            return Adopted(refused=f"{head[:12]}, which somebody pushed, is not a change of {task.base}")
        if refused := await self._refusal(mirror, base, head):
            return Adopted(refused=f"{head[:12]}, which somebody pushed, was not judged: {refused}")
        patch = await self._patches.take(mirror, f"{task.id}-adopted", base=base, head=head)
        persons = tuple(dict.fromkeys(self._person_of(login) for login in logins))
        adopted = AttestedPatch(patch=patch, rebased_from=order.patch.head, pushed_by=persons)
        await self._attested.add_patch(task.id, adopted)
        return Adopted(patch=patch, pushed_by=persons)

    async def _base(self, mirror: Mirror, task: Task, head: str) -> str:
        """Where it leaves base, which may be in it meanwhile; empty if it does so nowhere, or changes nothing."""
        tip = await self._mirrors.resolve(mirror, task.base)
        told = await self._git.run(
            *("merge-base", "--all", head, tip), purpose="looking for base", git_dir=mirror.vault, accept=(0, 1)
        )
        found = told.decode().split()
        return found[0] if len(found) == 1 and found[0] != head else ""

    async def _refusal(self, mirror: Mirror, base: str, head: str) -> str:
        count = await self._git.line(
            "rev-list", "--count", f"{base}..{head}", purpose="counting commits", git_dir=mirror.vault
        )
        if int(count) > _MOST_COMMITS:
            return f"it is {count} commits, and at most {_MOST_COMMITS} may be"
        tree = await self._git.line("rev-parse", f"{head}^{{tree}}", purpose="reading it", git_dir=mirror.vault)
        try:
            await self._intake.inspect(mirror.vault, base, tree)
        except ExportRefused as refused:
            return str(refused)
        return ""


def _head(repository: GitHubRepository, number: int, task: Task) -> str:
    with translated(f"looking at pull request {number}"):
        pull = repository.get_pull(number)
    if pull.state != "open" or pull.base.ref != task.base:
        # Told by a signal of its own.
        raise GitHubUnavailable(f"pull request {number} is not open any more, or leads elsewhere")
    return pull.head.sha


def pushers(repository: GitHubRepository, branch: str, head: str, ours: frozenset[str]) -> list[str]:
    """Logins of those who pushed to the branch since this installation did, the newest first.

    By the repository's activity (docs.github.com, List repository activities). Empty if that does not lead from `head`
    back to what is ours.
    """
    with translated(f"asking who pushed to {branch}"):
        _, told = repository.requester.requestJsonAndCheck(
            "GET", f"{repository.url}/activity", parameters={"ref": f"refs/heads/{branch}", "per_page": _MOST_PUSHES}
        )
    pushes = told if isinstance(told, list) else []
    if pushes and pushes[0].get("after") != head:
        raise GitHubUnavailable(f"{branch} moves, or GitHub does not tell yet who pushed {head[:12]}")
    logins: list[str] = []
    for push in pushes:
        if push.get("after") in ours:
            return list(dict.fromkeys(logins))
        login = (push.get("actor") or {}).get("login")
        if not isinstance(login, str) or not login:
            return []
        logins.append(login)
    return []
