"""The stand-in's server: GraphQL on a port of this machine, executed against its schema."""

import contextlib
import functools
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import uvicorn
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, graphql_sync, parse
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.linear.nodes import Node, connection
from tests.support.linear.schema import SDL
from tests.support.linear.stand_in import Linear

_SLOW_SECONDS = 30.0


@contextlib.contextmanager
def linear_server() -> Iterator[Linear]:
    """A stand-in for Linear, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        linear = Linear(f"http://127.0.0.1:{listening.getsockname()[1]}/graphql")
        server = uvicorn.Server(
            uvicorn.Config(_app(linear), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield linear
        finally:
            linear.close()
            server.should_exit = True
            thread.join(30)


@functools.cache
def _schema() -> GraphQLSchema:
    return build_schema(SDL)


def _app(linear: Linear) -> Starlette:
    schema = _schema()

    async def answer(request: Request) -> Response:
        sent = await request.json()
        return await run_in_threadpool(_answered, linear, schema, request.headers.get("authorization", ""), sent)

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


def _answered(linear: Linear, schema: GraphQLSchema, authorization: str, sent: dict[str, Any]) -> Response:
    variables = sent.get("variables") or {}
    operation = sent.get("operationName") or _name(sent["query"])
    with linear.lock:
        linear.asked.append((operation, variables))
    if authorization.removeprefix("Bearer ") not in linear.tokens:
        return _refused("AUTHENTICATION_ERROR", "Authentication required, not authenticated", 401)
    fault = linear.take_fault(operation)
    if fault == "ratelimited":
        reset = {"x-ratelimit-requests-remaining": "0", "x-ratelimit-requests-reset": f"{(time.time() + 2) * 1000:.0f}"}
        return _refused("RATELIMITED", "Rate limit exceeded", 400, reset)
    if fault == "errors":
        return _refused("INVALID_INPUT", "Argument Validation Error", 200)
    if fault == "slow":
        time.sleep(_SLOW_SECONDS)
    if fault == "down":
        return Response("upstream is away", 503, {"retry-after": "1"})
    if fault == "garbage":
        return Response("<html>", 200, media_type="text/html")
    with linear.lock:
        done = graphql_sync(schema, sent["query"], _Root(linear), variable_values=variables)
    if fault == "lost":
        # Done, and nobody hears of it.
        return Response("gateway timeout", 504)
    if done.errors:
        code = (
            "INPUT_ERROR"
            if any("not found" in str(one) or "conflict" in str(one) for one in done.errors)
            else "GRAPHQL_VALIDATION_FAILED"
        )
        return _refused(code, str(done.errors[0].message), 200 if code == "INPUT_ERROR" else 400)
    return JSONResponse({"data": done.data})


def _refused(code: str, said: str, status: int, headers: dict[str, str] | None = None) -> Response:
    error = {"message": said, "extensions": {"code": code, "type": code.lower(), "userPresentableMessage": said}}
    return JSONResponse({"errors": [error], "data": None}, status, headers)


def _name(query: str) -> str:
    (operation,) = [one for one in parse(query).definitions if isinstance(one, OperationDefinitionNode)]
    return operation.name.value if operation.name is not None else ""


class _Root:
    """The fields of Query and Mutation."""

    def __init__(self, linear: Linear) -> None:
        self.linear = linear
        self.viewer = linear.app
        self.organization = linear.organization

    def issue(self, _: object, id: str) -> Node:
        return _found(self.linear.issues, id, "Issue")

    def issues(self, _: object, **given: Any) -> Node:
        nodes = [one for one in self.linear.issues.values() if given.get("includeArchived") or not one["archivedAt"]]
        return _page(nodes, given)

    def team(self, _: object, id: str) -> Node:
        return _found(self.linear.teams, id, "Team")

    def teams(self, _: object, **given: Any) -> Node:
        return _page(list(self.linear.teams.values()), given)

    def comments(self, _: object, **given: Any) -> Node:
        return _page(list(self.linear.comments.values()), given)

    def users(self, _: object, **given: Any) -> Node:
        nodes = [one for one in self.linear.users.values() if given.get("includeDisabled") or one["active"]]
        return _page(nodes, given)

    def agentSession(self, _: object, id: str) -> Node:
        return _found(self.linear.sessions, id, "AgentSession")

    def agentActivity(self, _: object, id: str) -> Node:
        return _found(self.linear.activities, id, "AgentActivity")

    def agentActivities(self, _: object, **given: Any) -> Node:
        return _page(list(self.linear.activities.values()), given)

    def issueLabels(self, _: object, **given: Any) -> Node:
        return _page(list(self.linear.labels.values()), given)

    def webhooks(self, _: object, **given: Any) -> Node:
        return _page(self.linear.webhooks, given)

    def issueUpdate(self, _: object, id: str, input: Node) -> Node:
        issue = _found(self.linear.issues, id, "Issue")
        name = next(one["name"] for one in issue["team"]["all_states"] if one["id"] == input["stateId"])
        self.linear.move(issue, self.linear.app, name)
        return {"success": True}

    def commentCreate(self, _: object, input: Node) -> Node:
        self.linear.write_comment(input)
        return {"success": True}

    def commentUpdate(self, _: object, id: str, input: Node) -> Node:
        comment = _found(self.linear.comments, id, "Comment")
        if comment["user"] is not self.linear.app:
            raise LookupError("not found: a comment of yours")
        comment["body"] = input["body"]
        return {"success": True}

    def attachmentCreate(self, _: object, input: Node) -> Node:
        self.linear.attach(input)
        return {"success": True}

    def agentActivityCreate(self, _: object, input: Node) -> Node:
        self.linear.write_activity(input)
        return {"success": True}

    def agentSessionUpdate(self, _: object, id: str, input: Node) -> Node:
        _found(self.linear.sessions, id, "AgentSession")["urls"] += input["addedExternalUrls"]
        return {"success": True}


def _found(nodes: dict[str, Node], node_id: str, kind: str) -> Node:
    if node_id not in nodes:
        raise LookupError(f"Entity not found: {kind}")
    return nodes[node_id]


def _page(nodes: list[Node], given: dict[str, Any]) -> Node:
    found = [one for one in nodes if _fits(one, given.get("filter") or {})]
    if given.get("orderBy") == "updatedAt":
        found.sort(key=lambda one: str(one["updatedAt"]), reverse=True)
    begin = int(given.get("after") or 0)
    end = begin + int(given.get("first") or 50)
    return connection(found[begin:end], str(end) if end < len(found) else None)


def _fits(node: Any, wanted: dict[str, Any]) -> bool:
    for name, condition in wanted.items():
        value = node.get(name) if isinstance(node, dict) else None
        if callable(value):
            return any(_fits(one, condition) for one in value(None)["nodes"])
        if isinstance(value, dict) or (value is None and "eq" not in condition):
            if value is None or not _fits(value, condition):
                return False
        elif not _compared(value, condition):
            return False
    return True


def _compared(value: Any, condition: dict[str, Any]) -> bool:
    for how, other in condition.items():
        if how in {"gt", "gte"}:
            left, right = datetime.fromisoformat(value), datetime.fromisoformat(other)
            if not (left > right or (how == "gte" and left == right)):
                return False
        elif how == "eqIgnoreCase":
            if str(value).lower() != str(other).lower():
                return False
        elif how == "nin":
            if value in other:
                return False
        elif not (value in other if how == "in" else value == other):
            return False
    return True


def operations(linear: Linear, name: str) -> list[dict[str, Any]]:
    """The variables of every request of one operation, in order."""
    return [variables for operation, variables in linear.asked if operation == name]
