"""Admitting a task: from words to exactly one durable workflow."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.archive.contract import IntentIndex, TaskChains
from activities.decisions.admissions import ADMISSION
from activities.decisions.signing import DecisionSigner, SignedAdmission
from activities.gate.specification import question
from activities.host.room import DiskFull, Room
from activities.policy.agents import choose_agent
from activities.policy.budgets import answer_seconds
from activities.policy.detect import Detected
from activities.policy.documents import TeamPolicy
from activities.policy.github_table import github_repository
from activities.policy.owners import OwnersFiles
from activities.policy.reading import TEAM_FILE, read_team
from activities.policy.team_file import combined, without_effect
from activities.redaction.redactor import Redactor
from activities.repository.git import GitError, RepositoryRefused
from activities.repository.mirror import Mirrors
from workers.gateway.asked_before import refuse_another
from workers.gateway.halting import Halting
from workers.gateway.messages import Admitted, NewTask
from workers.gateway.refusals import Forbidden, Invalid, NoRoom, Refused
from workers.gateway.tracing import Asked, RequestTraces
from workflows import presentation, queues, search_attributes
from workflows.models.halt import Work
from workflows.models.intent import Intent, task_workflow_id
from workflows.models.person import Person
from workflows.models.policy import PolicyRefusal
from workflows.models.status import TaskOrder
from workflows.models.task import Repository, Task

_REDACTOR = Redactor()


class Admission:
    """Turns a request into a task, or finds the task that the same intent already has."""

    def __init__(
        self,
        temporal: Client,
        intents: IntentIndex,
        chains: TaskChains,
        mirrors: Mirrors,
        owners: OwnersFiles,
        signer: DecisionSigner,
        traces: RequestTraces,
        host_silence_seconds: float,
        room: Room,
        halting: Halting,
    ) -> None:
        self._temporal = temporal
        self._intents = intents
        self._chains = chains
        self._mirrors = mirrors
        self._owners = owners
        self._signer = signer
        self._traces = traces
        self._host_silence_seconds = host_silence_seconds
        self._room = room
        self._halting = halting

    async def admit(
        self,
        asked: NewTask,
        requester: Person,
        request: Asked,
        *,
        link: str = "",
        aliases: Sequence[str] = (),
        is_adopted: bool = False,
    ) -> Admitted:
        """Start the intent's workflow once, however often it is asked for.

        What can't come to anything is refused here: a task that fails at its first step would tell it too late.
        `link`: where it was asked. `aliases`: weaker keys of the same intent, strongest first: whoever asks by one of
        them asks for the same. `is_adopted`: what was asked for under its key before is what is meant, whatever the
        words are now.
        """
        security = self._owners.security()
        if security.invoke and requester.id not in security.invoke:
            raise Forbidden(f"refused: {requester.id} may not ask for work here; security.toml names who may")
        if not asked.goal.strip():
            raise Invalid("the goal is empty: say what should be different afterwards")
        repository = self._repository(asked.repository)
        try:
            choose_agent(self._owners.platform(), security, asked.agent)
            base = await self._mirrors.branch(repository.url, asked.base)
            data = await self._mirrors.read_ahead(repository.url, base, TEAM_FILE)
            team, told = read_team(data), self._of_no_effect(data, asked, requester, repository, base)
        except (PolicyRefusal, RepositoryRefused, GitError) as error:
            raise Invalid(str(error)) from error
        asked, taken_out = _without_secrets(asked)
        key = asked.key or f"cli:{time.time_ns():x}{secrets.token_hex(4)}"
        if asked.again and not asked.key:
            raise Invalid(
                "--again needs the key of the intent to ask for again: pass --key, as `journeyman show` prints it"
            )
        team_name = (team.team if team else None) or repository.name
        if asked.again or await self._intents.find(key) is None:
            # Nothing new; whoever asks for what is there already is told of it.
            await self._halting.refuse_new(Work(repository=repository.url, team=team_name))
            self._refuse_full()
        ended = await self._ended_attempt(key) if asked.again else 0
        record, _ = await self._intents.claim([key, *aliases], after=ended)
        place = await self._traces.begin(record.task_id, request)
        task = Task(
            id=record.task_id,
            intent=Intent(
                key=record.key,
                aliases=tuple(name for name in (key, *aliases) if name != record.key),
                requester=requester,
                attempt=record.attempt,
                link=link,
            ),
            repository=repository,
            base=base,
            goal=asked.goal,
            acceptance=asked.acceptance,
            task_type=asked.task_type,
            scope=asked.scope,
            agent=asked.agent,
            trace=place.traceparent,
        )
        on_record = await self._on_record(task)
        if not is_adopted:
            refuse_another(on_record, task)
        budgets = (self._owners.platform().budget, security.budget, (team or TeamPolicy()).budget)
        admitted = await self._start_once(on_record, answer_seconds(*budgets))
        self._traces.admitted(task.id, place, request, requester.id, new=admitted.new)
        return admitted.model_copy(update={"message": "; ".join(filter(None, (admitted.message, taken_out, told)))})

    def _of_no_effect(
        self, data: bytes | None, asked: NewTask, requester: Person, repository: Repository, base: str
    ) -> str:
        """What the team's file says in vain. Raises PolicyRefusal if it says what it may not."""
        draft = Task(
            id="draft",
            intent=Intent(key="draft", requester=requester),
            repository=repository,
            base=base,
            goal=asked.goal,
            task_type=asked.task_type,
            agent=asked.agent,
        )
        platform, security = self._owners.platform(), self._owners.security()
        combined(platform, security, data, Detected(), draft)
        vain = without_effect(platform, security, data, draft)
        if not vain:
            return ""
        return f"{TEAM_FILE}: {', '.join(vain)} of no effect, since another owner's file or a default is stricter"

    def _refuse_full(self) -> None:
        try:
            self._room.refuse_full()
        except DiskFull as full:
            raise NoRoom(f"nothing was started: {full}") from full

    async def _on_record(self, task: Task) -> Task:
        """Sign the task into its record, where whatever acts for it looks. Asked again, it stays as it was."""
        signed = self._signer.admit(task)
        entry = await self._chains.append(task.id, ADMISSION, ADMISSION, signed.model_dump(mode="json"))
        return SignedAdmission.model_validate(entry.data).task

    async def _start_once(self, task: Task, question_seconds: float) -> Admitted:
        """Of several who ask at once exactly one begins it, who need not be the one that put the intent on record."""
        if await self._outcome(task.id):
            return Admitted(
                task_id=task.id, new=False, message="this intent has ended; ask with --again for a new attempt"
            )
        order = TaskOrder(
            task=task,
            question=question(task),
            question_seconds=question_seconds,
            host_silence_seconds=self._host_silence_seconds,
        )
        started = await self._start(order)
        message = "" if started else "this intent already has a task; nothing new was started"
        return Admitted(task_id=task.id, new=started, message=message)

    async def _start(self, order: TaskOrder) -> bool:
        task = order.task
        try:
            await self._temporal.start_workflow(
                "AgentTask",
                order,
                id=task_workflow_id(task.id),
                task_queue=queues.ORCHESTRATE,
                # An intent's workflow is started once in its life; the archive remembers what Temporal forgets.
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                static_summary=presentation.summary(task),
                memo=presentation.memo(task),
                search_attributes=search_attributes.at_start(task),
                priority=Priority(fairness_key=queues.fairness_key(task.repository.url)),
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def _ended_attempt(self, key: str) -> int:
        """The number of an intent's latest attempt. Raises Invalid if there is none, Refused while it is open."""
        known = await self._intents.find(key)
        if known is None:
            raise Invalid(f"nothing was ever asked under the key {key!r}; leave out --again")
        if not await self._outcome(known.task_id):
            raise Refused(f"task {known.task_id} of this intent is still open; wait for it, or cancel it first")
        return known.attempt

    async def _outcome(self, task_id: str) -> bool:
        return any(entry.kind == "outcome" for entry in await self._chains.entries(task_id))

    def _repository(self, asked: str) -> Repository:
        try:
            if (named := github_repository(self._owners.platform().github, asked)) is not None:
                return named
        except PolicyRefusal as refused:
            raise Invalid(str(refused)) from refused
        if "://" in asked or asked.startswith("-"):
            raise Invalid(f"no forge is configured for {asked!r}; give the path of a git repository on this machine")
        path = Path(asked).expanduser()
        if not path.is_absolute():
            raise Invalid(f"{asked!r} is a relative path; give the repository's full path")
        if not path.is_dir():
            raise Invalid(f"there is no directory {path}; give the path of a git repository")
        return Repository(url=str(path.resolve()), name=path.resolve().name.removesuffix(".git") or "repository")


def _without_secrets(asked: NewTask) -> tuple[NewTask, str]:
    """What was asked, without credentials in it, before any of it is kept; and a sentence if there were any."""
    goal, kinds = _REDACTOR.named(asked.goal)
    criteria = [_REDACTOR.named(text) for text in asked.acceptance]
    found = dict.fromkeys((*kinds, *(kind for _, more in criteria for kind in more)))
    if not found:
        return asked, ""
    clean = asked.model_copy(update={"goal": goal, "acceptance": tuple(text for text, _ in criteria)})
    return clean, (
        f"what looked like a secret ({', '.join(found)}) was taken out of the words before anything was kept: have it "
        "revoked if it is real"
    )
