"""What Envoy asks the meter: may this request begin (ext_authz), and look at what passes (ext_proc).

Two questions, since only the first may wait for days: ext_proc gives up after an hour at most, and a short limit on it
means that a meter that hangs is noticed.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from activities.egress.metering import tunnels
from activities.egress.metering.body import REFUSED_DETAILS
from activities.egress.metering.sandbox import Request, Sandbox, TooManyRequests, UnknownRequest
from activities.egress.metering.wire import CheckRequest, CheckResponse, ProcessingRequest, ProcessingResponse

NAMESPACE = "envoy.filters.http.ext_authz"
"""Envoy's metadata of an answer to the first question, from which the second one and the access log learn its id."""
REQUEST_ID = "request"
_TAKE_SECONDS = 30.0
"""A request that was let through and is not seen after this never left: its client went away."""
_SAME = {
    name: ProcessingResponse(**{name: {}}).SerializeToString()
    for name in ("request_headers", "request_body", "response_headers", "response_body")
}
"""Pass on what was shown, unchanged."""
_SHOW_BODY = ProcessingResponse(
    request_headers={},
    mode_override={
        "request_header_mode": 1,
        "response_header_mode": 1,
        "request_body_mode": 1,
        "response_body_mode": 1,
    },
).SerializeToString()
"""Pass on, and show the request's body: its head does not tell its size. Envoy itself holds a body to a stated size."""


class Meter:
    """Holds requests to their sandbox's allowance and counts what they use."""

    def __init__(self, policies: Path, usage: Path) -> None:
        self._policies = policies
        self._usage = usage
        self._sandboxes: dict[str, Sandbox] = {}
        self._admitted: dict[str, tuple[Request, asyncio.TimerHandle]] = {}

    def server(self, socket: Path) -> grpc.aio.Server:
        """A server of both protocols, not yet started."""
        handlers = {
            "envoy.service.auth.v3.Authorization": {
                "Check": grpc.unary_unary_rpc_method_handler(
                    self.check, CheckRequest.FromString, CheckResponse.SerializeToString
                )
            },
            "envoy.service.ext_proc.v3.ExternalProcessor": {
                "Process": grpc.stream_stream_rpc_method_handler(self.process, ProcessingRequest.FromString, bytes)
            },
        }
        # What Envoy shows at once is bounded by its own buffers; a request that waits must not be taken for dead.
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(name, methods) for name, methods in handlers.items())
        )
        server.add_insecure_port(f"unix:{socket}")
        return server

    async def check(self, asked: Any, context: Any) -> Any:
        """Let a request begin, once its sandbox's bounds have room. Waits for as long as Envoy's client does."""
        told = asked.attributes.context_extensions
        try:
            sandbox = self._sandbox(told["sandbox"])
            request = await sandbox.admit(told["host"], told["method"], told["path"], told["rule"])
        except TooManyRequests as refused:
            return CheckResponse(
                status={"code": grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]},
                denied_response={
                    "status": {"code": 429},
                    "headers": [{"header": {"key": "retry-after", "value": "5"}}],
                    "body": f"Journeyman refused this request. {refused}\n",
                },
            )
        except UnknownRequest as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            raise
        forget = asyncio.get_running_loop().call_later(_TAKE_SECONDS, self._never_left, request.entry.id)
        self._admitted[request.entry.id] = (request, forget)
        answer = CheckResponse(ok_response={})
        answer.dynamic_metadata[REQUEST_ID] = request.entry.id
        return answer

    async def process(self, shown: AsyncIterator[Any], context: Any) -> AsyncIterator[bytes]:
        """Count one request and its answer as they pass. A request that was not let through is not passed on.

        A tunnel is only looked at, at its beginning.
        """
        if (tunnels.LOOK, tunnels.TUNNEL) in context.invocation_metadata():
            async for answer in tunnels.look(shown):
                yield answer
            return
        request: Request | None = None
        sent_nothing = False
        try:
            async for message in shown:
                if request is None and (sent_nothing or message.HasField("response_headers")):
                    # An answer before any request: Envoy's own to one that it or this meter refused.
                    sent_nothing = True
                    yield _SAME[_kind(message)]
                    continue
                if request is None:
                    request = self._take(message)
                if request is None:
                    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "this request was not let through")
                    return
                # Noted before it is passed on: whoever has seen the end of an answer finds it counted.
                yield _note(request, message)
                if request.ended:
                    return
        finally:
            if request is not None and not request.ended:
                # Cut, by whichever side.
                request.finish(cut=True)

    def close(self) -> None:
        """Let go of the files."""
        for sandbox in self._sandboxes.values():
            sandbox.close()

    def _take(self, first: Any) -> Request | None:
        metadata = first.metadata_context.filter_metadata
        if NAMESPACE not in metadata or REQUEST_ID not in metadata[NAMESPACE]:
            return None
        found = self._admitted.pop(str(metadata[NAMESPACE][REQUEST_ID]), None)
        if found is None:
            return None
        request, forget = found
        forget.cancel()
        return request

    def _never_left(self, request_id: str) -> None:
        request, _ = self._admitted.pop(request_id)
        request.abandon()

    def _sandbox(self, key: str) -> Sandbox:
        if not key.isalnum():
            raise UnknownRequest(f"no sandbox is called {key!r}")
        if key not in self._sandboxes:
            for gone in [old for old in self._sandboxes if not (self._policies / f"{old}.json").exists()]:
                self._sandboxes.pop(gone).close()
            self._sandboxes[key] = Sandbox(self._policies / f"{key}.json", self._usage)
        return self._sandboxes[key]


