"""Whether what passed agrees with GitHub's published description of its REST API."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker

from tests.support.github.exchanges import Exchange
from tests.support.github.published import rest_description
from tests.support.github.state import Json

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("uri")
def _is_address(value: object) -> bool:
    return not isinstance(value, str) or (bool(urlsplit(value).scheme) and not set(value) & set(" {}<>"))


_CORRECTIONS = {
    # The description wants an account to be both a person and an enterprise.
    ("GET", "/app/installations"): {"type": "array", "items": {"$ref": "#/components/schemas/installation"}},
}


def disagreements(exchanges: Iterable[Exchange]) -> list[str]:
    """All that was answered, or was sent and accepted, in another shape than GitHub publishes; empty is good."""
    return [
        f"{exchange.method} {exchange.template} {exchange.status}: {said}"
        for exchange in exchanges
        for said in _about(exchange)
    ]


def event_disagreements(event: str, payload: Json) -> list[str]:
    """What a webhook's payload has in another shape than GitHub publishes; empty is good."""
    name = "-".join(filter(None, ("webhook", event, payload.get("action")))).replace("_", "-")
    if name not in _document()["components"]["schemas"]:
        return [f"there is no event {name}"]
    return list(_errors(name, {"$ref": f"#/components/schemas/{name}"}, payload))


def _about(exchange: Exchange) -> Iterator[str]:
    operation = _document()["paths"].get(exchange.template, {}).get(exchange.method.lower())
    if operation is None:
        yield "there is no such operation"
        return
    if exchange.status < 400:
        yield from _about_query(operation, exchange.query)
        content = operation.get("requestBody", {}).get("content", {})
        if content:
            yield from _errors("sent", _request_schema(exchange.method, exchange.template), exchange.sent or {})
        elif exchange.sent:
            yield "a body was sent, and none is described"
    response = operation["responses"].get(str(exchange.status))
    if response is None and exchange.status < 400:
        yield "no such status is described"
    elif response is None or not _content(response):
        if exchange.status >= 400:
            yield from _errors("answered", {"$ref": "#/components/schemas/basic-error"}, exchange.answered)
        elif exchange.answered is not None:
            yield "a body was answered, and none is described"
    else:
        schema = _CORRECTIONS.get((exchange.method, exchange.template)) if exchange.status < 400 else None
        yield from _errors("answered", schema or _content(response), exchange.answered)


def _about_query(operation: dict[str, Any], query: dict[str, str]) -> Iterator[str]:
    described = {_resolved(parameter)["name"] for parameter in operation.get("parameters", [])}
    yield from (f"there is no query parameter {name}" for name in query if name not in described)


def _content(response: dict[str, Any]) -> dict[str, Any]:
    content = _resolved(response).get("content", {})
    found: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    return found


def _request_schema(method: str, template: str) -> dict[str, Any]:
    """Of a body. GitHub ignores fields that it doesn't know, so that a misspelled one would go unnoticed."""
    operation = _document()["paths"][template][method.lower()]
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    return {**schema, "additionalProperties": False} if "properties" in schema else schema


def _errors(what: str, schema: dict[str, Any], value: object) -> Iterator[str]:
    validator = Draft202012Validator(_plain(schema) | {"components": _components()}, format_checker=FORMATS)
    for error in validator.iter_errors(value):
        deepest = max(error.context or [error], key=lambda inner: len(inner.absolute_path))
        yield f"{what} {deepest.json_path}: {deepest.message[:300]}"


@cache
def _document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(rest_description().read_bytes())
    return loaded


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A parameter or a response, or what it refers to."""
    if "$ref" not in part:
        return part
    found: dict[str, Any] = _document()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


@cache
def _components() -> dict[str, Any]:
    return {"schemas": {name: _plain(schema) for name, schema in _document()["components"]["schemas"].items()}}


def _plain(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 in JSON Schema's terms, which has no `nullable`."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        name: {key: _plain(value) for key, value in part.items()} if name == "properties" else _plain(part)
        for name, part in schema.items()
        if name not in ("nullable", "example", "examples", "default", "description", "discriminator")
    }
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
