"""Starting the emulator's Slack: a workspace with people, a channel and a bot."""

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

TOKEN = "xoxb-the-emulator-s"
_START_SECONDS = 30


@contextmanager
def emulated_slack(folder: Path) -> Iterator[str]:
    """The address of its Web API, until the block ends. Skips the test where the emulator can't be had."""
    try:
        program = emulator_program()
    except Unreachable as why:
        pytest.skip(str(why))
    folder.mkdir()
    slack = {
        "team": {"name": "Acme", "domain": "acme"},
        "users": [{"name": "ada", "real_name": "Ada", "email": "ada@acme.test"}],
        "channels": [{"name": "shop"}],
        "bots": [{"name": "agent"}],
    }
    seed = {"tokens": {TOKEN: {"login": "ada", "scopes": ["chat:write"]}}, "slack": slack}
    (folder / "seed.json").write_text(json.dumps(seed))
    port = free_port()
    command = (npm_command()[0], str(program), "start", "--port", str(port), "--service", "slack")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            (*command, "--seed", str(folder / "seed.json")),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/api/"
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        address = f"http://127.0.0.1:{port}/api/auth.test"
        return httpx.post(address, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False).is_success
    except httpx.HTTPError:
        return False
