"""The agents that journeyman.toml names, each with the adapter it asks for."""

from activities.agents.adapter import AgentAdapter, Toolchain
from activities.agents.claude_code import ClaudeCode
from activities.agents.codex import Codex
from activities.agents.command import CommandAdapter
from activities.agents.model_provider import Provider
from activities.agents.opencode import OpenCode
from activities.policy.agent_tables import AgentEntry
from activities.policy.documents import PlatformPolicy
from workflows.models.policy import PolicyRefusal

ADAPTERS: dict[str, type[CommandAdapter] | type[ClaudeCode] | type[Codex] | type[OpenCode]] = {
    "command": CommandAdapter,
    "claude-code": ClaudeCode,
    "codex": Codex,
    "opencode": OpenCode,
}


def toolchains() -> dict[str, Toolchain]:
    """Every toolchain that an adapter knows of, by its name."""
    known = [adapter.TOOLCHAIN for adapter in ADAPTERS.values() if not issubclass(adapter, CommandAdapter)]
    return {toolchain.name: toolchain for toolchain in known}


def configured_adapters(platform: PlatformPolicy) -> dict[str, AgentAdapter]:
    """Name to adapter. Raises PolicyRefusal for an adapter there is none of, or one that lacks what it needs."""
    return {name: configured_adapter(platform, name, entry) for name, entry in platform.agents.items()}


def configured_adapter(platform: PlatformPolicy, name: str, entry: AgentEntry) -> AgentAdapter:
    """The adapter of one agent. Raises PolicyRefusal."""
    if entry.adapter not in ADAPTERS:
        raise PolicyRefusal(
            f"journeyman.toml: `agents.{name}.adapter` = {entry.adapter!r} is not known; use one of "
            + ", ".join(sorted(ADAPTERS))
        )
    found = platform.providers.get(entry.provider)
    provider = Provider(entry.provider, found) if found else None
    return ADAPTERS[entry.adapter](name, entry, provider)
