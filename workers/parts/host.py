"""The parts of a machine that runs agents: its workspaces, its sandboxes and their way out."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from activities.agents.current import CurrentAdapters, CurrentKeys
from activities.agents.toolchains import Toolchains
from activities.archive.retention import Retention
from activities.context.builder import ContextBuilder
from activities.context.plan import TeamPlan
from activities.egress.gateway import EnvoyGateway
from activities.environment.layer import EnvironmentLayers
from activities.environment.registries import discover
from activities.evaluation.checks import CheckRunner
from activities.evaluation.depth.probe_stage import stage_probe
from activities.evaluation.evaluator import Evaluator
from activities.host.attending import Attending
from activities.host.briefing import BriefingActivities
from activities.host.capacity import CapacityActivities
from activities.host.changed_packages import ChangedPackages
from activities.host.checkpoints import Checkpointing, Pace
from activities.host.exporting import ExportingActivities
from activities.host.giving_back import GivingBack
from activities.host.halting import HostHalts
from activities.host.judging import JudgingActivities
from activities.host.last_words import LastWords
from activities.host.last_work import LastWork
from activities.host.lifetimes import LifetimeActivities
from activities.host.placements import Placements
from activities.host.preparations import Preparations
from activities.host.running import RunningActivities
from activities.policy.people import co_author
from activities.redaction.artifacts import RedactedArtifacts
from activities.redaction.redactor import Redactor
from activities.repository.export import Exporter
from activities.repository.workspace import Workspaces
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import stage_runtime
from activities.tracker.linear.access import LinearAccess
from workers.parts.halts import read_halts
from workers.parts.shared import SharedParts
from workers.sandboxes import backend_of, why_not_sized

Step = Callable[..., Any]


@dataclass(frozen=True)
class HostParts:
    """What a host has beside what all share."""

    shared: SharedParts
    placements: Placements
    giving_back: GivingBack
    sandboxes: HostSandboxes
    gateway: EnvoyGateway
    halts: HostHalts
    placement_steps: Sequence[Step]
    host_steps: Sequence[Step]
    control_steps: Sequence[Step]

    @property
    def host(self) -> str:
        """The host's id."""
        return self.shared.host

    async def shut_down(self) -> None:
        """End every run of this host and its egress gateway: for a stack that is not coming back."""
        for run_id in self.sandboxes.live_runs():
            with contextlib.suppress(LookupError):
                await self.sandboxes.stop(run_id, "the stack was taken down")
        await self.gateway.stop()

    async def leave(self) -> None:
        """End the egress gateway unless runs outlive this process: then it goes on with them."""
        if not self.sandboxes.live_runs():
            await self.gateway.stop()

    @classmethod
    def load(cls, shared: SharedParts) -> "HostParts":
        """Build everything; unpacks what sandboxes execute, which takes a second or two the first time."""
        settings, layout, git, mirrors = shared.settings, shared.layout, shared.git, shared.mirrors
        stage = stage_runtime(settings.prepare_state())
        sized = why_not_sized(shared.owners.platform(), layout.root) is None
        sandboxes = HostSandboxes(
            layout.runs,
            backend_of(shared.owners.platform(), stage),
            lease_seconds=settings.lease_seconds,
            lapse_seconds=settings.lapse_seconds,
            sized_workspaces=sized,
        )
        gateway = EnvoyGateway(layout.egress, credentials=CurrentKeys(shared.owners))
        redactor = Redactor(gateway.known_keys)
        artifacts = RedactedArtifacts(shared.artifacts, redactor)
        workspaces = Workspaces(layout.workspaces, git, sized=sized)
        attested = shared.attesting()
        placements = Placements(layout.placements, settings.capacity)
        preparations = Preparations(layout.preparations)
        registries = partial(discover, allow_private=settings.private_registries)
        layers = EnvironmentLayers(layout.layers, sandboxes, gateway, registries)
        halts = HostHalts(
            read_halts(settings, shared.objects, layout.root / "halts"),
            sandboxes,
            blind_seconds=settings.lease_seconds,
        )
        exporter = Exporter(sandboxes, git, layout.scratch)
        last_work = LastWork(
            git=git,
            preparations=preparations,
            mirrors=mirrors,
            workspaces=workspaces,
            exporter=exporter,
            patches=shared.patches,
            attested=attested,
        )
        giving_back = GivingBack(
            layout=layout,
            placements=placements,
            preparations=preparations,
            sandboxes=sandboxes,
            gateway=gateway,
            workspaces=workspaces,
            last_words=LastWords(sandboxes, artifacts, attested),
            last_work=last_work,
        )
        capacity = CapacityActivities(
            host=shared.host,
            placements=placements,
            sandboxes=sandboxes,
            mirrors=mirrors,
            room=shared.room,
            workspaces=workspaces,
            patches=shared.patches,
            layers=layers,
            owners=shared.owners,
            giving_back=giving_back,
            toolchain=stage.root.name,
            admissions=shared.admissions,
            attested=attested,
            preparations=preparations,
            policies=shared.policies,
            answers=shared.host_answers,
            registries=registries,
            halts=halts,
        )
        plan = TeamPlan(shared.owners.platform, LinearAccess(lambda: shared.owners.platform().linear))
        briefing = BriefingActivities(preparations, mirrors, ContextBuilder(git, mirrors, artifacts, plan))
        checkpointing = Checkpointing(
            layout=layout,
            git=git,
            placements=placements,
            sandboxes=sandboxes,
            gateway=gateway,
            exporter=exporter,
            patches=shared.patches,
            artifacts=shared.artifacts,
            redacted=artifacts,
            attested=attested,
            pace=Pace(settings.checkpoint_seconds, settings.checkpoint_calls),
        )
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
            redactor=redactor,
            attested=attested,
            answers=shared.host_answers,
            checkpointing=checkpointing,
            adapters=CurrentAdapters(shared.owners),
            toolchains=Toolchains(settings.state),
            traces=shared.traces,
            registries=registries,
        )
        exporting = ExportingActivities(
            git=git,
            placements=placements,
            preparations=preparations,
            mirrors=mirrors,
            workspaces=workspaces,
            exporter=exporter,
            patches=shared.patches,
            attested=attested,
            co_author=lambda person: co_author(shared.owners.platform(), person),
        )
        checks = CheckRunner(sandboxes, workspaces, artifacts, shared.traces.check_ended)
        judging = JudgingActivities(
            placements=placements,
            preparations=preparations,
            sandboxes=sandboxes,
            mirrors=mirrors,
            patches=shared.patches,
            layers=layers,
            evaluator=Evaluator(git, checks, artifacts, stage_probe(settings.state)),
            packages=ChangedPackages(git, layers, workspaces, shared.package_answers),
            attested=attested,
        )
        lifetimes = LifetimeActivities(
            placements=placements,
            preparations=preparations,
            mirrors=mirrors,
            layers=layers,
            mirror_lifetime=timedelta(days=settings.mirror_days),
            layer_lifetime=timedelta(days=settings.layer_days),
            retention=Retention(shared.objects, shared.chains, shared.removing(), settings.lifetimes()),
        )
        return cls(
            shared=shared,
            placements=placements,
            giving_back=giving_back,
            sandboxes=sandboxes,
            gateway=gateway,
            halts=halts,
            placement_steps=[capacity.prepare],
            host_steps=[
                briefing.gather_context,
                running.run_agent,
                exporting.export_patch,
                judging.examine_packages,
                judging.evaluate,
                capacity.release,
                lifetimes.sweep,
            ],
            control_steps=[Attending().attend],
        )
