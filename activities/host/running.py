"""Running an agent in the prepared workspace."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from temporalio import activity

from activities.agents.adapter import PROMPT_NAME, AgentAdapter, Session
from activities.agents.current import CurrentAdapters
from activities.agents.handover import handover
from activities.agents.tool_calls import ToolCallCount
from activities.agents.toolchains import Toolchains
from activities.agents.transcript import read_transcript
from activities.agents.verdict import ENDS
from activities.archive.contract import ArtifactStore
from activities.decisions.attested import Attested
from activities.decisions.host_answers import HostAnswer, HostAnswers, allowed
from activities.decisions.refused import ActionRefused
from activities.egress.contract import EgressGateway, EgressRecord, EgressRules
from activities.environment.layer import EnvironmentLayers
from activities.environment.registries import RegistryAccess
from activities.failures import step
from activities.host.checkpoints import Checkpointing
from activities.host.hang_watch import HangWatch
from activities.host.hangs import hang_in
from activities.host.layout import HostLayout
from activities.host.losses import Losses, is_loss
from activities.host.pausing import Pause, Watch, follow, told_apart
from activities.host.placements import Held, Placements
from activities.host.preparations import Preparations
from activities.host.supervised import TAKEN_DOWN, SandboxLost
from activities.policy.egress import askable
from activities.redaction.redactor import Redactor
from activities.repository.mirror import Mirrors
from activities.repository.workspace import Workspaces, objects_mount
from activities.sandbox.contract import INPUT, LAYER, PROXY_PORT, Mount, RunStatus, Sandboxes, SandboxSpec
from activities.tracing.traces import Traces, run_environment
from workflows.models.halt import Work
from workflows.models.policy import EgressProfile, PolicyRefusal
from workflows.models.run import INTERRUPTED, HangKind, RunEnd, RunResult
from workflows.models.steps import RunOrder
from workflows.models.transcript import EventKind

_MOST_REFUSED_NAMED = 20
_MOST_ALLOWED_NAMED = 50
_CERTIFICATES = "certificates.pem"


class RunningActivities:
    """Implements `run_agent` of steps.HostSteps."""

    def __init__(
        self,
        *,
        layout: HostLayout,
        placements: Placements,
        preparations: Preparations,
        sandboxes: Sandboxes,
        gateway: EgressGateway,
        mirrors: Mirrors,
        workspaces: Workspaces,
        layers: EnvironmentLayers,
        artifacts: ArtifactStore,
        redactor: Redactor,
        attested: Attested,
        answers: HostAnswers,
        checkpointing: Checkpointing,
        adapters: CurrentAdapters,
        toolchains: Toolchains,
        traces: Traces,
        registries: Callable[[], Awaitable[RegistryAccess]],
        allow_private: bool = False,
    ) -> None:
        """`allow_private`: whether agents may reach servers on this machine; for tests against stand-ins only."""
        self._layout = layout
        self._placements = placements
        self._preparations = preparations
        self._sandboxes = sandboxes
        self._gateway = gateway
        self._mirrors = mirrors
        self._workspaces = workspaces
        self._layers = layers
        self._artifacts = artifacts
        self._redactor = redactor
        self._attested = attested
        self._answers = answers
        self._checkpointing = checkpointing
        self._adapters = adapters
        self._toolchains = toolchains
        self._traces = traces
        self._registries = registries
        self._allow_private = allow_private
        self._losses = Losses(layout.losses)

    @activity.defn(name="run_agent")
    @step
    async def run_agent(self, order: RunOrder) -> RunResult:
        """Run the agent to its end. An attempt after a worker's restart finds the run that goes on."""
        self._preparations.confirm(order.task, order.prepared)
        held = self._placements.expect(order.task.id, order.prepared.placement.epoch)
        if not re.fullmatch(rf"{re.escape(order.task.id)}-\d{{1,9}}-\d{{1,9}}", order.run_id):
            raise ActionRefused(f"refused: {order.run_id!r} is no run of task {order.task.id}")
        adapter = self._adapters.get(order.prepared.agent)
        if adapter is None:
            raise PolicyRefusal(
                f"agent {order.prepared.agent!r} is not configured on this host: add it to journeyman.toml"
            )
        if order.stop:
            return await self._conclude(order, adapter, *await self._stopped(order))
        inputs = await self._lay_out_input(order, held)
        reached = await self._registries_inside(order, inputs, held)
        allowed = await self._allowed(order)
        rules = self._egress(order, adapter, allowed)
        egress = await self._gateway.open(order.run_id, rules, held.uid)
        await self._gateway.grant(order.run_id, order.allowance)
        if not (await self._gateway.metered(order.run_id)).held:
            # The first time there is no run yet; later, this one may stand still.
            with contextlib.suppress(LookupError):
                await self._sandboxes.thaw(order.run_id)
        session = await self._session(order, held)
        spec = self._spec(order, held, adapter, inputs, session, egress, reached)
        asks_about = self._asks_about(order) if order.asks else None
        watch = Watch(self._gateway, order.run_id, asks_about, metered=bool(adapter.services))
        counting = ToolCallCount(adapter, order.prepared.policy.tool_calls)
        hanging = HangWatch(self._sandboxes, self._gateway, order.run_id, adapter.hangs, counting.heard.said)
        mirror, workspace = self._mirrors.of(order.task.repository.url), self._workspaces.path(held.workspace)
        checkpoints = self._checkpointing.of(order, held, mirror, workspace, adapter, session)
        came_to = await follow(self._sandboxes, watch, spec, counting, hanging, checkpoints.keep_taking(counting))
        if isinstance(came_to, Pause):
            await checkpoints.take_paused(counting)
            return RunResult(
                run_id=order.run_id,
                end=RunEnd.PAUSED,
                metered=came_to.metered,
                egress_wanted=came_to.hosts,
                agent=adapter.name,
            )
        status, output = came_to
        taken_down = status.end is RunEnd.STOPPED and status.detail == TAKEN_DOWN
        arrivals = await self._sandboxes.arrivals(order.run_id)

        def succeeded() -> bool:
            events = read_transcript(adapter, output, arrivals).events
            return adapter.judge(events, status.exit_code, status.end).succeeded

        lost = await asyncio.to_thread(is_loss, status, succeeded)
        if (taken_down or lost) and await self._may_begin_again(order):
            # Nothing that was finished is in doubt: the sandbox was never there, died with its supervisor, or stood
            # still for too long. What the agent had done so far is in the workspace, where the next one begins.
            await self._sandboxes.forget(order.run_id)
            raise SandboxLost(status)
        status = told_apart(status)
        if status.end in INTERRUPTED:
            await checkpoints.take_last(counting)
        return await self._conclude(order, adapter, status, output)

    async def _may_begin_again(self, order: RunOrder) -> bool:
        last = await self._attested.checkpoint_of(order.task.id, order.run_id)
        return self._losses.may_begin_again(order.run_id, last.number if last is not None else 0)

    async def _stopped(self, order: RunOrder) -> tuple[RunStatus, bytes]:
        """End the run that stands still; what it had written stays. One that had ended by itself has done so."""
        output = bytearray()

        async def keep(data: bytes, _: int) -> None:
            output.extend(data)

        try:
            await self._sandboxes.stop(order.run_id, order.stop)
            status = await self._sandboxes.follow(order.run_id, 0, keep)
        except LookupError:
            # A cap that is reached before the first run, or a run that was lost with its host.
            return RunStatus(run_id=order.run_id, end=RunEnd.BUDGET, detail=order.stop), b""
        if status.end is RunEnd.STOPPED:
            status = status.model_copy(update={"end": RunEnd.BUDGET})
        return status, bytes(output)

    def _egress(self, order: RunOrder, adapter: AgentAdapter, answered: tuple[HostAnswer, ...]) -> EgressRules:
        """What the agent may reach: what policy names, what people allowed this task, and its model provider."""
        policy = order.prepared.policy
        return EgressRules(
            hosts=tuple(sorted({*policy.egress_hosts, *(answer.host for answer in answered)})),
            brokered=() if policy.egress_profile is EgressProfile.NONE else adapter.services,
            allowance=order.allowance,
            asks=order.asks,
            allow_private=self._allow_private,
        )

    async def _allowed(self, order: RunOrder) -> tuple[HostAnswer, ...]:
        """What people allowed this task, as it is on record, as far as policy lets anybody allow it."""
        policy = order.prepared.policy
        if not policy.egress_asks:
            return ()
        answers = allowed(await self._answers.of_task(order.task, policy))
        return tuple(answer for answer in answers if askable(answer.host, policy))

    def _asks_about(self, order: RunOrder) -> Callable[[str], bool]:
        """Which of the hosts that are refused people are asked about: each once, and none that hides a credential."""

        def asks(host: str) -> bool:
            return (
                host not in order.asked and self._redactor.text(host) == host and askable(host, order.prepared.policy)
            )

        return asks

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

    async def _session(self, order: RunOrder, held: Held) -> Session:
        """Where its command line keeps its conversation; what a checkpoint has of it, if it goes on with that."""
        directory = self._layout.session_of(order.run_id)
        checkpoint = order.prepared.checkpoint if order.resumes else None
        if order.goes_on and not order.resumes:
            checkpoint = await self._attested.checkpoint_of(order.task.id, order.goes_on)
        resume = await self._checkpointing.restore_session(checkpoint, directory, held.uid)
        return Session(directory=directory, resume=resume)

    async def _registries_inside(self, order: RunOrder, inputs: Path, held: Held) -> dict[str, str]:
        """How package managers inside are told of the registries that they may reach; nothing if they may not."""
        if order.prepared.policy.egress_profile is not EgressProfile.REGISTRY:
            return {}
        access = await self._registries()
        if access.certificates is not None:
            await asyncio.to_thread(_hand_over, access.certificates, inputs / _CERTIFICATES, held.uid)
        return access.inside(f"{INPUT}/{_CERTIFICATES}")

    def _spec(
        self,
        order: RunOrder,
        held: Held,
        adapter: AgentAdapter,
        inputs: Path,
        session: Session,
        egress: Path,
        registries: Mapping[str, str],
    ) -> SandboxSpec:
        prepared = order.prepared
        mirror = self._mirrors.of(order.task.repository.url)
        launch = adapter.launch(inputs, session)
        mounts: list[Mount] = [objects_mount(mirror), *launch.mounts]
        if adapter.toolchain:
            mounts.append(self._toolchains.mount(adapter.toolchain))
        if prepared.layer:
            mounts.append(self._layers.find(prepared.layer).mount())
        proxy = f"http://127.0.0.1:{PROXY_PORT}"
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
        return SandboxSpec(
            run_id=order.run_id,
            command=launch.command,
            environment={
                **proxies,
                "NO_PROXY": "127.0.0.1,localhost",
                **registries,
                **({"JOURNEYMAN_LAYER": LAYER} if prepared.layer else {}),
                **run_environment(order.task, order.run_id),
                **launch.environment,
            },
            workspace=self._workspaces.path(held.workspace),
            mounts=tuple(mounts),
            limits=prepared.policy.run_limits,
            image=prepared.policy.image,
            egress=egress,
            uid=held.uid,
            work=Work.of(order.task, prepared.policy),
        )

    async def _conclude(self, order: RunOrder, adapter: AgentAdapter, status: RunStatus, output: bytes) -> RunResult:
        records = await self._gateway.close(order.run_id)
        arrivals = await self._sandboxes.arrivals(order.run_id)
        transcript = await asyncio.to_thread(read_transcript, adapter, output, arrivals)
        hang = hang_in(status)
        # What it has reported stands: it only did not end, and would report it again.
        judged_as = RunEnd.EXITED if hang is HangKind.NO_EXIT else status.end
        verdict = adapter.judge(transcript.events, status.exit_code, judged_as)
        handover_ref = None
        if status.end is RunEnd.TOOL_CALLS or status.end in INTERRUPTED:
            words = handover(transcript.events, ENDS[status.end])
            handover_ref = await self._artifacts.put(words.encode(), name="handover.md", media_type="text/markdown")
        lines = "".join(f"{record.model_dump_json()}\n" for record in records).encode()
        result = RunResult(
            run_id=order.run_id,
            end=status.end,
            detail=self._redactor.text("; ".join(part for part in (verdict.detail, status.detail) if part)),
            exit_code=status.exit_code,
            hang=hang,
            succeeded=verdict.succeeded,
            summary=self._redactor.text(verdict.summary),
            transcript=await self._artifacts.put(
                transcript.lines, name="transcript.jsonl", media_type="application/jsonl"
            ),
            output=await self._artifacts.put(output, name="output.log", media_type="text/plain"),
            egress=await self._artifacts.put(lines, name="egress.jsonl", media_type="application/jsonl"),
            egress_refused=_refused(records),
            egress_allowed=tuple(answer.told for answer in await self._allowed(order))[:_MOST_ALLOWED_NAMED],
            usage=status.usage,
            metered=await self._gateway.metered(order.run_id),
            tool_calls=sum(event.kind is EventKind.TOOL_CALL for event in transcript.events),
            lost=await asyncio.to_thread(self._losses.of, order.run_id),
            handover=handover_ref,
            grades=status.grades,
            backend=self._sandboxes.backend,
            runtime=await asyncio.to_thread(self._sandboxes.runtime),
            agent=adapter.name,
            model=adapter.model,
            agent_version=self._toolchains.version(adapter.toolchain) if adapter.toolchain else "",
        )
        artifacts = [
            ref for ref in (result.transcript, result.output, result.egress, result.handover) if ref is not None
        ]
        artifacts += [order.context.prompt, order.context.manifest]
        await self._attested.add_run(order.task.id, result, artifacts)
        self._traces.run_ended(order.task, result, status, transcript.events, records)
        return result


def _hand_over(source: Path, target: Path, uid: int | None) -> None:
    """Copy a file to where a sandbox's uid can read it."""
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o400)
    if uid is not None:
        os.chown(target, uid, uid)


def _refused(records: tuple[EgressRecord, ...]) -> tuple[str, ...]:
    hosts = dict.fromkeys(record.host[:255] for record in records if not record.allowed and record.host)
    return tuple(hosts)[:_MOST_REFUSED_NAMED]
