"""The `codex` adapter: OpenAI's Codex, headless, with JSON lines."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from activities.agents.adapter import SESSION, Launch, Session, Toolchain, Verdict
from activities.agents.json_lines import as_message, content_of, name, rows, table, text, tokens
from activities.agents.model_provider import PLACEHOLDER
from activities.agents.vendor_cli import VendorCli
from activities.agents.verdict import judge_by_result
from activities.egress.contract import UsageDialect
from workflows.models.run import HangKind, RunEnd
from workflows.models.transcript import EventKind, TranscriptEvent

_KEY = "JOURNEYMAN_MODEL_KEY"
_VENDOR = "node_modules/@openai/codex-linux-*/vendor/*"


class Codex(VendorCli):
    """Implements adapter.AgentAdapter for `codex`."""

    # The package's own program is a Node script that starts this one with its own ripgrep on the PATH.
    TOOLCHAIN = Toolchain(name="codex", programs={"codex": f"{_VENDOR}/bin/codex", "rg": f"{_VENDOR}/codex-path/rg"})
    DIALECTS = (UsageDialect.OPENAI_RESPONSES,)
    # It waits for a network that is gone without end, which shows as nothing but errors.
    HANGS = {
        HangKind.SILENT_START: 30,
        HangKind.STALL: 900,
        HangKind.NO_EXIT: 30,
        HangKind.RETRY_LOOP: 120,
        HangKind.OUTPUT_FLOOD: 30,
    }

    def launch(self, prompt_dir: Path, session: Session | None = None) -> Launch:
        provider = {
            "name": "journeyman",
            "base_url": f"{self._provider.url}/v1",
            "env_key": _KEY,
            "wire_api": "responses",
        }
        settings = {
            "model_provider": '"journeyman"',
            "model_providers.journeyman": "{" + ",".join(f"{k}={json.dumps(v)}" for k, v in provider.items()) + "}",
            "check_for_update_on_startup": "false",
            "analytics.enabled": "false",
            "feedback.enabled": "false",
            "features.plugins": "false",
        }
        # Its own sandbox is bubblewrap again, which can't start inside ours, and ours is the boundary.
        command = ["codex", "exec", "--json", "--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check"]
        for key, value in settings.items():
            command += ["--config", f"{key}={value}"]
        command += ["--model", self._entry.model, *self._entry.arguments]
        command += ["resume", session.resume, "-"] if session and session.resume else ["-"]
        environment = {_KEY: PLACEHOLDER}
        if session:
            # It makes its own home, but none that it is told of.
            environment["CODEX_HOME"] = SESSION
        return self.started(prompt_dir, session, command, environment)

    def read_events(self, line: bytes) -> list[TranscriptEvent]:
        content = content_of(line)
        if content is None:
            return as_message(line)
        return list(_events(content))

    def judge(self, events: Sequence[TranscriptEvent], exit_code: int | None, end: RunEnd) -> Verdict:
        # A refusal is a turn that completes without a word.
        return judge_by_result(self._name, events, exit_code, end, closing_words=True)


def _events(content: dict[str, Any]) -> Iterator[TranscriptEvent]:
    kind = content.get("type")
    if kind == "thread.started":
        session = name(content.get("thread_id"))
        yield TranscriptEvent(kind=EventKind.MESSAGE, text=f"session {session}", session=session)
    elif kind in ("item.started", "item.completed"):
        yield from _item(table(content.get("item")), begins=kind == "item.started")
    elif kind == "error":
        yield TranscriptEvent(kind=EventKind.ERROR, text=text(content.get("message")))
    elif kind == "turn.failed":
        words = text(table(content.get("error")).get("message"))
        yield TranscriptEvent(kind=EventKind.RESULT, text=words, is_error=True)
    elif kind == "turn.completed":
        usage = table(content.get("usage"))
        yield TranscriptEvent(
            kind=EventKind.USAGE,
            tokens_in=tokens(usage.get("input_tokens")),
            tokens_out=tokens(usage.get("output_tokens")),
        )
        yield TranscriptEvent(kind=EventKind.RESULT)


def _item(item: dict[str, Any], *, begins: bool) -> Iterator[TranscriptEvent]:
    kind = item.get("type")
    if kind == "agent_message" and not begins:
        yield TranscriptEvent(kind=EventKind.MESSAGE, text=text(item.get("text")))
    elif kind == "error":
        yield TranscriptEvent(kind=EventKind.ERROR, text=text(item.get("message")))
    elif kind in ("command_execution", "file_change", "mcp_tool_call", "web_search"):
        tool, does = _tool(item)
        status = item.get("status")
        if begins:
            yield TranscriptEvent(kind=EventKind.TOOL_CALL, tool=tool, text=does, call=name(item.get("id", "")))
        elif status == "declined":
            yield TranscriptEvent(kind=EventKind.DENIAL, tool=tool, text=does)
        else:
            told = item.get("aggregated_output", item.get("result", item.get("error")))
            yield TranscriptEvent(
                kind=EventKind.TOOL_RESULT,
                tool=tool,
                text=text(told) if told is not None else does,
                is_error=status == "failed",
                call=name(item.get("id", "")),
            )


def _tool(item: dict[str, Any]) -> tuple[str, str]:
    kind = item.get("type")
    if kind == "command_execution":
        return "shell", text(item.get("command"))
    if kind == "file_change":
        changes = [f"{name(change.get('kind'))} {text(change.get('path'))}" for change in rows(item.get("changes"))]
        return "edit", text("\n".join(changes))
    if kind == "mcp_tool_call":
        return name(item.get("tool")), text(item.get("arguments"))
    return "web_search", text(item.get("query"))
