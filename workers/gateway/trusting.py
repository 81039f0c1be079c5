"""What kinds of task have earned in a repository: read, raised by who may, lowered by anybody."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from activities.decisions.signing import DecisionSigner
from activities.decisions.trust import Trust, TrustRecords
from activities.forge.github.failed import GitHubRefused, GitHubUnavailable
from activities.policy.combine import TASK_TYPES
from activities.policy.documents import TeamPolicy
from activities.policy.owners import OwnersFiles
from activities.policy.reading import TEAM_FILE, read_team
from activities.redaction.redactor import Redactor
from activities.repository.git import GitError, RepositoryRefused
from activities.repository.mirror import Mirrors
from workers.gateway.deciding import VALID_FOR
from workers.gateway.messages import ChangeTrust, TrustLine
from workers.gateway.refusals import Forbidden, Invalid, Unavailable
from workflows.models.decision import Action, Decision
from workflows.models.gate import FIRST_PHASE, LAST_PHASE
from workflows.models.person import Person
from workflows.models.policy import PolicyRefusal

_REDACTOR = Redactor()


class Trusting:
    """Signs what authenticated people say of trust, and puts it on record."""

    def __init__(
        self,
        trust: TrustRecords,
        mirrors: Mirrors,
        owners: OwnersFiles,
        signer: DecisionSigner,
        why_reverts_wait: Callable[[str], Awaitable[str]],
    ) -> None:
        """`why_reverts_wait`: of a repository, what keeps reverts from base; empty if nothing does."""
        self._why_reverts_wait = why_reverts_wait
        self._trust = trust
        self._mirrors = mirrors
        self._owners = owners
        self._signer = signer

    async def of(self, repository: str) -> list[TrustLine]:
        """Every kind of task that can be asked for in a repository."""
        team = await self._team(repository)
        return [self._line(await self._trust.of(repository, kind), team) for kind in _task_types(team)]

    async def change(self, asked: ChangeTrust, person: Person) -> TrustLine:
        """Promote by one phase, or demote."""
        team = await self._team(asked.repository)
        if asked.task_type not in _task_types(team):
            raise Invalid(f"task type {asked.task_type!r} is not known in {asked.repository}")
        if not asked.message.strip():
            raise Invalid("say why: -m TEXT")
        before = await self._trust.of(asked.repository, asked.task_type)
        phase = asked.phase or (before.phase + 1 if asked.action is Action.PROMOTE else FIRST_PHASE)
        if asked.action is Action.DEMOTE and phase >= before.phase:
            raise Invalid(f"{asked.task_type} tasks there are in phase {before.phase} already")
        now = datetime.now(UTC)
        decision = Decision(
            action=asked.action,
            person=person,
            task_id="",
            repository=asked.repository,
            task_type=asked.task_type,
            phase=min(phase, LAST_PHASE),
            message=_REDACTOR.text(asked.message),
            decided_at=now,
            expires_at=now + VALID_FOR,
        )
        if reason := await self._trust.refusal(decision):
            raise Forbidden(reason)
        if asked.action is Action.PROMOTE and decision.phase == LAST_PHASE:
            await self._refuse_without_reverts(asked.repository)
        await self._trust.keep(self._signer.sign(decision))
        return self._line(await self._trust.of(asked.repository, asked.task_type), team)

    async def _refuse_without_reverts(self, repository: str) -> None:
        """Who lets policy merge promises that what it merged can be taken back within two minutes."""
        try:
            stopped = await self._why_reverts_wait(repository)
        except (GitHubRefused, GitHubUnavailable) as error:
            raise Unavailable(f"refused: it is not known whether reverts reach base there: {error}") from error
        if stopped:
            raise Forbidden(
                f"refused: policy may merge only what can be taken back within two minutes, and {stopped}. "
                "`journeyman github check --repo ...` says how to mend it"
            )

    async def _team(self, repository: str) -> TeamPolicy:
        try:
            branch = await self._mirrors.branch(repository)
            team = read_team(await self._mirrors.read_ahead(repository, branch, TEAM_FILE))
        except (PolicyRefusal, RepositoryRefused, GitError) as error:
            raise Invalid(str(error)) from error
        return team or TeamPolicy()

    def _line(self, trust: Trust, team: TeamPolicy) -> TrustLine:
        tables = {
            self._owners.platform_file.name: self._owners.platform().gate,
            self._owners.security_file.name: self._owners.security().gate,
            TEAM_FILE: team.gate,
        }
        stated = {name: table.phase for name, table in tables.items() if table.phase is not None}
        most = min([LAST_PHASE, *stated.values()])
        by = tuple(name for name, phase in stated.items() if phase == most < LAST_PHASE)
        return TrustLine(**trust.model_dump(), most=most, capped_by=by)


def _task_types(team: TeamPolicy) -> list[str]:
    return sorted({*TASK_TYPES, *team.task_types})
