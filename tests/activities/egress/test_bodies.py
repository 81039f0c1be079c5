"""What a request asks for is read in passing, so that nothing is used that is not counted."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activities.egress.contract import UsageDialect
from activities.egress.gateway import EnvoyGateway
from activities.egress.metering.body import ASSUMED_TOKENS, BodyReader
from tests.activities.egress.conftest import make_directory
from tests.activities.egress.providers import Provider, brokered, plain, post, provider, service

RESPONSES = UsageDialect.OPENAI_RESPONSES
LONG = {"messages": [{"content": 'a "quoted" \\ {word: [1]}, ' * 50, "max_tokens": 5, "n": 9}], "tools": [[], {}]}


def read(body: bytes, step: int = 1 << 20) -> BodyReader:
    reader = BodyReader()
    for start in range(0, len(body), step):
        reader.feed(body[start : start + step])
    return reader


@pytest.mark.parametrize("step", [1, 2, 7, 64, 1 << 20])
@pytest.mark.parametrize(
    ("body", "model", "most"),
    [
        (json.dumps({"model": "m", **LONG, "max_tokens": 77}), "m", 77),
        (json.dumps({"model": "m\u00e9", **LONG, "max_output_tokens": 77}), "m\u00e9", 77),
        (json.dumps({**LONG, "n": 3, "max_completion_tokens": 10, "max_tokens": 5}, indent=8), "", 30),
        ('{"max\\u005ftokens": 1e3, "max_tokens": 2}', "", 1000),
        ('{"max_tokens":' + " " * 1000 + '"4000"}', "", 4000),
        ('{"max_tokens": null, "n": null}', "", ASSUMED_TOKENS),
        ('{"a": {"max_tokens": 1}, "b": "max_tokens"}', "", ASSUMED_TOKENS),
        ("", "", ASSUMED_TOKENS),
        # What no provider takes can't hold back other requests for long.
        ('{"max_tokens": 1e300, "n": 1e300}', "", 131_072 * 128),
        # What can't be read may be anything.
        ("x" * 3000, "", 131_072),
        ('{"a": 1' + ', "max_tokens": 1' * 20 + "}", "", 131_072),
        ('{"max_tokens": 1, "a": ' + "[" * 300_000, "", 131_072),
    ],
)
def test_what_an_answer_may_come_to_is_found_wherever_it_stands(body: str, model: str, most: int, step: int) -> None:
    reader = read(body.encode(), step)
    assert (reader.model, reader.most_tokens, reader.size) == (model, most, len(body.encode()))


@pytest.fixture(scope="module")
async def responses(resolver: str) -> AsyncIterator[tuple[Path, Provider]]:
    directory = make_directory()
    with provider() as upstream:
        upstream.answer = plain({"object": "response", "usage": {"input_tokens": 1, "output_tokens": 1}})
        gateway = EnvoyGateway(directory, resolvers=[resolver], credentials={"anthropic": None})
        rules = brokered(service(f"http://api.example.test:{upstream.port}", RESPONSES))
        yield await gateway.open("s", rules, None), upstream
        assert {record.rule for record in await gateway.close("s") if not record.allowed} == {"can't be counted"}
        await gateway.stop()


@pytest.mark.parametrize(
    ("body", "extra", "words"),
    [
        (b'{"background": true}', "", b"`background`"),
        (json.dumps({"input": "x" * 300_000, "background": True}).encode(), "", b"`background`"),
        (b'{"back\\u0067round": true}', "", b"`background`"),
        (b'{"background":' + b" " * 1000 + b"true}", "", b"`background`"),
        (b'{"background": "true"}', "", b"`background`"),
        (b'{"background": false, "background": true}', "", b"`background`"),
        ('{"background": true}'.encode("utf-16"), "", b"not JSON in UTF-8"),
        ('{"background": true}'.encode("utf-16-le"), "", b"not JSON in UTF-8"),
        (b'{"background": true}', "Content-Encoding: gzip\r\n", b"compressed"),
    ],
)
async def test_an_answer_that_would_not_be_counted_is_refused_in_words_before_the_provider_has_it_whole(
    responses: tuple[Path, Provider], body: bytes, extra: str, words: bytes
) -> None:
    sockets, upstream = responses
    before = len(upstream.asked)
    answer = await asyncio.to_thread(post, sockets, body, extra=extra)
    assert answer.startswith(b"HTTP/1.1 400") and b"Journeyman refused" in answer and words in answer
    # Of a long one some may have gone on; no provider begins before it has the whole.
    usual = json.dumps({"background": False, "store": True, "input": [{"background": True}]}).encode()
    assert (await asyncio.to_thread(post, sockets, usual)).startswith(b"HTTP/1.1 200")
    asked = [each.body for each in upstream.asked[before:]]
    assert body not in asked and asked[-1] == usual
