"""Looks at how each tunnel begins: it has to be TLS that is meant for the very name that was allowed.

Where many names share an address, as at every large provider of content, the name in TLS decides who answers; the one
in CONNECT is only what the gateway dials. A tunnel that shows the right name is not looked at any further.
"""

from collections.abc import AsyncIterator
from typing import Any

from activities.egress.metering.hello import ClientHello, NoHello
from activities.egress.metering.wire import ProcessingResponse

LOOK, TUNNEL = "x-journeyman-look", "tunnel"
"""What Envoy's configuration says at the beginning of each stream that is about a tunnel."""
OTHER_NAME_DETAILS = "tunnel_for_another_name"
"""How the details of Envoy's record begin for a tunnel that was cut here."""
_GO_ON = ProcessingResponse(request_headers={}).SerializeToString()
_HOLD_BACK = ProcessingResponse(request_body={"response": {"body_mutation": {"clear_body": True}}}).SerializeToString()
_CUT = ProcessingResponse(
    immediate_response={"status": {"code": 403}, "details": OTHER_NAME_DETAILS}
).SerializeToString()
"""The sandbox has had its 200, so that all it sees is an end; what it was is in the record."""


async def look(shown: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """Hold back what comes until the name is known; then let all of it go and look no further, or cut the tunnel."""
    wanted = ""
    hello = ClientHello()
    held = bytearray()
    async for message in shown:
        if message.HasField("request_headers"):
            wanted = _host(message.request_headers)
            yield _GO_ON
            continue
        piece = message.request_body.body
        held += piece
        try:
            known = hello.feed(piece) if piece else False
        except NoHello:
            yield _CUT
            return
        if known and hello.name != wanted:
            yield _CUT
            return
        if known:
            yield _let_go(bytes(held))
            return
        yield _HOLD_BACK


def _let_go(held: bytes) -> bytes:
    answer: bytes = ProcessingResponse(request_body={"response": {"body_mutation": {"body": held}}}).SerializeToString()
    return answer


def _host(head: Any) -> str:
    """The name in CONNECT, which the routes have compared with the allowlist."""
    for header in head.headers.headers:
        if header.key == ":authority":
            authority: str = (header.raw_value or header.value.encode()).decode("latin-1")
            return authority.rpartition(":")[0].lower().removesuffix(".")
    return ""
