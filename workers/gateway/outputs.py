"""What was printed about a task: by its agent, run by run, and by the checks that judged it."""

import asyncio
from pathlib import Path

from activities.agents.adapter import AgentAdapter
from activities.agents.current import CurrentAdapters
from activities.agents.transcript import TranscriptReader
from activities.archive.contract import ArtifactStore
from activities.decisions.attested import Attested
from activities.egress.contract import EgressRecord
from activities.redaction.redactor import Redactor
from workers.gateway.messages import OutputPart
from workers.gateway.reading import Reading
from workers.gateway.refusals import NotFound, Refused
from workflows.models.artifact import ArtifactRef
from workflows.models.status import Stage, TaskStatus

_PART_BYTES = 1024 * 1024
"""Of an output that grows."""
_ARCHIVED_PART_BYTES = 8 * 1024 * 1024
"""Of one that is over: for each part the whole is read and verified."""
_REDACTOR = Redactor()


class Outputs:
    """Reads from the archive what is over, and from the host's run directory what still goes on."""

    def __init__(
        self,
        reading: Reading,
        attested: Attested,
        artifacts: ArtifactStore,
        hosts: Path,
        adapters: CurrentAdapters,
    ) -> None:
        self._reading = reading
        self._attested = attested
        self._artifacts = artifacts
        self._hosts = hosts
        self._adapters = adapters

    async def raw(self, task_id: str, offset: int, run: int) -> OutputPart:
        """What a run's program printed from an offset on. `run` counts from 1; 0 is the newest."""
        part, _ = await self._part(task_id, offset, run)
        return part

    async def transcript(self, task_id: str, offset: int, run: int) -> OutputPart:
        """The same as events of the common transcript, a JSON object a line; offsets are those of the raw output."""
        part, agent = await self._part(task_id, offset, run)
        data = part.data if not part.more else part.data[: part.data.rfind(b"\n") + 1]
        reader = TranscriptReader(agent, offset)
        events = await asyncio.to_thread(lambda: [*reader.feed(data), *([] if part.more else reader.finish())])
        lines = "".join(f"{event.model_dump_json(exclude_defaults=True, ensure_ascii=True)}\n" for event in events)
        return OutputPart(data=lines.encode(), offset=offset + len(data), more=part.more)

    async def check_output(self, task_id: str, on: str, place: int) -> bytes:
        """What a check printed: the one at this place on `base`, `guarded` or `patched`. Raises NotFound, Refused."""
        evidence = await self._reading.evidence(task_id)
        runs = {"base": evidence.base, "guarded": evidence.guarded, "patched": evidence.patched}
        outcomes = runs[on].outcomes if on in runs else ()
        if not 0 <= place < len(outcomes):
            raise NotFound(f"there is no check {place} on {on}; `journeyman evidence {task_id}` shows those there are")
        return await self._reading.artifact(outcomes[place].output, "output of that check")

    async def egress(self, task_id: str, run: int) -> list[EgressRecord]:
        """Every request that a run made at its way out, in order; `run` counts from 1, 0 is all that have ended."""
        await self._reading.view(task_id)
        ended = await self._attested.runs(task_id)
        if run and not 1 <= run <= len(ended):
            there = f"{len(ended)} of its runs have" if len(ended) != 1 else "one of its runs has"
            raise NotFound(f"run {run} of task {task_id} has not ended, or never was; {there} ended")
        found: list[EgressRecord] = []
        for result in ended if not run else ended[run - 1 : run]:
            lines = (await self._artifacts.get(result.egress)).splitlines() if result.egress is not None else []
            found += [EgressRecord.model_validate_json(line) for line in lines]
        return found

    async def _part(self, task_id: str, offset: int, run: int) -> tuple[OutputPart, AgentAdapter]:
        view = await self._reading.view(task_id)
        ended = await self._attested.runs(task_id)
        live = _live_run(view.status) if view.live else None
        if live is not None and live in {result.run_id for result in ended}:
            live = None
        count = len(ended) + (live is not None)
        number = run or count
        if run and not 1 <= run <= count:
            there = f"it has {count}" if count else "it has none yet"
            raise NotFound(f"task {task_id} has no run {run} of the agent; {there}")
        agent = self._adapters.reading(
            ended[number - 1].agent if 0 < number <= len(ended) else "", view.status.task.agent
        )
        if number == 0:
            return OutputPart(data=b"", offset=offset, more=view.live), agent
        if number <= len(ended):
            data = await self._archived(ended[number - 1].output)
            # The next run of a task that goes on is another output: following ends with this one.
            return _cut(data[offset:], offset, _ARCHIVED_PART_BYTES, more=False), agent
        assert live is not None and view.status.placement is not None
        path = self._hosts / view.status.placement.host / "runs" / live / "output.log"
        return _cut(await asyncio.to_thread(_read_lines, path, offset), offset, _PART_BYTES, more=True), agent

    async def _archived(self, ref: ArtifactRef | None) -> bytes:
        if ref is None:
            raise Refused("nothing that this run printed is on record")
        return await self._artifacts.get(ref)


def _live_run(status: TaskStatus) -> str | None:
    """The id of the run that goes on now, or stands still."""
    if status.placement is None or status.stage not in {Stage.RUN, Stage.QUESTION}:
        return None
    return f"{status.task.id}-{status.placement.epoch}-{status.runs}"


def _cut(data: bytes, offset: int, most: int, *, more: bool) -> OutputPart:
    # What does not fit comes with the next question, which begins where this answer ends.
    part = data[:most]
    return OutputPart(data=part, offset=offset + len(part), more=more or len(data) > len(part))


def _read_lines(path: Path, offset: int) -> bytes:
    """Whole lines, so that a secret is not cut in two and missed; the redacted text is as long as what is there."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_PART_BYTES)
    except FileNotFoundError:
        return b""
    lines = data[: data.rfind(b"\n") + 1]
    return _REDACTOR.output(lines or (data if len(data) == _PART_BYTES else b""))
