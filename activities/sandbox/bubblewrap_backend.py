"""Sandboxes by bubblewrap, as the worker sees them: no root, no daemon, nothing to install but wheels."""

import subprocess
from pathlib import Path
from typing import Any

from activities.sandbox import bubblewrap, limits
from activities.sandbox.backend import Enforceable, ProbeFailed, Trial
from activities.sandbox.cgroups import OVERHEAD, Cgroup
from activities.sandbox.contract import ImageRefused, SandboxSpec
from activities.sandbox.launch import BubblewrapLaunch, Launch
from activities.sandbox.stage import Stage


class BubblewrapBackend:
    """Implements backend.Backend."""

    name = "bubblewrap"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def runtime(self) -> str:
        words = [str(self._stage.bubblewrap), "--version"]
        told = subprocess.run(words, capture_output=True, text=True, check=False)
        if told.returncode:
            raise ProbeFailed(f"the probe failed: bubblewrap does not start: {told.stderr[-300:].strip()}")
        return told.stdout.strip()[:80]

    def check(self, spec: SandboxSpec) -> None:
        if spec.image:
            raise ImageRefused(
                f"Refused to start a sandbox with the image {spec.image!r}: bubblewrap shows this host's own system. "
                'Leave the image out, or set `sandbox.backend = "container"` in journeyman.toml.'
            )

    def scratch(self, spec: SandboxSpec) -> tuple[str, ...]:
        return bubblewrap.scratch(spec)

    def body(self, spec: SandboxSpec, mark: str, uid: int | None, enforceable: Enforceable) -> dict[str, Any]:
        counted = enforceable.counts_processes and not (enforceable.cgroup and "pids" in enforceable.cgroup.parents)
        # One above what the watch allows, so that the watch sees when somebody runs into it.
        processes_inside = spec.limits.processes + OVERHEAD + 1 if counted else 0
        return BubblewrapLaunch(
            program=str(self._stage.bubblewrap),
            options=bubblewrap.options(spec, self._stage),
            command=bubblewrap.command(spec, mark, processes_inside),
            seccomp=str(self._stage.seccomp),
            cgroup=enforceable.cgroup,
        ).as_json()

    def probe(self, trial: Trial) -> Enforceable:
        return limits.probe(trial)

    def remove_strays(self, runs: Path) -> None:
        """See backend. All of a sandbox dies with its supervisor."""

    def system_of(self, image: str, trial: Trial) -> str:
        self.check(SandboxSpec(run_id="image", command=("true",), image=image))
        return ""


def clear(launch: Launch) -> bool:
    """As clearing.clear."""
    place = BubblewrapLaunch.of(launch).cgroup
    if place is None:
        return True
    cgroup = Cgroup.of(place, launch.mark)
    cgroup.kill()
    return not cgroup.processes() and cgroup.remove(0)
