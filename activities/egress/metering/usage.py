"""What an answer of a model provider says that the request used, in each of the dialects.

Everything here came over the network. A figure counts if it is a whole number that a request could have used; all
else is as good as not stated. A later figure of the same answer counts if it is the greater one: providers state
running totals, and nothing that an answer says can take back what it said before.
"""

from collections.abc import Callable
from dataclasses import dataclass

from activities.egress.contract import UsageDialect

MOST_TOKENS = 1_000_000_000
"""Far above any context window, far below what would make sums of money senseless."""
_LONGEST_MODEL = 120
_DEEPEST = 8


@dataclass
class Usage:
    """The figures of one answer as far as it has been read; None where it has not said."""

    model: str = ""
    input: int | None = None
    """Without what was read from or written to a cache."""
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    """For minutes and for an hour together."""
    cache_write_hour: int | None = None
    """Of those, the ones kept for an hour."""
    last_word: bool = False
    """Whether the answer has said what it used in all."""
    text_bytes: int = 0
    """Bytes of generated text seen in the deltas of a stream, from which output is estimated if nothing states it."""

    def name(self, model: object) -> None:
        """Note which model answers, as printable ASCII of bounded length."""
        if isinstance(model, str) and model:
            self.model = "".join(c if " " < c <= "~" else "?" for c in model[:_LONGEST_MODEL])

    def raise_to(self, figure: str, value: object) -> None:
        """Note a figure if it is one and more than before."""
        count = whole(value)
        if count is not None:
            setattr(self, figure, max(count, getattr(self, figure) or 0))


def whole(value: object) -> int | None:
    """A number of tokens, or None for what can't be one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
        return value
    return None


def read_message(dialect: UsageDialect, message: object, usage: Usage) -> None:
    """Take over what one event of a stream, or a whole answer, states. Never raises, whatever the message is."""
    if isinstance(message, dict):
        _READERS[dialect](message, usage)


def _anthropic_messages(message: dict[str, object], usage: Usage) -> None:
    """A start with input, deltas with running output: docs.anthropic.com/en/docs/build-with-claude/streaming."""
    kind = message.get("type")
    if kind == "message_start":
        inner = _table(message.get("message"))
        usage.name(inner.get("model"))
        _anthropic_figures(_table(inner.get("usage")), usage)
    elif kind == "message_delta":
        stated = _table(message.get("usage"))
        _anthropic_figures(stated, usage)
        usage.last_word |= whole(stated.get("output_tokens")) is not None
    elif kind == "content_block_delta":
        usage.text_bytes += _text_in(message.get("delta"))
    elif kind == "message":
        stated = _table(message.get("usage"))
        usage.name(message.get("model"))
        _anthropic_figures(stated, usage)
        usage.last_word |= whole(stated.get("output_tokens")) is not None


def _anthropic_figures(stated: dict[str, object], usage: Usage) -> None:
    usage.raise_to("input", stated.get("input_tokens"))
    usage.raise_to("output", stated.get("output_tokens"))
    usage.raise_to("cache_read", stated.get("cache_read_input_tokens"))
    usage.raise_to("cache_write", stated.get("cache_creation_input_tokens"))
    usage.raise_to("cache_write_hour", _table(stated.get("cache_creation")).get("ephemeral_1h_input_tokens"))


def _openai_chat(message: dict[str, object], usage: Usage) -> None:
    """A chunk of a stream or the one answer; a stream has usage in its last chunk, if the client asked for it."""
    usage.name(message.get("model"))
    choices = message.get("choices")
    if isinstance(choices, list):
        usage.text_bytes += sum(_text_in(_table(choice).get("delta")) for choice in choices)
    stated = _table(message.get("usage"))
    details = _table(stated.get("prompt_tokens_details"))
    _openai_figures(stated.get("prompt_tokens"), details, stated.get("completion_tokens"), usage)


def _openai_responses(message: dict[str, object], usage: Usage) -> None:
    """Typed events that carry the response as it then is, or the response itself."""
    kind = message.get("type")
    if isinstance(kind, str) and kind.endswith(".delta"):
        usage.text_bytes += _text_in(message.get("delta"))
    response = _table(message.get("response")) or (message if message.get("object") == "response" else {})
    usage.name(response.get("model"))
    stated = _table(response.get("usage"))
    details = _table(stated.get("input_tokens_details"))
    _openai_figures(stated.get("input_tokens"), details, stated.get("output_tokens"), usage)


def _openai_figures(prompt: object, details: dict[str, object], completion: object, usage: Usage) -> None:
    """OpenAI's input includes what was cached; here it does not."""
    read, written = whole(details.get("cached_tokens")) or 0, whole(details.get("cache_write_tokens")) or 0
    whole_prompt = whole(prompt)
    if whole_prompt is not None:
        read = min(read, whole_prompt)
        written = min(written, whole_prompt - read)
        usage.raise_to("cache_read", read)
        usage.raise_to("cache_write", written)
        usage.raise_to("input", whole_prompt - read - written)
    usage.raise_to("output", completion)
    usage.last_word |= whole_prompt is not None and whole(completion) is not None


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text_in(value: object, depth: int = 0) -> int:
    """Bytes of all text in a delta, wherever a provider puts it: words, thoughts, arguments of tools."""
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    if depth < _DEEPEST and isinstance(value, dict):
        return sum(_text_in(part, depth + 1) for name, part in value.items() if name not in ("type", "signature"))
    if depth < _DEEPEST and isinstance(value, list):
        return sum(_text_in(part, depth + 1) for part in value)
    return 0


_READERS: dict[UsageDialect, Callable[[dict[str, object], Usage], None]] = {
    UsageDialect.ANTHROPIC_MESSAGES: _anthropic_messages,
    UsageDialect.OPENAI_CHAT: _openai_chat,
    UsageDialect.OPENAI_RESPONSES: _openai_responses,
}
