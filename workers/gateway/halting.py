"""Stopping work and letting it go on, by people who may: nothing of it needs Temporal."""

from contextlib import suppress
from datetime import UTC, datetime

from activities.decisions.halts import HaltRecord, HaltsUnreadable, covering
from activities.policy.github_table import address
from activities.policy.owners import OwnersFiles, PolicyFileBroken
from activities.redaction.redactor import Redactor
from workers.gateway.messages import HaltLine, NewHalt
from workers.gateway.refusals import Forbidden, Invalid, Locked, Refused, Unavailable
from workflows.models.halt import HaltAction, HaltEntry, Reach, Work, standing
from workflows.models.person import Person
from workflows.models.policy import PolicyRefusal
from workflows.models.status import TaskStatus

_REDACTOR = Redactor()


class Halting:
    """Puts on record who halted what, and who resumed it."""

    def __init__(self, record: HaltRecord, owners: OwnersFiles) -> None:
        self._record = record
        self._owners = owners

    async def halt(self, asked: NewHalt, person: Person) -> HaltLine:
        """Stop work. Asked again under the same id, it stays one halt.

        While security's file counts for nothing anybody may: somebody has to who sees that it was changed.
        """
        with suppress(PolicyFileBroken):
            self._refuse_others(person)
        asked = self._addressed(asked)
        if not asked.reason.strip():
            raise Invalid("say why: -m TEXT; whoever finds their work stopped reads it")
        await self._add(self._entry(HaltAction.HALT, asked, person))
        if any(line.id == asked.id for line in await self.unconfirmed()):
            raise Refused(
                "nothing is halted: the key of this gateway does not count any more, as after it was replaced; start "
                "the gateway (or `up`) anew, then halt again"
            )
        found = [line for line in await self.lines() if line.id == asked.id and line.scope == asked.scope]
        if not found or found[0].resumed_at is not None:
            raise Refused(f"refused: the id {asked.id} was used before; halt again")
        return found[0]

    async def resume(self, asked: NewHalt, person: Person) -> list[HaltLine]:
        """Let go on what stands halted of exactly this scope. Returns the halts that are lifted."""
        self._refuse_others(person)
        asked = self._addressed(asked)
        halts = standing(await self._entries())
        lifted = tuple(halt.id for halt in halts if halt.scope == asked.scope)
        if not lifted:
            others = ", ".join(sorted({halt.scope.told for halt in halts}))
            raise Refused(
                f"nothing is lifted: {asked.scope.told} is not halted"
                + (f"; what is: {others} (`journeyman halts`)" if others else ", and nothing else is")
            )
        await self._add(self._entry(HaltAction.RESUME, asked, person, lifted))
        return [line for line in await self.lines() if line.id in lifted]

    async def lines(self) -> list[HaltLine]:
        """Every halt there ever was, the newest first."""
        entries = await self._entries()
        resumes = {halt: entry for entry in entries if entry.action is HaltAction.RESUME for halt in entry.lifts}
        halts = {entry.id: entry for entry in entries if entry.action is HaltAction.HALT}
        lines = [_line(halt, resumes.get(halt.id)) for halt in halts.values()]
        return sorted(lines, key=lambda line: line.halted_at, reverse=True)

    async def unconfirmed(self) -> list[HaltLine]:
        """Halts that hold nothing, since no key that is known here signed them."""
        try:
            found = await self._record.unconfirmed()
        except HaltsUnreadable as error:
            raise Unavailable(f"it is not known what is halted: {error}") from error
        return [_line(halt, None).model_copy(update={"unconfirmed": True}) for halt in found]

    async def all_lines(self) -> list[HaltLine]:
        """Every halt there ever was, and those that hold nothing."""
        return [*await self.unconfirmed(), *await self.lines()]

    async def why_not(self, work: Work) -> str:
        """Why this work is stopped; empty if it is not. Raises Unavailable where that is not known."""
        return covering(standing(await self._entries()), work)

    async def of(self, status: TaskStatus) -> str:
        """Why a task's work stands still, in words; empty if it does not. Never fails: it is told beside much else."""
        if status.outcome is not None:
            return ""
        try:
            return await self.why_not(status.work)
        except Unavailable as unknown:
            return str(unknown)

    async def refuse_new(self, work: Work) -> None:
        """No task begins in what is halted. Raises Locked."""
        if why := await self.why_not(work):
            raise Locked(f"nothing was started: {why}")

    async def _entries(self) -> tuple[HaltEntry, ...]:
        try:
            return await self._record.entries(anew=True)
        except HaltsUnreadable as error:
            raise Unavailable(f"it is not known what is halted, so nothing new begins: {error}") from error

    async def _add(self, entry: HaltEntry) -> None:
        try:
            await self._record.add(entry)
        except HaltsUnreadable as error:
            raise Unavailable(f"this could not be put on record, so it does not hold: {error}") from error

    def _refuse_others(self, person: Person) -> None:
        may = self._owners.security().halt
        if may is not None and person.id not in may:
            names = ", ".join(sorted(may)[:5])
            raise Forbidden(f"refused: `halt` in security.toml does not name {person.id}; ask one of {names}")

    def _addressed(self, asked: NewHalt) -> NewHalt:
        """With the address that tasks of that repository have."""
        if asked.scope.reach is not Reach.REPOSITORY:
            return asked
        try:
            name = address(self._owners.platform().github, asked.scope.name)
        except PolicyRefusal as refused:
            raise Invalid(str(refused)) from refused
        return asked.model_copy(update={"scope": asked.scope.model_copy(update={"name": name})})

    def _entry(self, action: HaltAction, asked: NewHalt, person: Person, lifts: tuple[str, ...] = ()) -> HaltEntry:
        return HaltEntry(
            id=asked.id,
            action=action,
            scope=asked.scope,
            lifts=lifts,
            person=person,
            reason=_REDACTOR.text(asked.reason),
            at=datetime.now(UTC),
        )


def _line(halt: HaltEntry, resume: HaltEntry | None) -> HaltLine:
    line = HaltLine(id=halt.id, scope=halt.scope, halted_by=halt.person.id, reason=halt.reason, halted_at=halt.at)
    if resume is None:
        return line
    lifted = {"resumed_by": resume.person.id, "resumed_at": resume.at, "resume_reason": resume.reason}
    return line.model_copy(update=lifted)
