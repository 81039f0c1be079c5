"""Running an agent in the prepared workspace."""

import asyncio
import os
from pathlib import Path

from temporalio import activity

from activities.agents.adapter import PROMPT_NAME, AgentAdapter
from activities.agents.current import CurrentAdapters
from activities.agents.transcript import read_transcript
from activities.archive.contract import ArtifactStore, TaskChains
from activities.egress.contract import EgressGateway, EgressRecord, EgressRules
from activities.environment.layer import EnvironmentLayers
from activities.failures import step
from activities.host.layout import HostLayout, workspace_name
from activities.host.placements import Held, Placements
from activities.host.supervised import SandboxLost, supervised
from activities.repository.mirror import Mirrors
from activities.repository.workspace import Workspaces, objects_mount
from activities.sandbox.contract import PROXY_PORT, Mount, RunStatus, Sandboxes, SandboxSpec
from workflows.models.policy import PolicyRefusal
from workflows.models.run import RunEnd, RunResult
from workflows.models.steps import RunOrder

RUN = "run"
_MOST_REFUSED_NAMED = 20
_WORTH_A_RETRY = {RunEnd.NOT_STARTED, RunEnd.LOST}
_TRIES = 3
"""Attempts of this step that may find the sandbox lost before the run counts as ended by it."""


class RunningActivities:
    """Implements `run_agent` of steps.HostSteps."""

    def __init__(
        self,
        *,
        layout: HostLayout,
        placements: Placements,
        sandboxes: Sandboxes,
        gateway: EgressGateway,
        mirrors: Mirrors,
        workspaces: Workspaces,
        layers: EnvironmentLayers,
        artifacts: ArtifactStore,
        chains: TaskChains,
        adapters: CurrentAdapters,
        allow_private: bool = False,
    ) -> None:
        """`allow_private`: whether agents may reach servers on this machine; for tests against stand-ins only."""
        self._layout = layout
        self._placements = placements
        self._sandboxes = sandboxes
        self._gateway = gateway
        self._mirrors = mirrors
        self._workspaces = workspaces
        self._layers = layers
        self._artifacts = artifacts
        self._chains = chains
        self._adapters = adapters
        self._allow_private = allow_private

    @activity.defn(name="run_agent")
    @step
    async def run_agent(self, order: RunOrder) -> RunResult:
        """Run the agent to its end. An attempt after a worker's restart finds the run that goes on."""
        held = self._placements.expect(order.task.id, order.prepared.placement.epoch)
        adapter = self._adapters.get(order.prepared.agent)
        if adapter is None:
            raise PolicyRefusal(
                f"agent {order.prepared.agent!r} is not configured on this host: add it to journeyman.toml"
            )
        inputs = await self._lay_out_input(order, held)
        rules = EgressRules(hosts=order.prepared.policy.egress_hosts, allow_private=self._allow_private)
        egress = await self._gateway.open(order.run_id, rules, held.uid)
        spec = self._spec(order, held, adapter, inputs, egress)
        status, output = await supervised(self._sandboxes, spec)
        if status.end in _WORTH_A_RETRY and activity.info().attempt < _TRIES:
            # Nothing of the agent's work is in doubt: the sandbox was never there, or died with its supervisor.
            await self._sandboxes.forget(order.run_id)
            raise SandboxLost(status)
        return await self._conclude(order, adapter, status, output)

    async def _lay_out_input(self, order: RunOrder, held: Held) -> Path:
        """The prompt, readable for the sandbox's uid and no other."""
        folder = self._layout.input_of(order.run_id)
        prompt = await self._artifacts.get(order.context.prompt)

        def write() -> None:
            folder.mkdir(exist_ok=True, mode=0o700)
            file = folder / PROMPT_NAME
            file.write_bytes(prompt)
            if held.uid is not None:
                os.chown(file, held.uid, held.uid)
                os.chown(folder, held.uid, held.uid)

        await asyncio.to_thread(write)
        return folder

    def _spec(self, order: RunOrder, held: Held, adapter: AgentAdapter, inputs: Path, egress: Path) -> SandboxSpec:
        prepared = order.prepared
        mirror = self._mirrors.of(order.task.repository.url)
        launch = adapter.launch(inputs)
        mounts: list[Mount] = [objects_mount(mirror), *launch.mounts]
        if prepared.layer:
            mounts.append(self._layers.find(prepared.layer).mount())
        proxy = f"http://127.0.0.1:{PROXY_PORT}"
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
        return SandboxSpec(
            run_id=order.run_id,
            command=launch.command,
            environment={**proxies, "NO_PROXY": "127.0.0.1,localhost", **launch.environment},
            workspace=self._workspaces.path(workspace_name(held.task_id, held.epoch)),
            mounts=tuple(mounts),
            limits=prepared.policy.run_limits,
            egress=egress,
            uid=held.uid,
        )

    async def _conclude(self, order: RunOrder, adapter: AgentAdapter, status: RunStatus, output: bytes) -> RunResult:
        records = await self._gateway.close(order.run_id)
        transcript = await asyncio.to_thread(read_transcript, adapter, output)
        verdict = adapter.judge(transcript.events, status.exit_code, status.end)
        lines = "".join(f"{record.model_dump_json()}\n" for record in records).encode()
        result = RunResult(
            run_id=order.run_id,
            end=status.end,
            detail="; ".join(part for part in (verdict.detail, status.detail) if part),
            exit_code=status.exit_code,
            succeeded=verdict.succeeded,
            summary=verdict.summary,
            transcript=await self._artifacts.put(
                transcript.lines, name="transcript.jsonl", media_type="application/jsonl"
            ),
            output=await self._artifacts.put(output, name="output.log", media_type="text/plain"),
            egress=await self._artifacts.put(lines, name="egress.jsonl", media_type="application/jsonl"),
            egress_refused=_refused(records),
            usage=status.usage,
            grades=status.grades,
            backend=self._sandboxes.backend,
            agent=adapter.name,
        )
        artifacts = [ref for ref in (result.transcript, result.output, result.egress) if ref is not None]
        artifacts += [order.context.prompt, order.context.manifest]
        await self._chains.append(order.task.id, f"run-{order.run_id}", RUN, result.model_dump(mode="json"), artifacts)
        return result


def _refused(records: tuple[EgressRecord, ...]) -> tuple[str, ...]:
    hosts = dict.fromkeys(record.host[:255] for record in records if not record.allowed and record.host)
    return tuple(hosts)[:_MOST_REFUSED_NAMED]
