"""Starting the emulator's Linear, with a team, two people and an App."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from activities.agents.npm_install import npm_command
from tests.support.github.published import emulator_program
from tests.support.published_packages import Unreachable
from workers.embedded.temporal_server import free_port

APP_TOKEN, PERSON_TOKEN = "lin_oauth_of-the-app", "lin_api_of-ada"
_START_SECONDS = 30
_SEED = {
    "linear": {
        "organization": {"name": "Acme", "url_key": "acme"},
        "users": [{"email": "ada@example.com", "name": "Ada", "admin": True}],
        "teams": [{"key": "ENG", "name": "Engineering"}],
        "labels": [{"name": "journeyman", "team": "ENG"}],
        "oauth_apps": [
            {
                "client_id": "journeyman",
                "client_secret": "secret",
                "name": "Journeyman",
                "redirect_uris": [],
                "actor": "app",
                "assignable": True,
                "mentionable": True,
            }
        ],
        "issues": [{"team": "ENG", "title": "It breaks", "creator": "ada@example.com"}],
        "tokens": [
            {"token": APP_TOKEN, "app": "journeyman", "actor": "app", "type": "oauth"},
            {"token": PERSON_TOKEN, "user": "ada@example.com"},
        ],
    }
}


@contextmanager
def emulated_linear(folder: Path) -> Iterator[str]:
    """The address of its GraphQL interface, until the block ends. Skips the test where it can't be had."""
    try:
        program = emulator_program()
    except Unreachable as why:
        pytest.skip(str(why))
    folder.mkdir(exist_ok=True)
    (folder / "seed.json").write_text(json.dumps(_SEED))
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = (npm_command()[0], str(program), "start", "--port", str(port), "--service", "linear")
    options = ("--seed", str(folder / "seed.json"), "--base-url", address)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen((*command, *options), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(f"{address}/graphql"):
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)
        yield f"{address}/graphql"
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        asked = {"query": "{ viewer { id } }"}
        headers = {"authorization": PERSON_TOKEN}
        return httpx.post(address, json=asked, headers=headers, trust_env=False).is_success
    except httpx.HTTPError:
        return False
