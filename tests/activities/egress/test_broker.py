"""A sandbox uses a provider with a key that it never has, for the requests that its adapter declares and no others."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from activities.egress.gateway import EnvoyGateway
from activities.policy.documents import KeySource
from tests.activities.egress.conftest import make_directory
from tests.activities.egress.providers import (
    HOST, MESSAGES, Provider, anthropic_stream, brokered, post, provider, service, streamed,
)

KEY = "sk-real-0123456789"


async def test_the_provider_sees_the_real_key_and_the_sandbox_never_has_it(directory: Path, resolver: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    gateway = EnvoyGateway(directory, resolvers=[resolver], credentials={"anthropic": KeySource(file=key)})
    try:
        with provider() as upstream:
            upstream.answer = streamed(*anthropic_stream())
            rules = brokered(service(f"http://api.example.test:{upstream.port}/base/"))
            sockets = await gateway.open("s", rules, None)
            answer = await asyncio.to_thread(post, sockets)
            print(answer)
            print(upstream.asked)
            print(await gateway.metered("s"))
            print((await asyncio.to_thread(post, sockets, b"", "/v1/other")))
            for r in await gateway.close("s"):
                print(r)
    finally:
        await gateway.stop()
        print((directory/"meter.log").read_text()[-3000:])
        print((directory/"envoy.log").read_text()[-3000:])
    assert 0
