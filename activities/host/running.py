"""Running an agent in the prepared workspace."""

import json
import shutil

from temporalio import activity

from activities.agents.adapter import AgentAdapter
from activities.agents.transcript import read_transcript
from activities.archive.contract import ArtifactStore, TaskChains
from activities.egress.contract import EgressGateway, EgressRecord, EgressRules
from activities.environment.layer import EnvironmentLayers
from activities.failures import step
from activities.host.layout import HostLayout, workspace_name
from activities.host.placements import Placements
from activities.host.supervised import SandboxLost, kept_its_work, supervised
from activities.repository.mirror import Mirrors
from activities.repository.workspace import Workspaces, objects_mount
from activities.sandbox.contract import INPUT, PROXY_PORT, Mount, Sandboxes, SandboxSpec
from workflows.models.artifact import ArtifactRef
from workflows.models.run import RunResult
from workflows.models.steps import RunOrder

_MOST_REFUSED_NAMED = 20


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
        adapters: dict[str, AgentAdapter],
    ) -> None:
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