def _note(request: Request, message: Any) -> bytes:
    """Count what a message shows, and return the answer to it."""
    kind = _kind(message)
    answer: bytes = _SAME[kind]
    if kind == "request_headers":
        head = _head(message.request_headers)
        stated = head.get("content-length", b"")
        request.body.whole = message.request_headers.end_of_stream
        if stated.isdigit():
            request.sent = int(stated)
        if request.endpoint.usage and head.get("content-encoding", b"identity") != b"identity":
            return _refuse(request, "its body is compressed, so that what it asks for can't be told")
        if not request.endpoint.usage and not stated and not request.body.whole:
            answer = _SHOW_BODY
    elif kind == "request_body":
        before = request.body.most_tokens
        request.body.feed(message.request_body.body)
        request.body.whole = message.request_body.end_of_stream
        if refusal := request.body.refusal(request.endpoint.usage):
            return _refuse(request, refusal)
        if request.body.most_tokens < before or request.body.whole:
            request.changed()
    elif kind == "response_headers":
        head = _head(message.response_headers)
        # Whatever it was, somebody answers it.
        request.body.whole = True
        status = head.get(":status", b"")
        request.reader.begin(
            int(status) if status.isdigit() else 0,
            head.get("content-type", b"").decode("latin-1"),
            head.get("content-encoding", b"").decode("latin-1"),
        )
    elif kind == "response_body":
        request.reader.feed(message.response_body.body)
    last = (kind == "response_body" and message.response_body.end_of_stream) or (
        kind == "response_headers" and message.response_headers.end_of_stream
    )
    if last:
        request.finish()
    else:
        request.note()
    return answer


def _kind(message: Any) -> str:
    return next(name for name in _SAME if message.HasField(name))


def _refuse(request: Request, why: str) -> bytes:
    """Answer in the provider's place; it does not begin before it has the whole of a request."""
    request.abandon()
    answer: bytes = ProcessingResponse(
        immediate_response={
            "status": {"code": 400},
            "body": f"Journeyman refused this request: {why}.\n".encode(),
            "details": REFUSED_DETAILS,
        }
    ).SerializeToString()
    return answer


def _head(shown: Any) -> dict[str, bytes]:
    return {header.key: header.raw_value or header.value.encode() for header in shown.headers.headers}
