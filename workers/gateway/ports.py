"""Which application answers at an open address: each system that tells something has one of its own."""

from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def by_path(apps: Mapping[str, ASGIApp]) -> ASGIApp:
    """One application of several, each for the paths that begin so, such as `/webhooks/github`."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        for prefix, app in apps.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                await app(scope, receive, send)
                return
        if scope["type"] == "http":
            await JSONResponse({"detail": "nothing is told here"}, status_code=404)(scope, receive, send)

    return answer
