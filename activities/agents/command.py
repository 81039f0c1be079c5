"""The `command` adapter: any program that reads its task from a file and works in the current directory.

The program finds the prompt at $JOURNEYMAN_PROMPT and, if the agent names a provider, a model at $JOURNEYMAN_MODEL_URL
(without the version that paths begin with). On standard output it may write JSON lines, one event each:

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

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from activities.agents.adapter import PROMPT, SESSION, Hang, Launch, Session, Toolchain, Verdict, hangs_of
from activities.agents.json_lines import TEXT_CHARS, as_message, content_of, name, text, tokens
from activities.agents.model_provider import Provider
from activities.agents.verdict import SUMMARY_CHARS, summary_of, unfinished
from activities.egress.contract import BrokeredService, UsageDialect
from activities.policy.agent_tables import AgentEntry
from activities.sandbox.contract import INPUT, Mount
from workflows.models.policy import PolicyRefusal
from workflows.models.run import HangKind, RunEnd
from workflows.models.transcript import EventKind, TranscriptEvent

__all__ = ["SUMMARY_CHARS", "TEXT_CHARS", "CommandAdapter"]
_KINDS = {kind.value: kind for kind in EventKind}


class CommandAdapter:
    """Implements adapter.AgentAdapter for any program."""

    # Nothing is known of it: it may be silent for as long as it may run.
    HANGS: ClassVar[Mapping[HangKind, float]] = {
        HangKind.NO_EXIT: 60,
        HangKind.OUTPUT_FLOOD: 30,
        HangKind.RETRY_LOOP: 300,
    }

    def __init__(self, name: str, entry: AgentEntry, provider: Provider | None = None) -> None:
        """Raises PolicyRefusal if the entry names no command."""
        if not entry.command:
            raise PolicyRefusal(f"journeyman.toml: [agents.{name}] needs `command`, the program that is the agent")
        self._name = name
        self._entry = entry
        self._provider = provider

    @property
    def name(self) -> str:
        return self._name

    @property
    def model(self) -> str:
        return self._entry.model

    @property
    def credential(self) -> Literal["broker", "inside"]:
        return self._entry.credential

    @property
    def toolchain(self) -> Toolchain | None:
        return None

    @property
    def services(self) -> tuple[BrokeredService, ...]:
        dialect = self._entry.dialect or UsageDialect.OPENAI_CHAT
        return (self._provider.service(dialect),) if self._provider else ()

    @property
    def hangs(self) -> tuple[Hang, ...]:
        return hangs_of(self.HANGS, self._entry.hangs.stated())

    def launch(self, prompt_dir: Path, session: Session | None = None) -> Launch:
        mounts = [Mount(source=prompt_dir, target=INPUT)]
        environment = {**self._entry.environment, "JOURNEYMAN_PROMPT": PROMPT}
        if self._provider:
            environment["JOURNEYMAN_MODEL_URL"] = self._provider.url
        if self._entry.model:
            environment["JOURNEYMAN_MODEL"] = self._entry.model
        if session:
            mounts.append(Mount(source=session.directory, target=SESSION, writable=True))
            environment |= {"JOURNEYMAN_SESSION_DIR": SESSION, "JOURNEYMAN_SESSION": session.resume}
        mounts += [Mount(source=mount.source, target=mount.target) for mount in self._entry.mounts]
        return Launch(
            command=(*self._entry.command, *self._entry.arguments), environment=environment, mounts=tuple(mounts)
        )

    def read_events(self, line: bytes) -> list[TranscriptEvent]:
        content = content_of(line)
        event = _structured(content) if content is not None else None
        return [event] if event else as_message(line)

    def judge(self, events: Sequence[TranscriptEvent], exit_code: int | None, end: RunEnd) -> Verdict:
        if verdict := unfinished(self._name, events, end):
            return verdict
        summary = summary_of(events)
        result = next((event for event in reversed(events) if event.kind is EventKind.RESULT), None)
        error = next((event for event in reversed(events) if event.kind is EventKind.ERROR), None)
        if result is not None:
            odd = f"{self._name} reported success, then exited with code {exit_code}" if exit_code else ""
            detail = f"{self._name} reported a failure" if result.is_error else odd
            return Verdict(succeeded=not result.is_error, detail=detail, summary=summary)
        if exit_code == 0:
            return Verdict(succeeded=True, summary=summary)
        said = f": {error.text[:500]}" if error else ""
        return Verdict(succeeded=False, detail=f"{self._name} exited with code {exit_code}{said}", summary=summary)


def _structured(content: dict[str, Any]) -> TranscriptEvent | None:
    """The event that an object states; None if it is not one of ours."""
    kind = content.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        return None
    return TranscriptEvent(
        kind=_KINDS[kind],
        text=text(content.get("text", "")),
        tool=name(content.get("tool", "")),
        is_error=content.get("is_error", False) is not False,
        tokens_in=tokens(content.get("tokens_in")),
        tokens_out=tokens(content.get("tokens_out")),
        session=name(content.get("session", "")),
        call=name(content.get("call", "")),
    )
