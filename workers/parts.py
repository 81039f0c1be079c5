"""All parts of one installation, built from its settings and wired into the steps that Temporal calls."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client

from activities.agents.current import CurrentAdapters, CurrentKeys
from activities.agents.toolchains import Toolchains
from activities.archive.artifacts import Artifacts
from activities.archive.chains import Chains
from activities.archive.intents import Intents
from activities.archive.objects import Objects
from activities.archive.steps import RecordActivities
from activities.budget import BudgetActivities
from activities.context.builder import ContextBuilder
from activities.decisions.admissions import Admissions
from activities.decisions.attested import WORKER, Attested
from activities.decisions.authority import Authority
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import DecisionSigner, DecisionVerifier
from activities.egress.gateway import EnvoyGateway
from activities.environment.layer import EnvironmentLayers
from activities.environment.registries import discover
from activities.evaluation.checks import CheckRunner
from activities.evaluation.evaluator import Evaluator
from activities.forge.contract import Forge
from activities.forge.local import LocalForge
from activities.forge.steps import ForgeActivities
from activities.forge.turns import MergeTurnActivities
from activities.host.attending import Attending
from activities.host.briefing import BriefingActivities
from activities.host.capacity import CapacityActivities
from activities.host.exporting import ExportingActivities
from activities.host.judging import JudgingActivities
from activities.host.last_words import LastWords
from activities.host.layout import HostLayout
from activities.host.placements import Placements
from activities.host.preparations import Preparations
from activities.host.running import RunningActivities
from activities.policy.owners import OwnersFiles
from activities.policy.reading import read_platform, read_security
from activities.repository.export import Exporter
from activities.repository.git import Git
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from activities.repository.workspace import Workspaces
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from activities.tracing.forge import TracedForge
from activities.tracing.otlp import OtlpSender, is_configured
from activities.tracing.recorder import Recorder
from activities.tracing.store import SpanStore
from activities.tracing.traces import Traces
from workers.ends import Ends
from workers.settings import Settings

Step = Callable[..., Any]


@dataclass(frozen=True)
class Parts:
    """What a worker and a gateway are made of."""

    settings: Settings
    host: str
    owners: OwnersFiles
    artifacts: Artifacts
    admissions: Admissions
    attested: Attested
    authority: Authority
    forge: Forge
    patches: Patches
    chains: Chains
    intents: Intents
    signer: DecisionSigner
    mirrors: Mirrors
    placements: Placements
    capacity: CapacityActivities
    sandboxes: BubblewrapSandboxes
    gateway: EnvoyGateway
    spans: SpanStore
    recorder: Recorder
    placement_steps: Sequence[Step]
    host_steps: Sequence[Step]
    control_steps: Sequence[Step]
    record_steps: Sequence[Step]

    def api_steps(self, client: Client) -> Sequence[Step]:
        """Steps that act on other people's servers, and those that share something between tasks through Temporal."""
        turns, budget = MergeTurnActivities(client), BudgetActivities(client)
        forge = ForgeActivities(
            self.forge,
            self.admissions,
            self.attested,
            self.authority,
            self.artifacts,
            self.mirrors,
            self.patches,
            whose_turn=turns.whose,
        )
        return [
            forge.propose,
            forge.rebase,
            forge.merge,
            forge.close_pull_request,
            forge.revert,
            turns.take_turn,
            turns.give_turn_back,
            budget.reserve_budget,
            budget.settle_budget,
            *self.record_steps,
        ]

    def ends(self, client: Client) -> Ends:
        """What notices tasks that ended without saying so."""
        return Ends(client, self.chains, self.admissions, self.attested, self.forge, self.recorder)

    async def close(self) -> None:
        """Write and send what is known of traces and measures; the last thing a process does with its parts."""
        await asyncio.to_thread(self.recorder.close)

    async def shut_down(self) -> None:
        """End every run of this host and its egress gateway: for a stack that is not coming back."""
        for run_id in self.sandboxes.live_runs():
            with contextlib.suppress(LookupError):
                await self.sandboxes.stop(run_id, "the stack was taken down")
        await self.gateway.stop()

    @classmethod
    def load(cls, settings: Settings) -> "Parts":
        """Read the settings and policy files and build everything. Raises PolicyRefusal for an invalid file."""
        state = settings.prepare_state()
        owners = OwnersFiles(settings.config_file, settings.security_file)
        # Told as a mistake in the file and not as a change of it: what follows reads both again.
        read_platform(owners.platform_file)
        read_security(owners.security_file)
        host = settings.host_id()
        settings.close_files()
        layout = HostLayout(settings.hosts / host)
        stage = stage_runtime(state)
        sandboxes = BubblewrapSandboxes(
            layout.runs, stage, lease_seconds=settings.lease_seconds, lapse_seconds=settings.lapse_seconds
        )
        gateway = EnvoyGateway(layout.egress, credentials=CurrentKeys(owners))
        git = Git(state / "git")
        mirrors, workspaces = Mirrors(layout.mirrors, git), Workspaces(layout.workspaces, git)
        objects = Objects.open(settings.archive_location)
        artifacts, chains = Artifacts(objects), Chains(objects)
        spans = SpanStore(objects)
        sender = OtlpSender(settings.otlp_endpoint, host) if is_configured(settings.otlp_endpoint) else None
        recorder = Recorder(spans, sender)
        traces = Traces(recorder)
        signer = DecisionSigner.load_or_create(settings.keys)
        gateways = TrustedKeys.with_folder(signer.public_key, settings.keys / "gateways")
        verifier = DecisionVerifier(gateways)
        admissions = Admissions(chains, verifier)
        worker_key = SigningKey.load_or_create(settings.keys, WORKER)
        workers = TrustedKeys.with_folder(worker_key.public_key, settings.keys / "workers")
        attested = Attested(SignedRecord(chains, worker_key, workers))
        authority = Authority(verifier, admissions, attested)
        patches = Patches(git, artifacts)
        placements = Placements(layout.placements, settings.capacity)
        preparations = Preparations(layout.preparations)
        layers = EnvironmentLayers(layout.layers, sandboxes, gateway, discover)
        capacity = CapacityActivities(
            host=host,
            layout=layout,
            placements=placements,
            sandboxes=sandboxes,
            gateway=gateway,
            mirrors=mirrors,
            workspaces=workspaces,
            patches=patches,
            layers=layers,
            owners=owners,
            last_words=LastWords(sandboxes, artifacts, attested),
            toolchain=stage.root.name,
            admissions=admissions,
            attested=attested,
            preparations=preparations,
        )
        briefing = BriefingActivities(preparations, mirrors, ContextBuilder(git, mirrors, artifacts))
        running = RunningActivities(
            layout=layout,
            placements=placements,
            preparations=preparations,
            sandboxes=sandboxes,
            gateway=gateway,
            mirrors=mirrors,
            workspaces=workspaces,
            layers=layers,
            artifacts=artifacts,
            attested=attested,
            adapters=CurrentAdapters(owners),
            toolchains=Toolchains(state),
            traces=traces,
        )
        exporting = ExportingActivities(
            git=git,
            placements=placements,
            preparations=preparations,
            mirrors=mirrors,
            workspaces=workspaces,
            exporter=Exporter(sandboxes, git, layout.scratch),
            patches=patches,
            attested=attested,
        )
        judging = JudgingActivities(
            placements=placements,
            preparations=preparations,
            sandboxes=sandboxes,
            mirrors=mirrors,
            patches=patches,
            layers=layers,
            evaluator=Evaluator(git, CheckRunner(sandboxes, workspaces, artifacts, traces.check_ended), artifacts),
            attested=attested,
        )
        record = RecordActivities(chains, authority, attested, traces)
        return cls(
            settings=settings,
            host=host,
            owners=owners,
            artifacts=artifacts,
            admissions=admissions,
            attested=attested,
            authority=authority,
            forge=TracedForge(LocalForge(git, state / "forge"), recorder),
            patches=patches,
            chains=chains,
            intents=Intents(objects),
            signer=signer,
            mirrors=mirrors,
            placements=placements,
            capacity=capacity,
            sandboxes=sandboxes,
            gateway=gateway,
            spans=spans,
            recorder=recorder,
            placement_steps=[capacity.prepare],
            host_steps=[
                briefing.gather_context,
                running.run_agent,
                exporting.export_patch,
                judging.evaluate,
                capacity.release,
            ],
            control_steps=[Attending().attend],
            record_steps=[record.verify_decision, record.record],
        )
