"""The `claude-code` adapter: Anthropic's Claude Code, headless, with streamed JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from activities.agents.adapter import Launch, Session, Toolchain
from activities.agents.json_lines import as_message, content_of, name, rows, table, text, tokens
from activities.agents.model_provider import PLACEHOLDER
from activities.agents.vendor_cli import VendorCli, kept
from activities.egress.contract import Endpoint, UsageDialect
from workflows.models.run import HangKind
from workflows.models.transcript import EventKind, TranscriptEvent


class ClaudeCode(VendorCli):
    """Implements adapter.AgentAdapter for `claude`."""

    # The package's own program is copied into place by its postinstall script; this is what it copies.
    TOOLCHAIN = Toolchain(
        name="claude-code", programs={"claude": "node_modules/@anthropic-ai/claude-code-linux-*/claude"}
    )
    DIALECTS = (UsageDialect.ANTHROPIC_MESSAGES,)
    EXTRA = (Endpoint(method="HEAD", path="/"),)
    """It looks whether anybody is there before it asks."""
    # Seen in its issues 39700 (silence), 53584 and 25629 (stalls), 75613 and 83859 (no exit after the result).
    HANGS = {
        HangKind.SILENT_START: 60,
        HangKind.STALL: 900,
        HangKind.NO_EXIT: 30,
        HangKind.RETRY_LOOP: 300,
        HangKind.PERMISSION_PROMPT: 120,
        HangKind.OUTPUT_FLOOD: 30,
    }

    def launch(self, prompt_dir: Path, session: Session | None = None) -> Launch:
        # The sandbox is the boundary; a command line that asks for permission asks nobody.
        command = ["claude", "--print", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"]
        command += ["--model", self._entry.model, *self._entry.arguments]
        if session and session.resume:
            command += ["--resume", session.resume]
        environment = {
            "ANTHROPIC_BASE_URL": self._provider.url,
            "ANTHROPIC_API_KEY": PLACEHOLDER,
            "CLAUDE_CONFIG_DIR": kept(session, ".claude"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
            # Else a model that is not in its list is asked for by another name for side requests.
            "ANTHROPIC_SMALL_FAST_MODEL": self._entry.model,
        }
        return self.started(prompt_dir, session, command, environment)

    def read_events(self, line: bytes) -> list[TranscriptEvent]:
        content = content_of(line)
        if content is None:
            return as_message(line)
        kind = content.get("type")
        if kind == "system":
            return list(_system(content))
        if kind in ("assistant", "user"):
            return list(_said(table(content.get("message")).get("content")))
        if kind == "result":
            return list(_result(content))
        return []


def _system(content: dict[str, Any]) -> Iterator[TranscriptEvent]:
    subtype = text(content.get("subtype"))
    if subtype == "init":
        words = f"session with {name(content.get('model'))}"
        yield TranscriptEvent(kind=EventKind.MESSAGE, text=words, session=name(content.get("session_id")))
    elif subtype == "api_retry":
        why = " ".join(name(content[key]) for key in ("error_status", "error") if content.get(key))
        tried = f"{name(content.get('attempt'))} of {name(content.get('max_retries'))}"
        yield TranscriptEvent(kind=EventKind.ERROR, text=f"a request failed ({why}); retry {tried}")
    elif "refusal" in subtype:
        yield TranscriptEvent(kind=EventKind.ERROR, text="the model refused to go on (refusal)")


def _said(blocks: Any) -> Iterator[TranscriptEvent]:
    for block in [{"type": "text", "text": blocks}] if isinstance(blocks, str) else rows(blocks):
        kind = block.get("type")
        if kind == "text":
            yield TranscriptEvent(kind=EventKind.MESSAGE, text=text(block.get("text")))
        elif kind == "tool_use":
            yield TranscriptEvent(
                kind=EventKind.TOOL_CALL,
                tool=name(block.get("name")),
                text=text(block.get("input")),
                call=name(block.get("id", "")),
            )
        elif kind == "tool_result":
            inner = block.get("content")
            parts = [text(part.get("text")) for part in rows(inner)]
            yield TranscriptEvent(
                kind=EventKind.TOOL_RESULT,
                text=text("\n".join(parts) if parts else inner),
                is_error=block.get("is_error", False) is not False,
                call=name(block.get("tool_use_id", "")),
            )


def _result(content: dict[str, Any]) -> Iterator[TranscriptEvent]:
    # Per model it is complete; `usage` is zero after a stream that had to be asked for again as a whole.
    models = [table(usage) for usage in table(content.get("modelUsage")).values()]
    keys_in, key_out = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"), "outputTokens"
    if not models:
        models = [table(content.get("usage"))]
        keys_in, key_out = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), "output_tokens"
    yield TranscriptEvent(
        kind=EventKind.USAGE,
        tokens_in=sum(tokens(usage.get(key)) for usage in models for key in keys_in),
        tokens_out=sum(tokens(usage.get(key_out)) for usage in models),
    )
    for denial in rows(content.get("permission_denials")):
        yield TranscriptEvent(
            kind=EventKind.DENIAL, tool=name(denial.get("tool_name")), text=text(denial.get("tool_input"))
        )
    subtype = name(content.get("subtype"))
    # It calls an unreachable model a success, with this flag set.
    is_error = content.get("is_error", False) is not False or subtype != "success"
    yield TranscriptEvent(
        kind=EventKind.RESULT,
        text=text(content.get("result")) or ("" if subtype == "success" else subtype.replace("_", " ")),
        is_error=is_error,
        session=name(content.get("session_id")),
    )
