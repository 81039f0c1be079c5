"""The three dialects that models speak: how a request reads, and how a turn is answered, whole or as an event stream.

The streams are made from the whole answers, and test_model_server.py holds both against the vendors' published types.
"""

import json
from collections.abc import Iterator
from typing import Any, Protocol

from tests.support.model_script import Turn, tool_call

Json = dict[str, Any]
Events = Iterator[tuple[str, Json]]
DONE = "[DONE]"


class Dialect(Protocol):
    """One way of asking a model."""

    path: str

    def offered(self, request: Json) -> list[str]:
        """Names of the tools that the request offers."""
        ...

    def position(self, request: Json) -> tuple[str, int]:
        """All that people said, and how often the model has answered since they last did."""
        ...

    def answer(self, turn: Turn, request: Json, number: int) -> Json:
        """The whole answer."""
        ...

    def stream(self, answer: Json, request: Json) -> Events:
        """The same as events: name (empty for none) and content."""
        ...

    def error(self, kind: str, message: str) -> Json:
        """The body of a failure."""
        ...


class AnthropicMessages:
    """POST /v1/messages."""

    path = "/v1/messages"

    def offered(self, request: Json) -> list[str]:
        return [tool["name"] for tool in request.get("tools", [])]

    def position(self, request: Json) -> tuple[str, int]:
        said, answered = [], 0
        for message in request["messages"]:
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if message["role"] == "assistant":
                answered += 1
            elif any(block["type"] == "tool_result" for block in blocks):
                continue
            else:
                said += [block["text"] for block in blocks if block["type"] == "text"]
                answered = 0
        return "\n".join(said), answered

    def answer(self, turn: Turn, request: Json, number: int) -> Json:
        content: list[Json] = [{"type": "text", "text": turn.text}] if turn.text else []
        for index, action in enumerate(turn.actions):
            name, arguments = tool_call(action, self.offered(request))
            content.append({"type": "tool_use", "id": f"toolu_{number}_{index}", "name": name, "input": arguments})
        reason = "refusal" if turn.refuses else "tool_use" if turn.actions else "end_turn"
        return {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "model": request["model"],
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {
                "input_tokens": turn.usage.input,
                "output_tokens": turn.usage.output,
                "cache_read_input_tokens": turn.usage.cache_read,
                "cache_creation_input_tokens": 0,
            },
        }

    def stream(self, answer: Json, request: Json) -> Events:
        begin = {**answer, "content": [], "stop_reason": None, "usage": {**answer["usage"], "output_tokens": 1}}
        yield "message_start", {"type": "message_start", "message": begin}
        for index, block in enumerate(answer["content"]):
            empty: Json
            delta: Json
            if block["type"] == "text":
                empty, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
            else:
                empty = {**block, "input": {}}
                delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            yield (
                "content_block_start",
                {"type": "content_block_start", "index": index, "content_block": empty},
            )
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
            yield "content_block_stop", {"type": "content_block_stop", "index": index}
        yield (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": answer["stop_reason"], "stop_sequence": None},
                "usage": {"output_tokens": answer["usage"]["output_tokens"]},
            },
        )
        yield "message_stop", {"type": "message_stop"}

    def error(self, kind: str, message: str) -> Json:
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


class OpenAIChat:
    """POST /v1/chat/completions."""

    path = "/v1/chat/completions"

    def offered(self, request: Json) -> list[str]:
        return [tool["function"]["name"] for tool in request.get("tools", [])]

    def position(self, request: Json) -> tuple[str, int]:
        said, answered = [], 0
        for message in request["messages"]:
            if message["role"] == "assistant":
                answered += 1
            elif message["role"] == "user":
                content = message["content"]
                said += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
                answered = 0
        return "\n".join(said), answered

    def answer(self, turn: Turn, request: Json, number: int) -> Json:
        calls = []
        for index, action in enumerate(turn.actions):
            name, arguments = tool_call(action, self.offered(request))
            function = {"name": name, "arguments": json.dumps(arguments)}
            calls.append({"id": f"call_{number}_{index}", "type": "function", "function": function})
        message: Json = {"role": "assistant", "content": turn.text or None, "refusal": None}
        if turn.refuses:
            message |= {"content": None, "refusal": turn.text}
        if calls:
            message["tool_calls"] = calls
        reason = "content_filter" if turn.refuses else "tool_calls" if calls else "stop"
        return {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
            "usage": {
                "prompt_tokens": turn.usage.input + turn.usage.cache_read,
                "completion_tokens": turn.usage.output,
                "total_tokens": turn.usage.input + turn.usage.cache_read + turn.usage.output,
                "prompt_tokens_details": {"cached_tokens": turn.usage.cache_read},
            },
        }

    def stream(self, answer: Json, request: Json) -> Events:
        choice = answer["choices"][0]
        head = {**answer, "object": "chat.completion.chunk", "usage": None}

        def chunk(delta: Json, reason: str | None = None) -> tuple[str, Json]:
            return "", {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]}

        yield chunk({"role": "assistant", "content": ""})
        for key in ("content", "refusal"):
            if choice["message"][key]:
                yield chunk({key: choice["message"][key]})
        for index, call in enumerate(choice["message"].get("tool_calls", [])):
            yield chunk({"tool_calls": [{**call, "index": index}]})
        yield chunk({}, choice["finish_reason"])
        if request.get("stream_options", {}).get("include_usage"):
            yield "", {**head, "choices": [], "usage": answer["usage"]}
        yield "", {DONE: True}

    def error(self, kind: str, message: str) -> Json:
        return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


