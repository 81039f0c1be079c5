"""The `command` adapter: any program that reads its task from a file and works in the current directory.

The program finds the prompt at $JOURNEYMAN_PROMPT. On standard output it may write JSON lines, one event each:

    {"type": "message", "text": "I'll look at the failing test first"}
    {"type": "tool_call", "tool": "bash", "text": "pytest -q"}
    {"type": "tool_result", "tool": "bash", "text": "1 failed", "is_error": true}
    {"type": "usage", "tokens_in": 1200, "tokens_out": 80}
    {"type": "result", "text": "add() adds now", "is_error": false}
    {"type": "error", "text": "the model does not answer"}

Any other line is kept as a message. A run succeeded if it ended by itself, and its last result event is no error; a
program that writes no result event is judged by its exit code. All of this is the agent's own word: it is shown, and
decides nothing about the patch.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from activities.agents.adapter import PROMPT, Launch, Verdict
from activities.agents.plain_text import plain
from activities.policy.documents import AgentEntry
from activities.sandbox.contract import INPUT, Mount
from workflows.models.run import RunEnd
from workflows.models.transcript import EventKind, TranscriptEvent

TEXT_CHARS = 20_000
"""Of one event; the raw output is kept beside the transcript."""
SUMMARY_CHARS = 8_000
_KINDS = {kind.value: kind for kind in EventKind}
_MOST_TOKENS = 10**12
_ENDS = {
    RunEnd.DEADLINE: "it did not end in time",
    RunEnd.MEMORY: "it used more memory than it may",
    RunEnd.PROCESSES: "it started more processes than it may",
    RunEnd.DISK: "it wrote more to disk than it may",
    RunEnd.OUTPUT: "it wrote more output than it may",
    RunEnd.STOPPED: "it was stopped",
    RunEnd.LEASE_LAPSED: "its host lost touch for too long",
    RunEnd.NOT_STARTED: "its sandbox could not be made",
    RunEnd.LOST: "its supervisor died",
}


class CommandAdapter:
    """Implements adapter.AgentAdapter for any program."""

    def __init__(self, name: str, entry: AgentEntry) -> None:
        self._name = name
        self._entry = entry

    @property
    def name(self) -> str:
        return self._name

    @property
    def credential(self) -> Literal["broker", "inside"]:
        return self._entry.credential

    def launch(self, prompt_dir: Path) -> Launch:
        own = tuple(Mount(source=mount.source, target=mount.target) for mount in self._entry.mounts)
        return Launch(
            command=self._entry.command,
            environment={**self._entry.environment, "JOURNEYMAN_PROMPT": PROMPT},
            mounts=(Mount(source=prompt_dir, target=INPUT), *own),
        )

    def read_events(self, line: bytes) -> list[TranscriptEvent]:
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return []
        event = _structured(text) if text.startswith("{") else None
        return [event or TranscriptEvent(kind=EventKind.MESSAGE, text=plain(text, TEXT_CHARS))]

    def judge(self, events: Sequence[TranscriptEvent], exit_code: int | None, end: RunEnd) -> Verdict:
        result = next((event for event in reversed(events) if event.kind is EventKind.RESULT), None)
        message = next((event for event in reversed(events) if event.kind is EventKind.MESSAGE), None)
        error = next((event for event in reversed(events) if event.kind is EventKind.ERROR), None)
        words = (result.text if result else "") or (message.text if message else "")
        summary = words[:SUMMARY_CHARS]
        if end is not RunEnd.EXITED:
            after = " after it had reported its result" if result else ""
            return Verdict(succeeded=False, detail=f"{self._name}: {_ENDS[end]}{after}", summary=summary)
        if result is not None:
            odd = f"{self._name} reported success, then exited with code {exit_code}" if exit_code else ""
            detail = f"{self._name} reported a failure" if result.is_error else odd
            return Verdict(succeeded=not result.is_error, detail=detail, summary=summary)
        if exit_code == 0:
            return Verdict(succeeded=True, summary=summary)
        said = f": {error.text[:500]}" if error else ""
        return Verdict(succeeded=False, detail=f"{self._name} exited with code {exit_code}{said}", summary=summary)


def _structured(text: str) -> TranscriptEvent | None:
    """The event a JSON line states; None if it is not one of ours."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("type"), str) or content["type"] not in _KINDS:
        return None
    return TranscriptEvent(
        kind=_KINDS[content["type"]],
        text=_text(content.get("text", ""), TEXT_CHARS),
        tool=_text(content.get("tool", ""), 200),
        is_error=content.get("is_error", False) is not False,
        tokens_in=_tokens(content.get("tokens_in")),
        tokens_out=_tokens(content.get("tokens_out")),
        session=_text(content.get("session", ""), 200),
        call=_text(content.get("call", ""), 200),
    )


def _text(value: Any, limit: int) -> str:
    return plain(value if isinstance(value, str) else json.dumps(value), limit)


def _tokens(value: Any) -> int:
    return max(0, min(value, _MOST_TOKENS)) if type(value) is int else 0
