"""Answers of model providers, and what a meter should read of each."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from activities.egress.contract import Endpoint, UsageDialect
from tests.activities.egress.providers import Answer, anthropic_stream, event, plain, streamed

ENDPOINTS = (
    Endpoint(method="POST", path="/v1/messages", usage=UsageDialect.ANTHROPIC_MESSAGES),
    Endpoint(method="POST", path="/v1/chat/completions", usage=UsageDialect.OPENAI_CHAT),
    Endpoint(method="POST", path="/v1/responses", usage=UsageDialect.OPENAI_RESPONSES),
)
_MESSAGES, _CHAT, _RESPONSES = (endpoint.path for endpoint in ENDPOINTS)
_WORDS = "so many words that an answer was worth waiting for " * 20


@dataclass(frozen=True)
class Reading:
    """Tokens as a meter read them; input without what was cached. Zero is what was not read."""

    input: int
    output: int
    cached: int


@dataclass(frozen=True)
class Case:
    """One answer."""

    name: str
    path: str
    answer: Answer
    right: Callable[[Reading], bool]


def _exactly(input: int, output: int, cached: int) -> Callable[[Reading], bool]:
    return lambda reading: reading == Reading(input, output, cached)


def _something(reading: Reading) -> bool:
    """It was not said, so that more than nothing is all that can be asked for."""
    return reading.input > 0 and reading.output > 1


def _chat_stream(usage: bool = True) -> tuple[bytes, ...]:
    figures = {"prompt_tokens": 120, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 20}}
    choice = {"index": 0, "delta": {"content": _WORDS}}
    return (
        event({"model": "cheap", "choices": [choice], "usage": None}),
        *([event({"model": "cheap", "choices": [], "usage": figures})] if usage else []),
        b"data: [DONE]\n\n",
    )


def _responses_stream(text: str) -> tuple[bytes, ...]:
    figures = {"input_tokens": 120, "output_tokens": 50, "input_tokens_details": {"cached_tokens": 20}}
    whole = {"object": "response", "model": "cheap", "output": [{"text": text}], "usage": figures}
    return (
        event({"type": "response.output_text.delta", "delta": text}),
        event({"type": "response.completed", "response": whole}),
    )


def _in_pieces(stream: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    whole = b"".join(stream)
    return tuple(whole[start : start + size] for start in range(0, len(whole), size))


def _compressed(stream: Sequence[bytes]) -> Answer:
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    return Answer(pieces=(gzip.compress(b"".join(stream)),), headers=headers)


def cases() -> list[Case]:
    """The streams of all dialects whole and in pieces, and answers that are no stream, compressed, cut or silent."""
    anthropic = anthropic_stream(text=_WORDS)
    message = {"input_tokens": 100, "output_tokens": 50, "cache_read_input_tokens": 20}
    long_message = {"type": "message", "model": "cheap", "content": "x" * 500_000, "usage": message}
    chat = {"prompt_tokens": 120, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 20}}
    right = _exactly(100, 50, 20)
    return [
        Case("usage over several events", _MESSAGES, streamed(*anthropic), right),
        Case("usage in the last chunk", _CHAT, streamed(*_chat_stream()), right),
        Case("usage in the last event", _RESPONSES, streamed(*_responses_stream(_WORDS)), right),
        Case("a last event of a megabyte", _RESPONSES, streamed(*_responses_stream("x" * 1_000_000)), right),
        Case("events in pieces", _MESSAGES, streamed(*_in_pieces(anthropic, 7)), right),
        Case("a whole message", _MESSAGES, plain({"type": "message", "model": "cheap", "usage": message}), right),
        Case("a whole completion", _CHAT, plain({"model": "cheap", "choices": [], "usage": chat}), right),
        Case("a whole message of half a megabyte", _MESSAGES, plain(long_message), right),
        Case("a compressed stream", _MESSAGES, _compressed(anthropic), right),
        Case("a cut stream", _MESSAGES, streamed(*anthropic[:2], cut=True), _something),
        Case("a stream that says nothing of usage", _CHAT, streamed(*_chat_stream(usage=False)), _something),
    ]


def request(path: str, *, stream: bool = True) -> bytes:
    """What is asked; it offers a tool, so that the scripted model goes by its script."""
    said = [{"type": "message", "role": "user", "content": [{"type": "text", "text": "go on " * 50}]}]
    asked = {
        "model": "cheap",
        "stream": stream,
        "max_tokens": 1000,
        "tools": [{"name": "x"}],
        "input" if path == _RESPONSES else "messages": said,
    }
    return json.dumps(asked).encode()
