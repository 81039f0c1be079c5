"""What GitHub's CI found out, on base and on the branches of tasks."""

from temporalio.client import Client

from activities.archive.contract import IntentIndex
from activities.decisions.observations import Observations
from activities.forge.github.confirming import Confirming
from activities.gate.ci_observations import signal_name
from activities.policy.webhook_table import WebhookTable
from activities.repository.git import Git
from activities.repository.mirror import Mirrors
from activities.webhooks.meaning import CiEnded
from activities.webhooks.red_runs import Seen, red_run
from workers.gateway.admission import Admission
from workers.gateway.deciding import Deciding
from workers.gateway.delivered import Delivered, TasksThere, done, ignored
from workers.gateway.messages import NewDecision, NewObservation, NewTask
from workers.gateway.observing import Observing
from workers.gateway.senders import CI
from workers.gateway.tracing import Asked
from workflows.models.decision import Action
from workflows.models.delivery import DeliveryResult
from workflows.models.intent import task_workflow_id
from workflows.models.status import Stage
from workflows.search_attributes import REPOSITORY

_MOST_COMMITS = 200
_BEFORE = 50
"""Commits of base that are looked through for the first red one."""
_WAITS_FOR_PEOPLE = frozenset({Stage.REVIEW, Stage.APPROVED})


class GitHubCi:
    """Puts on record what was seen of base, and has what turned red mended where the platform's owner wants it."""

    def __init__(
        self,
        temporal: Client,
        admission: Admission,
        deciding: Deciding,
        observing: Observing,
        observations: Observations,
        intents: IntentIndex,
        tasks: TasksThere,
        git: Git,
        mirrors: Mirrors,
        confirming: Confirming,
    ) -> None:
        self._temporal = temporal
        self._admission = admission
        self._deciding = deciding
        self._observing = observing
        self._observations = observations
        self._intents = intents
        self._tasks = tasks
        self._git = git
        self._mirrors = mirrors
        self._confirming = confirming

    async def ended(self, told: CiEnded, table: WebhookTable, at: Delivered) -> DeliveryResult:
        """A workflow came to its end."""
        if told.task_id:
            return await self._on_proposal(told, table, at)
        if not table.mend_base and not await self._is_worked_in(at.name):
            return ignored("nobody has asked for work in this repository")
        told = await self._confirming.ended(at.url, told)
        seen = NewObservation(
            repository=at.url, commit=told.commit, name=signal_name(told.job), good=told.good, link=told.link[:2000]
        )
        watches = await self._observing.take(seen, CI)
        if told.good or not table.mend_base:
            return done(f"it is on record for base, and {watches} watches look at it")
        return await self._mend(told, at)

    async def _on_proposal(self, told: CiEnded, table: WebhookTable, at: Delivered) -> DeliveryResult:
        """A task whose pull request turned red goes back to its agent, as often as the platform's owner says."""
        status = await self._tasks.status(told.task_id, at)
        if status is None or status.patch is None or status.patch.head != told.commit:
            return ignored("it is not about a commit that a task proposes now", told.task_id if status else "")
        if status.stage is Stage.ENDED:
            return ignored("the task has ended", told.task_id)
        told = await self._confirming.ended(at.url, told)
        # It reads CI itself, and need not wait until it would look again.
        await self._temporal.get_workflow_handle(task_workflow_id(told.task_id)).signal("observed")
        if told.good:
            return done("its task looks at CI", told.task_id)
        sent = sum(
            signed.decision.person.id == CI.id and signed.decision.action is Action.REQUEST_CHANGES
            for signed in status.decisions
        )
        if sent >= table.mend_proposals or status.stage not in _WAITS_FOR_PEOPLE:
            return done("its task looks at CI, and people decide", told.task_id)
        message = (
            f"`{told.job}` fails on GitHub for commit {told.commit[:12]} of your patch: {told.link}. Find out why, and "
            "mend it."
        )
        asked = NewDecision(action=Action.REQUEST_CHANGES, head=told.commit, message=message)
        await self._deciding.decide(told.task_id, asked, CI, once=at.digest)
        return done("it goes back to its agent with that", told.task_id)

    async def _mend(self, told: CiEnded, at: Delivered) -> DeliveryResult:
        """One task for all failures of one job since base turned red, in whichever order they are told."""
        mirror = await self._mirrors.refresh(at.url)
        tip = await self._mirrors.resolve(mirror, told.branch)
        listed = await self._git.run(
            *("rev-list", "--first-parent", f"-{_MOST_COMMITS}", tip),
            purpose="reading base",
            git_dir=mirror.path,
        )
        commits = listed.decode().split()
        if told.commit not in commits:
            return ignored("the commit is not among the newest of base")
        place = commits.index(told.commit)
        name = signal_name(told.job)
        history = [await self._seen(at.url, each, name) for each in reversed(commits[: place + _BEFORE])]
        later = next((one for one in reversed(history[-place:] if place else []) if one.good is not None), None)
        if later is not None and later.good:
            return ignored("a later commit of base is good already")
        run = red_run(history, told.commit)
        # Whichever of them was told first has named the intent.
        known = [key for key in (_key(told, each, at) for each in run) if await self._intents.find(key) is not None]
        key = known[0] if known else _key(told, run[0], at)
        goal = (
            f"The check {told.job!r} of GitHub's CI fails on branch {told.branch!r} since commit {run[0]}. Find out "
            f"why, and mend it, without weakening what it checks.\n\nWhat it printed: {told.link}"
        )
        asked = NewTask(goal=goal, repository=at.url, base=told.branch, key=key)
        admitted = await self._admission.admit(asked, CI, Asked("", ""), link=told.link[:2000], is_adopted=True)
        if not admitted.new:
            return ignored("there is a task about this already", admitted.task_id)
        return done(f"task {admitted.task_id} is to mend it", admitted.task_id)

    async def _seen(self, url: str, commit: str, name: str) -> Seen:
        told = [seen.good for seen in await self._observations.of(url, commit) if seen.name == name]
        return Seen(commit, told[-1] if told else None)

    async def _is_worked_in(self, name: str) -> bool:
        query = f"{REPOSITORY.name} = '{name.replace(chr(39), '')}'"
        async for _ in self._temporal.list_workflows(query, limit=1):
            return True
        return False


def _key(told: CiEnded, first_red: str, at: Delivered) -> str:
    return f"ci:{at.name}:{told.job}:{told.branch[:100]}:{first_red}"
