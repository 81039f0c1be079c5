"""GitHub's published descriptions of its APIs, and others' emulator: from npm by a lock with hashes, once a machine."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from activities.agents.npm_install import npm_command, npm_environment
from tests.support.agent_toolchains import cache

_LOCK = Path(__file__).parents[3] / "infra" / "github"
_FILES = ("package.json", "package-lock.json")
_UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH")


class Unreachable(Exception):
    """The descriptions are not here, and npm has no registry to fetch them from."""


def need_descriptions() -> None:
    """Skip the test, and say why, where the descriptions can't be had."""
    try:
        _installed()
    except Unreachable as why:
        pytest.skip(str(why))


def rest_description() -> Path:
    """The REST API's, as OpenAPI 3.0. Raises Unreachable."""
    return _installed() / "node_modules/@octokit/openapi/generated/api.github.com.json"


def graphql_schema() -> Path:
    """The GraphQL API's, in its own language. Raises Unreachable."""
    return _installed() / "node_modules/@octokit/graphql-schema/schema.graphql"


def webhook_examples() -> list[tuple[str, dict[str, Any]]]:
    """Real payloads of webhooks that GitHub sent, each with its event's name. Raises Unreachable."""
    listed = json.loads(
        (_installed() / "node_modules/@octokit/webhooks-examples/api.github.com/index.json").read_text()
    )
    return [(event["name"], example) for event in listed for example in event["examples"]]


def emulator_program() -> Path:
    """The program of an emulator of GitHub's REST API that others wrote, for Node. Raises Unreachable."""
    return _installed() / "node_modules/emulate/dist/index.js"


def _installed() -> Path:
    content = b"".join((_LOCK / name).read_bytes() for name in _FILES)
    target = cache() / f"github-descriptions-{hashlib.sha256(content).hexdigest()[:20]}"
    with FileLock(target.with_suffix(".lock")):
        if target.is_dir():
            return target
        building = target.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        for name in _FILES:
            shutil.copy(_LOCK / name, building)
        command = (*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
        done = subprocess.run(command, cwd=building, env=npm_environment(), capture_output=True, text=True, check=False)
        if any(word in done.stderr for word in _UNREACHABLE):
            raise Unreachable(f"GitHub's API descriptions are not here and can't be fetched: {done.stderr[-500:]}")
        assert done.returncode == 0, done.stderr
        building.rename(target)
        return target
