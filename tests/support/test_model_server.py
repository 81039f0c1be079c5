"""The scripted model answers in the shapes that the vendors publish; else passing tests would prove nothing."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.support.model_script import Call, Script, Trouble, Turn, Usage
from tests.support.model_server import ModelServer, model_server

TURNS = [
    Turn("I look", (Call("look", {"where": "here"}), Call("look", {"where": "there"})), Usage(120, 7, 30)),
    Turn("All is well."),
]


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server(Script(TURNS)) as server:
        yield server


def claude(model: ModelServer) -> anthropic.Anthropic:
    # Strict: an answer that is not of the published type raises instead of passing through.
    return anthropic.Anthropic(
        base_url=model.url, api_key="placeholder", max_retries=0, _strict_response_validation=True
    )


def gpt(model: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{model.url}/v1", api_key="placeholder", max_retries=0, _strict_response_validation=True
    )


ASK_CLAUDE: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "look around"}],
    "tools": [{"name": "look", "input_schema": {"type": "object"}}],
}
ASK_CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "look around"}],
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
}
ASK_RESPONSES: dict[str, Any] = {
    "model": "m",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "look around"}]}],
    "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}],
}


def test_anthropic_s_client_reads_whole_and_streamed_answers_alike(model: ModelServer) -> None:
    whole = claude(model).messages.create(**ASK_CLAUDE)
    with claude(model).messages.stream(**ASK_CLAUDE) as stream:
        streamed = stream.get_final_message()
    for message in (whole, streamed):
        assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
        assert message.content[1].model_dump()["input"] == {"where": "here"}
        assert message.stop_reason == "tool_use"
        assert (message.usage.input_tokens, message.usage.output_tokens) == (120, 7)
        assert message.usage.cache_read_input_tokens == 30


def test_openai_s_client_reads_whole_and_streamed_chat_completions_alike(model: ModelServer) -> None:
    whole = gpt(model).chat.completions.create(**ASK_CHAT)
    with gpt(model).chat.completions.stream(**ASK_CHAT, stream_options={"include_usage": True}) as stream:
        streamed = stream.get_final_completion()
    for completion in (whole, streamed):
        message = completion.choices[0].message
        assert message.content == "I look"
        calls = message.model_dump()["tool_calls"]
        assert [call["function"]["arguments"] for call in calls] == ['{"where": "here"}', '{"where": "there"}']
        assert completion.choices[0].finish_reason == "tool_calls"
        assert completion.usage is not None
        assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (150, 7)


def test_openai_s_client_reads_whole_and_streamed_responses_alike(model: ModelServer) -> None:
    whole = gpt(model).responses.create(**ASK_RESPONSES)
    with gpt(model).responses.stream(**ASK_RESPONSES) as stream:
        streamed = stream.get_final_response()
    for response in (whole, streamed):
        assert [item.type for item in response.output] == ["message", "function_call", "function_call"]
        assert response.output_text == "I look"
        assert response.usage is not None
        assert (response.usage.input_tokens, response.usage.output_tokens) == (150, 7)
        assert response.usage.input_tokens_details.cached_tokens == 30


def test_a_refusal_is_one_in_each_dialect(model: ModelServer) -> None:
    model.script = Script([Turn("I won't.", refuses=True)])
    assert claude(model).messages.create(**ASK_CLAUDE).stop_reason == "refusal"
    assert gpt(model).chat.completions.create(**ASK_CHAT).choices[0].message.refusal == "I won't."
    (item,) = gpt(model).responses.create(**ASK_RESPONSES).model_dump()["output"]
    assert [(part["type"], part["refusal"]) for part in item["content"]] == [("refusal", "I won't.")]


def test_failures_are_the_ones_that_clients_know(model: ModelServer) -> None:
    model.script = Script(TURNS, troubles=[Trouble.RATE_LIMITED] * 2 + [Trouble.OVERLOADED] * 2)
    with pytest.raises(anthropic.RateLimitError) as limited:
        claude(model).messages.create(**ASK_CLAUDE)
    assert limited.value.response.headers["retry-after"] == "1"
    with pytest.raises(openai.RateLimitError):
        gpt(model).responses.create(**ASK_RESPONSES)
    with pytest.raises(anthropic.APIStatusError, match="529"):
        claude(model).messages.create(**ASK_CLAUDE)
    with pytest.raises(openai.InternalServerError):
        gpt(model).chat.completions.create(**ASK_CHAT)


def test_a_conversation_goes_on_where_it_was_and_begins_anew_with_feedback(model: ModelServer) -> None:
    model.script = Script(TURNS, after_feedback=[Turn("Better now.")])
    asked = {**ASK_CLAUDE, "messages": [*ASK_CLAUDE["messages"]]}
    first = claude(model).messages.create(**asked)
    result = {"type": "tool_result", "tool_use_id": "toolu_1_0", "content": "nothing"}
    asked["messages"] += [
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    assert claude(model).messages.create(**asked).content[0].model_dump()["text"] == "All is well."
    asked["messages"] = [{"role": "user", "content": "the work was not accepted: one test fails"}]
    assert claude(model).messages.create(**asked).content[0].model_dump()["text"] == "Better now."


def test_what_was_asked_is_on_record_with_its_key(model: ModelServer) -> None:
    claude(model).messages.create(**ASK_CLAUDE)
    (asked,) = model.work()
    assert (asked.method, asked.path) == ("POST", "/v1/messages")
    assert "placeholder" in str(asked.headers), asked.headers


def test_a_stream_that_is_cut_is_cut_for_the_client_too(model: ModelServer) -> None:
    model.script = Script(TURNS, always=Trouble.RESET)
    with (
        pytest.raises(Exception, match=r"(?i)peer closed|reset|incomplete|connection"),
        claude(model).messages.stream(**ASK_CLAUDE) as stream,
    ):
        stream.get_final_message()
