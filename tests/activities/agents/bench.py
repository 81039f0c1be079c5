"""One agent, run for real on one workspace, and what came of it."""

import asyncio
import itertools
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activities.agents.adapter import PROMPT_NAME, AgentAdapter, Session, Verdict
from activities.agents.configured import configured_adapter
from activities.agents.toolchains import Toolchains
from activities.agents.transcript import Transcript, read_transcript
from activities.egress.contract import EgressRecord, EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.policy.agent_tables import AgentEntry, ProviderEntry
from activities.policy.documents import PlatformPolicy
from activities.sandbox.contract import PROXY_PORT, Mount, RunStatus, SandboxSpec
from tests.activities.sandbox.cell import Cell
from tests.support.model_script import Script
from tests.support.model_server import ModelServer, model_server
from workers.embedded.temporal_server import free_port
from workflows.models.limits import GIB, MIB
from workflows.models.transcript import EventKind, TranscriptEvent

MODELS = {"claude-code": "claude-sonnet-4-5", "opencode": "test-model", "codex": "gpt-5"}
RETRIES: dict[str, dict[str, Any]] = {
    # A patient command line is a slow test: as few tries as each can be told.
    "claude-code": {"environment": {"CLAUDE_CODE_MAX_RETRIES": "1"}},
    "codex": {
        "arguments": (
            "--config=model_providers.journeyman.request_max_retries=1",
            "--config=model_providers.journeyman.stream_max_retries=1",
        )
    },
    "opencode": {},
}
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    status: RunStatus
    output: bytes
    transcript: Transcript
    verdict: Verdict
    records: tuple[EgressRecord, ...]

    def of(self, kind: EventKind) -> list[TranscriptEvent]:
        return [event for event in self.transcript.events if event.kind is kind]

    @property
    def session(self) -> str:
        return next(event.session for event in self.transcript.events if event.session)


class Bench:
    """Runs agents as activities/host/running.py does, without a task around them."""

    KEY = "the-vendor-s-real-key"
    """What the gateway adds to requests, and nothing inside a sandbox knows."""

    def __init__(self, cell: Cell, gateway: EnvoyGateway, toolchain_state: Path) -> None:
        self.cell = cell
        self.gateway = gateway
        self.toolchains = Toolchains(toolchain_state)
        self._port = free_port()

    def model(self, script: Script) -> AbstractContextManager[ModelServer]:
        return model_server(script, port=self._port)

    def write(self, path: str, content: str) -> None:
        """Put a file into the workspace."""
        file = self.cell.workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        for each in (file, *file.parents):
            if each.is_relative_to(self.cell.workspace):
                self.cell.own(each)

    def read(self, path: str) -> str:
        return (self.cell.workspace / path).read_text()

    def session(self, resume: str = "") -> Session:
        """The session directory of this bench, to go on in if a session is named."""
        directory = self.cell.workspace.with_name(f"{self.cell.workspace.name}.session")
        directory.mkdir(mode=0o700, exist_ok=True)
        self.cell.own(directory)
        return Session(directory=directory, resume=resume)

    async def run(
        self,
        kind: str,
        prompt: str = "mend add() in calc.py\n",
        *,
        session: Session | None = None,
        reachable: bool = True,
        wall_seconds: float = 120,
        **more: Any,
    ) -> Outcome:
        adapter = make_adapter(kind, f"http://127.0.0.1:{self._port}", **more)
        inputs = self.cell.workspace.with_name(f"{self.cell.workspace.name}.input")
        inputs.mkdir(mode=0o700, exist_ok=True)
        (inputs / PROMPT_NAME).write_text(prompt)
        self.cell.own(inputs / PROMPT_NAME)
        self.cell.own(inputs)
        sandbox = f"{self.cell.token}-{next(_NUMBERS)}"
        egress = await self.gateway.open(sandbox, rules(adapter) if reachable else EgressRules(), self.cell.uid)
        try:
            status, output = await self.cell.sandboxes.run(
                self._spec(adapter, inputs, egress, session, wall_seconds), 64 * MIB
            )
        finally:
            records = await self.gateway.close(sandbox)
            await self.gateway.forget(sandbox)
            shutil.rmtree(inputs)
        transcript = await asyncio.to_thread(read_transcript, adapter, output)
        verdict = adapter.judge(transcript.events, status.exit_code, status.end)
        return Outcome(status, output, transcript, verdict, records)

    def _spec(
        self, adapter: AgentAdapter, inputs: Path, egress: Path, session: Session | None, wall_seconds: float
    ) -> SandboxSpec:
        launch = adapter.launch(inputs, session)
        mounts: list[Mount] = [*launch.mounts]
        if adapter.toolchain:
            mounts.append(self.toolchains.mount(adapter.toolchain))
        proxy = f"http://127.0.0.1:{PROXY_PORT}"
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
        environment: Mapping[str, str] = {**proxies, "NO_PROXY": "127.0.0.1,localhost", **launch.environment}
        return self.cell.spec(
            *launch.command,
            environment=environment,
            egress=egress,
            mounts=mounts,
            wall_seconds=wall_seconds,
            memory_bytes=2 * GIB,
            scratch_bytes=256 * MIB,
            file_bytes=256 * MIB,
        )


def make_adapter(kind: str, model: str = "http://127.0.0.1:1", **more: Any) -> AgentAdapter:
    entry = {"adapter": kind, "provider": "vendor", "model": MODELS.get(kind, ""), **RETRIES.get(kind, {}), **more}
    platform = PlatformPolicy(
        agents={"agent": AgentEntry.model_validate(entry)},
        providers={"vendor": ProviderEntry(url=model, private=True)},
    )
    return configured_adapter(platform, "agent", platform.agents["agent"])


def rules(adapter: AgentAdapter) -> EgressRules:
    """How the model is reached: by the broker alone."""
    return EgressRules(brokered=adapter.services)