class OpenAIResponses:
    """POST /v1/responses."""

    path = "/v1/responses"

    def offered(self, request: Json) -> list[str]:
        return [tool.get("name", tool["type"]) for tool in request.get("tools", [])]

    def position(self, request: Json) -> tuple[str, int]:
        said, answered, fresh = [], 0, True
        for item in request["input"]:
            kind, role = item.get("type", "message"), item.get("role")
            if kind == "message" and role == "user":
                said += [part.get("text", "") for part in item["content"]]
                answered, fresh = 0, True
            elif (kind == "message" and role == "assistant") or kind == "function_call":
                # A message and the calls after it came in one answer.
                answered += fresh
                fresh = False
            elif kind == "function_call_output":
                fresh = True
        return "\n".join(said), answered

    def answer(self, turn: Turn, request: Json, number: int) -> Json:
        output: list[Json] = []
        if turn.text:
            part: Json = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
            if turn.refuses:
                part = {"type": "refusal", "refusal": turn.text}
            message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed"}
            output.append({**message, "content": [part]})
        for index, action in enumerate(turn.actions):
            name, arguments = tool_call(action, self.offered(request))
            call = {"type": "function_call", "id": f"fc_{number}_{index}", "call_id": f"call_{number}_{index}"}
            output.append({**call, "status": "completed", "name": name, "arguments": json.dumps(arguments)})
        whole = turn.usage.input + turn.usage.cache_read
        return {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": 1_700_000_000,
            "model": request["model"],
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "output": output,
            "parallel_tool_calls": False,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": {
                "input_tokens": whole,
                "input_tokens_details": {"cached_tokens": turn.usage.cache_read, "cache_write_tokens": 0},
                "output_tokens": turn.usage.output,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": whole + turn.usage.output,
            },
        }

    def stream(self, answer: Json, request: Json) -> Events:
        for number, (kind, content) in enumerate(self._events(answer)):
            yield kind, {"type": kind, "sequence_number": number, **content}

    def _events(self, answer: Json) -> Events:
        yield "response.created", {"response": {**answer, "status": "in_progress", "output": [], "usage": None}}
        for index, item in enumerate(answer["output"]):
            began: Json = {**item, "status": "in_progress"}
            empty: Json = {"content": []} if item["type"] == "message" else {"arguments": ""}
            yield "response.output_item.added", {"output_index": index, "item": {**began, **empty}}
            for part in item.get("content", []):
                place = {"item_id": item["id"], "output_index": index, "content_index": 0}
                key = "text" if part["type"] == "output_text" else "refusal"
                yield "response.content_part.added", {**place, "part": {**part, key: ""}}
                if part["type"] == "output_text":
                    yield "response.output_text.delta", {**place, "delta": part["text"], "logprobs": []}
                else:
                    yield "response.refusal.delta", {**place, "delta": part["refusal"]}
                yield "response.content_part.done", {**place, "part": part}
            if item["type"] == "function_call":
                place = {"item_id": item["id"], "output_index": index}
                yield "response.function_call_arguments.delta", {**place, "delta": item["arguments"]}
                told = {"name": item["name"], "arguments": item["arguments"]}
                yield "response.function_call_arguments.done", {**place, **told}
            yield "response.output_item.done", {"output_index": index, "item": item}
        yield "response.completed", {"response": answer}

    def error(self, kind: str, message: str) -> Json:
        return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


DIALECTS: dict[str, Dialect] = {each.path: each for each in (AnthropicMessages(), OpenAIChat(), OpenAIResponses())}
