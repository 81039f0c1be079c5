"""GitHub's published descriptions of its APIs, and others' emulator: from npm by a lock with hashes, once a machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.published_packages import Unreachable, installed

_VENDOR = "github"


def need_descriptions() -> None:
    """Skip the test, and say why, where the descriptions can't be had."""
    try:
        installed(_VENDOR)
    except Unreachable as why:
        pytest.skip(str(why))


def rest_description() -> Path:
    """The REST API's, as OpenAPI 3.0. Raises Unreachable."""
    return installed(_VENDOR) / "node_modules/@octokit/openapi/generated/api.github.com.json"


def graphql_schema() -> Path:
    """The GraphQL API's, in its own language. Raises Unreachable."""
    return installed(_VENDOR) / "node_modules/@octokit/graphql-schema/schema.graphql"


def webhook_examples() -> list[tuple[str, dict[str, Any]]]:
    """Real payloads of webhooks that GitHub sent, each with its event's name. Raises Unreachable."""
    listed = json.loads(
        (installed(_VENDOR) / "node_modules/@octokit/webhooks-examples/api.github.com/index.json").read_text()
    )
    return [(event["name"], example) for event in listed for example in event["examples"]]


def emulator_program() -> Path:
    """The program of an emulator of GitHub's REST API that others wrote, for Node. Raises Unreachable."""
    return installed(_VENDOR) / "node_modules/emulate/dist/index.js"
