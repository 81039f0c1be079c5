"""The `opencode` adapter: OpenCode, headless, with JSON lines; it speaks to either vendor's kind of interface."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from activities.agents.adapter import Launch, Session, Toolchain
from activities.agents.json_lines import as_message, content_of, name, table, text, tokens
from activities.agents.model_provider import PLACEHOLDER
from activities.agents.vendor_cli import VendorCli, kept
from activities.egress.contract import UsageDialect
from workflows.models.run import HangKind
from workflows.models.transcript import EventKind, TranscriptEvent

_PACKAGES = {
    UsageDialect.OPENAI_CHAT: "@ai-sdk/openai-compatible",
    UsageDialect.ANTHROPIC_MESSAGES: "@ai-sdk/anthropic",
}
"""Both are inside the program: nothing is fetched."""
_CONTEXT_TOKENS, _OUTPUT_TOKENS = 200_000, 32_000
_REJECTED = "rejected permission"


class OpenCode(VendorCli):
    """Implements adapter.AgentAdapter for `opencode`."""

    # The package `opencode-ai` only chooses between builds for newer and older processors; this one runs on all.
    TOOLCHAIN = Toolchain(name="opencode", programs={"opencode": "node_modules/opencode-linux-*/bin/opencode"})
    DIALECTS = (UsageDialect.OPENAI_CHAT, UsageDialect.ANTHROPIC_MESSAGES)
    # It tries an unreachable model for over a minute without printing anything.
    HANGS = {
        HangKind.SILENT_START: 180,
        HangKind.STALL: 900,
        HangKind.NO_EXIT: 60,
        HangKind.RETRY_LOOP: 300,
        HangKind.PERMISSION_PROMPT: 120,
        HangKind.OUTPUT_FLOOD: 30,
    }

    def launch(self, prompt_dir: Path, session: Session | None = None) -> Launch:
        command = ["opencode", "run", "--format", "json", *self._entry.arguments]
        # A title that is given need not be asked for.
        command += ["--session", session.resume] if session and session.resume else ["--title", "task"]
        # Into a configuration directory that it can write to, it fetches a library for plugins from npm's registry,
        # whether or not there are any.
        command = ["sh", "-c", 'mkdir -p -m 0555 "$HOME/.config/opencode"; exec "$@"', "sh", *command]
        home = kept(session, ".session")
        environment = {
            "OPENCODE_CONFIG_CONTENT": json.dumps(self._configuration()),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "XDG_DATA_HOME": f"{home}/data",
            "XDG_STATE_HOME": f"{home}/state",
        }
        return self.started(prompt_dir, session, command, environment)

    def _configuration(self) -> dict[str, Any]:
        model = f"journeyman/{self._entry.model}"
        limits = {"context": _CONTEXT_TOKENS, "output": _OUTPUT_TOKENS}
        return {
            "model": model,
            "small_model": model,
            "enabled_providers": ["journeyman"],
            "autoupdate": False,
            "share": "disabled",
            # The sandbox is the boundary; what it would ask about, nobody would answer.
            "permission": {"*": "allow"},
            "provider": {
                "journeyman": {
                    "npm": _PACKAGES[self.dialect],
                    "name": self._provider.name,
                    "options": {"baseURL": f"{self._provider.url}/v1", "apiKey": PLACEHOLDER},
                    "models": {self._entry.model: {"name": self._entry.model, "limit": limits}},
                }
            },
        }

    def read_events(self, line: bytes) -> list[TranscriptEvent]:
        content = content_of(line)
        if content is None:
            return as_message(line)
        session = name(content.get("sessionID"))
        return [event.model_copy(update={"session": session}) for event in _events(content)]


def _events(content: dict[str, Any]) -> Iterator[TranscriptEvent]:
    kind, part = content.get("type"), table(content.get("part"))
    if kind == "text":
        yield TranscriptEvent(kind=EventKind.MESSAGE, text=text(part.get("text")))
    elif kind == "tool_use":
        yield from _tool(name(part.get("tool")), table(part.get("state")))
    elif kind == "step_finish":
        used = table(part.get("tokens"))
        cache = table(used.get("cache"))
        read = (used.get("input"), cache.get("read"), cache.get("write"))
        yield TranscriptEvent(
            kind=EventKind.USAGE, tokens_in=sum(map(tokens, read)), tokens_out=tokens(used.get("output"))
        )
        reason = name(part.get("reason"))
        if reason == "stop":
            yield TranscriptEvent(kind=EventKind.RESULT)
        elif reason != "tool-calls":
            yield TranscriptEvent(kind=EventKind.RESULT, text=f"the model stopped: {reason}", is_error=True)
    elif kind == "error":
        error = table(content.get("error"))
        data = table(error.get("data"))
        parts = (name(error.get("name")), name(data.get("statusCode")), text(data.get("message")))
        yield TranscriptEvent(kind=EventKind.ERROR, text=" ".join(filter(None, parts)))


def _tool(tool: str, state: dict[str, Any]) -> Iterator[TranscriptEvent]:
    yield TranscriptEvent(kind=EventKind.TOOL_CALL, tool=tool, text=text(state.get("input")))
    failed = state.get("status") == "error"
    told = text(state.get("error") if failed else state.get("output"))
    if failed and (_REJECTED in told or "prevents you from using" in told):
        yield TranscriptEvent(kind=EventKind.DENIAL, tool=tool, text=told)
    else:
        code = table(state.get("metadata")).get("exit")
        yield TranscriptEvent(
            kind=EventKind.TOOL_RESULT, tool=tool, text=told, is_error=failed or code not in (None, 0)
        )
