"""The stand-in's server: one port of this machine for the REST API and for git."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from tests.support.github import git_http, graphql
from tests.support.github.dispatch import REST, add_rest
from tests.support.github.faults import troubled
from tests.support.github.stand_in import GitHub
from tests.support.github.webhooks import carry


@contextmanager
def github_server(folder: Path) -> Iterator[GitHub]:
    """A stand-in for GitHub that keeps its repositories in a folder, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        web = f"http://127.0.0.1:{listening.getsockname()[1]}"
        github = GitHub(folder=folder, api=web + REST, web=web)
        server = uvicorn.Server(
            uvicorn.Config(
                _app(github),
                log_config=None,
                lifespan="off",
                http=github.connections.protocol,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        courier = carry(github)
        try:
            yield github
        finally:
            github.outbox.put(None)
            courier.join(30)
            server.should_exit = True
            thread.join(30)


def _app(github: GitHub) -> FastAPI:
    app = FastAPI(openapi_url=None)
    add_rest(app, github)

    async def graphql_query(request: Request) -> Response:
        sent = await request.body()

        async def act() -> Response:
            return await asyncio.to_thread(graphql.answer, github, request, sent)

        return await troubled(github.faults, github.connections, "POST /graphql", request, act)

    async def git(request: Request) -> Response:
        async def act() -> Response:
            return await git_http.git(github, request)

        service = request.query_params.get("service") or request.path_params["path"]
        if request.method == "GET":
            # What is asked for first; faults concern what is then done.
            return await act()
        await request.body()
        return await troubled(github.faults, github.connections, service, request, act)

    async def log(request: Request) -> Response:
        assert "authorization" not in request.headers, "a credential was taken along to another place"
        wanted = int(request.path_params["job"])
        found = [run.log for one in github.repositories.values() for run in one.checks if run.id == wanted]
        return Response(found[0], media_type="text/plain")

    app.add_route("/-/logs/{repository}/{job}", log, ["GET"])
    app.add_route("/api/graphql", graphql_query, ["POST"])
    app.add_route("/{owner}/{repo}/{path:path}", git, ["GET", "POST"])
    return app
