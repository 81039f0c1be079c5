"""What stands before the emulator: git over HTTP, and the few answers without which nothing of ours can go on.

Requests of the REST interface are passed on as they come, and the emulator answers them. It lacks these:
- GraphQL: refused as by a server that knows none of the fields.
- Commit statuses: there are none.
- Whose a check run is, which it does not tell: those that the App made have it, others have none.
- A pull request as the issue that it is, too.
- The right address of a branch: PyGithub deletes what it is told, and that lacks an `s`.
- Tokens whose permissions are not narrowed: it takes PyGithub's `"permissions": {}` as none at all.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response

from tests.support.emulated.objects import Objects
from tests.support.github.credentials import shown
from tests.support.github.git_backend import Sent, backend
from tests.support.plain_http import NO_TLS

_GIT = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")
_STATUSES = re.compile(r"/repos/[^/]+/[^/]+/commits/([0-9a-f]{40})/status")
_ISSUE = re.compile(r"(/repos/[^/]+/[^/]+)/issues/(\d+)")
_MOVES = re.compile(r"(?:PUT /repos/([^/]+/[^/]+)/pulls/\d+/merge|DELETE /repos/([^/]+/[^/]+)/git/refs/.+)")
_TOKENS = re.compile(r"/app/installations/\d+/access_tokens")
_NO_GRAPHQL = {"errors": [{"message": "Field doesn't exist on type 'Query'", "type": "undefinedField"}]}
_PASSED_ON = ("host", "authorization", "content-type", "accept", "if-none-match")


@dataclass(frozen=True)
class Answered:
    """A request of the REST interface, and how the emulator answered."""

    method: str
    path: str
    status: int


@dataclass
class Front:
    """An ASGI application for one emulator."""

    emulator: str
    """Its address."""
    app: Mapping[str, Any]
    """Id, slug and name of the App that is installed."""
    repositories: dict[str, Objects] = field(default_factory=dict)
    answered: list[Answered] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    """Of the App's installation."""
    _runs: set[int] = field(default_factory=set)
    """Check runs of the App."""
    _moving: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while branches move, on either side."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        git = _GIT.fullmatch(request.url.path)
        if git:
            answer = await self._git(request, git[1], git[2])
        elif request.url.path == "/graphql":
            answer = _json(_NO_GRAPHQL)
        elif statuses := _STATUSES.fullmatch(request.url.path):
            answer = _json({"sha": statuses[1], "state": "pending", "statuses": [], "total_count": 0})
        else:
            answer = await self._rest(request)
        await answer(scope, receive, send)

    async def _rest(self, request: Request) -> Response:
        method, path = request.method, request.url.path
        if method == "DELETE":
            path = path.replace("/git/ref/", "/git/refs/")
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        address = f"{self.emulator}{path}{'?' if request.url.query else ''}{request.url.query}"
        body = await request.body()
        if _TOKENS.fullmatch(path) and json.loads(body).get("permissions") == {}:
            body = b"{}"
        issue = _ISSUE.fullmatch(path) if method == "GET" else None
        moves = _MOVES.fullmatch(f"{method} {path}")
        # No push comes in between: it would put branches back.
        async with (
            self._moving if moves else nullcontext(),
            httpx.AsyncClient(trust_env=False, timeout=20, verify=NO_TLS) as client,
        ):
            if issue and (pull := await client.get(_pull_of(self.emulator, issue), headers=headers)).is_success:
                return _json(_as_issue(pull.json()))
            told = await client.request(method, address, headers=headers, content=body)
            if moves and told.is_success:
                await asyncio.to_thread(self.repositories[moves[1] or moves[2]].follow)
        self.answered.append(Answered(method, path, told.status_code))
        if told.is_success and _TOKENS.fullmatch(path):
            self.tokens.add(told.json()["token"])
        if told.is_success and "check-runs" in path and told.content:
            return _json(self._with_app(told.json(), made=method == "POST" and self._is_app(request)), told.status_code)
        passed_back = {name: told.headers[name] for name in ("link", "etag") if name in told.headers}
        return Response(told.content, told.status_code, passed_back, told.headers.get("content-type"))

    def _is_app(self, request: Request) -> bool:
        return shown(request.headers.get("authorization"))[1] in self.tokens

    def _with_app(self, told: dict[str, Any], *, made: bool) -> dict[str, Any]:
        if made:
            self._runs.add(told["id"])
        for run in told.get("check_runs", [told]):
            if run.get("id") in self._runs:
                run["app"] = self.app
        return told

    async def _git(self, request: Request, name: str, path: str) -> Response:
        objects = self.repositories.get(name)
        if objects is None or not self._is_app(request):
            return Response("Repository not found.\n", 401, {"WWW-Authenticate": 'Basic realm="GitHub"'}, "text/plain")
        service = request.query_params.get("service") or path
        sent = Sent(request.method, service, path, request.url.query, dict(request.headers), await request.body())
        async with self._moving:
            answer = await backend(objects.bare.path, sent, {})
            if path == "git-receive-pack":
                await asyncio.to_thread(objects.tell)
        return answer


def _pull_of(emulator: str, issue: re.Match[str]) -> str:
    return f"{emulator}{issue[1]}/pulls/{issue[2]}"


def _as_issue(pull: dict[str, Any]) -> dict[str, Any]:
    return {**pull, "url": pull["issue_url"], "pull_request": {"url": pull["url"]}, "closed_by": None}


def _json(told: Any, status: int = 200) -> Response:
    return Response(json.dumps(told), status, media_type="application/json")
