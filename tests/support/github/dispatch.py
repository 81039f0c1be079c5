"""From an HTTP request to the route that answers it, and back."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from tests.support.github.credentials import app_of, shown, token_of
from tests.support.github.exchanges import Exchange
from tests.support.github.faults import troubled, usual_headers
from tests.support.github.rest import (
    apps,
    checks,
    commits,
    hooks,
    issues,
    people,
    pulls,
    rate,
    refs,
    repositories,
    reviews,
)
from tests.support.github.routing import ROUTES, Call, Refused, Reply, Route, demand
from tests.support.github.stand_in import GitHub

MODULES = (apps, checks, commits, hooks, issues, people, pulls, rate, refs, repositories, reviews)
"""Of routes; importing them has entered their routes."""
_SLASHED = re.compile(r"\{(ref|branch|basehead|path)\}")
"""Parameters that hold names of branches and of files."""
_NUMBER = re.compile(r"\{(\w+_number|\w+_id)\}")
REST = "/api/v3"


def add_rest(app: FastAPI, github: GitHub) -> None:
    """Serve every route, longer paths first, for a branch's name may go on as a path does."""
    paths = [(path, route) for route in ROUTES for path in (route.template, route.also) if path]
    for path, route in sorted(paths, key=lambda pair: -pair[0].count("/")):
        path_of_route = _NUMBER.sub(r"{\1:int}", _SLASHED.sub(r"{\1:path}", path))
        app.add_route(REST + path_of_route, _endpoint(route, github), [route.method])
    app.add_route(REST + "/{rest:path}", _nowhere, ["GET", "POST", "PUT", "PATCH", "DELETE"])


def _nowhere(request: Request) -> Response:
    return _response(Refused(404, "Not Found").reply)


def _endpoint(route: Route, github: GitHub) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        sent = await request.body()

        async def act() -> Response:
            reply = await asyncio.to_thread(_answered, route, github, request, sent)
            response = _unless_known(request, _response(reply))
            github.not_modified += response.status_code == 304
            return response

        return await troubled(github.faults, github.connections, route.operation, request, act)

    return answer


def _unless_known(request: Request, response: Response) -> Response:
    """304 where the caller has what would be answered."""
    if request.method == "GET" and response.status_code == 200:
        tag = f'W/"{hashlib.sha256(bytes(response.body)).hexdigest()}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={**usual_headers(), "ETag": tag})
        response.headers["ETag"] = tag
    return response


def _answered(route: Route, github: GitHub, request: Request, sent: bytes) -> Reply:
    """One request at a time: what they do to each other is then what their order says."""
    with github.lock:
        body: Any = None
        try:
            body = json.loads(sent) if sent else None
            if isinstance(body, list) and route.bare_list:
                body = {route.bare_list: body}
            if body is not None and not isinstance(body, dict):
                raise Refused(400, "Body should be a JSON object")
            reply = _called(route, github, request, body or {})
        except ValueError:
            reply = Refused(400, "Problems parsing JSON").reply
        except Refused as refused:
            reply = refused.reply
        github.exchanges.append(
            Exchange(route.method, route.template, dict(request.query_params), body, reply.status, reply.body)
        )
        return reply


def _called(route: Route, github: GitHub, request: Request, body: dict[str, Any]) -> Reply:
    kind, secret = shown(request.headers.get("authorization"))
    by_key = kind == "bearer" and secret.count(".") == 2
    call = Call(
        github=github,
        method=route.method,
        parameters={name: str(value) for name, value in request.path_params.items()},
        query=dict(request.query_params),
        body=body,
        url=str(request.url.replace(query="")),
        app=app_of(github, secret) if by_key else None,
        token=token_of(github, secret) if kind and not by_key else None,
    )
    if route.permission == "app":
        if call.app is None:
            raise Refused(401, "A JSON web token could not be decoded")
    elif call.app is not None:
        raise Refused(403, "Resource not accessible by integration")
    elif route.permission != "any":
        demand(call, route.permission)
    return route.handler(call)


def _response(reply: Reply) -> Response:
    headers = {**usual_headers(), "X-GitHub-Media-Type": "github.v3; format=json", **reply.headers}
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    return Response(json.dumps(reply.body), reply.status, headers, "application/json; charset=utf-8")
