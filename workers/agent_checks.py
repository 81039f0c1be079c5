"""`journeyman agents list` and `check`: what each agent needs, tried rather than guessed, and how to mend it."""

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from activities.agents.adapter import TOOLCHAIN, AgentAdapter, Toolchain
from activities.agents.configured import configured_adapter, toolchains
from activities.agents.model_provider import Provider
from activities.agents.toolchains import Toolchains, locked_version
from activities.policy.agent_tables import AgentEntry, KeySource
from activities.policy.documents import PlatformPolicy
from activities.policy.reading import read_platform
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import stage_runtime
from workers.findings import Finding
from workers.sandboxes import configured_backend
from workers.settings import Settings
from workflows.models.limits import Limits
from workflows.models.policy import PolicyRefusal
from workflows.models.run import RunEnd

_START_SECONDS = 60
_EXAMPLE = (
    'providers.anthropic = { url = "https://api.anthropic.com", key = { environment = "ANTHROPIC_API_KEY" } } and '
    'agents.claude = { adapter = "claude-code", provider = "anthropic", model = "MODEL" }'
)


async def examine_agents(settings: Settings, only: str = "") -> list[Finding]:
    """Look at every configured agent, or at one. Raises PolicyRefusal for an invalid file or an unknown agent."""
    platform = read_platform(settings.config_file)
    if only and only not in platform.agents:
        known = ", ".join(sorted(platform.agents)) or "none yet"
        raise PolicyRefusal(f"there is no [agents.{only}] in {settings.config_file}; there is: {known}")
    if not platform.agents:
        mend = f"add to {settings.config_file}: {_EXAMPLE}"
        return [Finding(name="agents", ok=False, detail="none is configured", mend=mend)]
    names = [only] if only else sorted(platform.agents)
    findings: list[Finding] = []
    for name in names:
        findings += await _agent(settings, platform, name, platform.agents[name])
    return findings


async def _agent(settings: Settings, platform: PlatformPolicy, name: str, entry: AgentEntry) -> list[Finding]:
    try:
        adapter = configured_adapter(platform, name, entry)
    except PolicyRefusal as refusal:
        return [Finding(name=name, ok=False, detail=str(refusal), mend=f"edit {settings.config_file}")]
    findings = [await _program(settings, adapter)]
    if entry.provider:
        provider = Provider(entry.provider, platform.providers[entry.provider])
        findings += _provider(settings, name, entry, provider)
    return findings


async def _program(settings: Settings, adapter: AgentAdapter) -> Finding:
    label, toolchain = f"{adapter.name}: program", adapter.toolchain
    if toolchain is None:
        return Finding(name=label, ok=True, detail="a command of your own; it is not tried here")
    found = Toolchains(settings.state).installed(toolchain)
    if found is None:
        version = locked_version(toolchain.name)
        mend = f"journeyman agents install {toolchain.name}"
        return Finding(name=label, ok=False, detail=f"{toolchain.name} {version} is not installed", mend=mend)
    try:
        said = await version_in_sandbox(settings, toolchain)
    except RuntimeError as error:
        return Finding(name=label, ok=False, detail=str(error), mend="journeyman doctor   # whether sandboxes work")
    return Finding(name=label, ok=True, detail=f"{toolchain.name} starts in a sandbox and says {said}")


async def version_in_sandbox(settings: Settings, toolchain: Toolchain) -> str:
    """What a toolchain's first program prints for --version in a real sandbox. Raises RuntimeError if it can't run."""
    stage = await asyncio.to_thread(stage_runtime, settings.prepare_state())
    folder = settings.state / "agents-check"
    sandboxes = HostSandboxes(folder / "runs", configured_backend(settings, stage))
    program = next(iter(toolchain.programs))
    spec = SandboxSpec(
        run_id=f"check-{time.time_ns()}",
        command=(f"{TOOLCHAIN}/bin/{program}", "--version"),
        mounts=(Toolchains(settings.state).mount(toolchain),),
        limits=Limits(wall_seconds=_START_SECONDS),
    )
    try:
        status, output = await sandboxes.run(spec)
        await sandboxes.forget(spec.run_id)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    said = output.decode(errors="replace").strip()
    if status.end is not RunEnd.EXITED or status.exit_code != 0:
        raise RuntimeError(f"{program} does not start in a sandbox: {status.detail or status.end}: {said[-300:]}")
    return said.splitlines()[-1] if said else "nothing"


def _provider(settings: Settings, name: str, entry: AgentEntry, provider: Provider) -> Iterator[Finding]:
    key, place = provider.entry.key, f"[providers.{provider.name}]"
    missing = _missing(key) if key else ""
    detail = missing or (_where(key) if key else "requests carry none, as configured")
    mend = f"put the key there for the worker, or change `key` of {place} in {settings.config_file}"
    if key and key.environment:
        mend = f"export {key.environment}=...   # for the worker; or change `key` of {place} in {settings.config_file}"
    yield Finding(name=f"{name}: key", ok=not missing, detail=detail, mend=mend if missing else "")
    known = provider.knows_price_of(entry.model)
    needed = key is not None and not known
    yield Finding(
        name=f"{name}: price",
        ok=not needed,
        detail=f"the price of {entry.model} is " + ("known" if known else "not known" if needed else "not needed"),
        mend=f'add to {place} in {settings.config_file}: prices."{entry.model}" = {{ input = ..., output = ... }}   '
        "# US dollars per million tokens, as the provider states them"
        if needed
        else "",
    )


def _where(key: KeySource) -> str:
    if key.environment:
        return f"the environment has {key.environment}"
    return f"{key.file} can be read" if key.file else f"{key.command[0]} is there (not run)"


def _missing(key: KeySource) -> str:
    """What of a key's source is not there; empty if all is. The key itself is never looked at."""
    if key.environment:
        return "" if os.environ.get(key.environment) else f"the environment has no {key.environment}"
    if key.file:
        return "" if os.access(key.file, os.R_OK) else f"{key.file} can't be read"
    return "" if shutil.which(key.command[0]) else f"there is no program {key.command[0]}"


class Listed(Finding):
    """A toolchain, as `journeyman agents list` shows it."""

    version: str
    bytes: int = 0
    path: Path | None = None
    agents: tuple[str, ...] = ()


def list_toolchains(settings: Settings) -> list[Listed]:
    """Every known toolchain, whether it is installed, and who uses it."""
    platform = read_platform(settings.config_file)
    shelf = Toolchains(settings.state)
    listed = []
    for name, toolchain in toolchains().items():
        found = shelf.installed(toolchain)
        users = tuple(agent for agent, entry in platform.agents.items() if entry.adapter == name)
        listed.append(
            Listed(
                name=name,
                ok=found is not None,
                version=locked_version(name),
                bytes=found.bytes if found else 0,
                path=shelf.path(toolchain) if found else None,
                agents=users,
                detail="installed" if found else "not installed",
                mend="" if found else f"journeyman agents install {name}",
            )
        )
    return listed
