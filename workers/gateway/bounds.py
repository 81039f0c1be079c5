"""How much a request may bring along, counted as it comes: a chunked one does not say beforehand."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1024 * 1024
"""A goal has at most 20,000 characters; nothing else that is sent here comes near this."""


class BoundedBodies:
    """Takes in the body of each request before anything else does, up to a limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by the server for each connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken: list[Message] = []
        size, more = 0, True
        while more:
            message = await receive()
            taken.append(message)
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if size > MOST_BYTES:
                detail = "the request is larger than 1 MiB; shorten the goal or put the text into the repository"
                await JSONResponse({"detail": detail}, status_code=413)(scope, receive, send)
                return

        async def again() -> Message:
            return taken.pop(0) if taken else await receive()

        await self._app(scope, again, send)
