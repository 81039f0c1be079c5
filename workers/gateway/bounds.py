"""How much a request may bring along, counted as it comes: a chunked one does not say beforehand."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1024 * 1024
"""A goal has at most 20,000 characters; nothing else that is sent here comes near this."""


class BoundedBodies:
    """Takes in the body of each request before anything else does, up to a limit."""

    def __init__(
        self,
        app: ASGIApp,
        most_bytes: int = MOST_BYTES,
        advice: str = "shorten the goal or put the text into the repository",
    ) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._advice = advice

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
            if size > self._most_bytes:
                detail = f"the request is larger than {self._most_bytes // 1024**2} MiB; {self._advice}"
                await JSONResponse({"detail": detail}, status_code=413)(scope, receive, send)
                return

        async def again() -> Message:
            return taken.pop(0) if taken else await receive()

        await self._app(scope, again, send)
