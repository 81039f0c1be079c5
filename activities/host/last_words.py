"""A run that nobody waits for any more, such as a cancelled one: what it printed and asked for goes on record."""

import asyncio
import re

from activities.archive.contract import ArtifactStore
from activities.decisions.attested import Attested
from activities.egress.contract import EgressRecord
from activities.sandbox.contract import Sandboxes
from workflows.models.run import RunResult


class LastWords:
    """Asked before a sandbox is forgotten."""

    def __init__(self, sandboxes: Sandboxes, artifacts: ArtifactStore, attested: Attested) -> None:
        self._sandboxes = sandboxes
        self._artifacts = artifacts
        self._attested = attested

    async def keep(self, task_id: str, run_id: str, records: tuple[EgressRecord, ...]) -> None:
        """Put an agent's run that has ended on record, unless its own step has. Other sandboxes are left alone."""
        if not re.fullmatch(rf"{re.escape(task_id)}-\d+-\d+", run_id):
            return
        if any(run.run_id == run_id for run in await self._attested.runs(task_id)):
            return
        output = bytearray()

        async def collect(data: bytes, _: int) -> None:
            output.extend(data)

        status = await self._sandboxes.follow(run_id, 0, collect)
        lines = "".join(f"{record.model_dump_json()}\n" for record in records).encode()
        result = RunResult(
            run_id=run_id,
            end=status.end,
            detail=status.detail,
            exit_code=status.exit_code,
            output=await self._artifacts.put(bytes(output), name="output.log", media_type="text/plain"),
            egress=await self._artifacts.put(lines, name="egress.jsonl", media_type="application/jsonl"),
            usage=status.usage,
            grades=status.grades,
            backend=self._sandboxes.backend,
            runtime=await asyncio.to_thread(self._sandboxes.runtime),
        )
        artifacts = [ref for ref in (result.output, result.egress) if ref is not None]
        await self._attested.add_run(task_id, result, artifacts)
