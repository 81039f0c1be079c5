"""A state directory may be anywhere: deep below a long user's name, or another user's."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.workers.terminal import left_of, typed
from workers.embedded.temporal_server import free_port
from workers.gateway.server import serving
from workers.settings import Settings

pytestmark = pytest.mark.xdist_group("where-state-is")
DEEP = "a-user-with-a-rather-long-name/.local/share/journeyman-of-a-team-with-a-rather-long-name/and-then-some-more"
ASK = """
import os, sys
from pathlib import Path
from workers.cli.client import GatewayClient
os.setgroups([]); os.setgid(219_001); os.setuid(219_001)
try:
    GatewayClient(Path(sys.argv[1])).tasks()
except Exception as refused:
    print(refused)
"""


@pytest.fixture
def deep(state: Path) -> Path:
    path = state / DEEP
    assert len(os.fsencode(path)) > 107
    path.mkdir(parents=True)
    for each in (path, *path.parents):
        if each.is_relative_to(state):
            each.chmod(0o711)
    return path


async def test_the_demonstration_works_for_a_user_whose_home_is_deep(deep: Path, state: Path) -> None:
    answer = await typed(deep, "demo", "--auto", "--json")
    assert answer.code == 0, answer.error
    assert json.loads(answer.out)["reverted"]
    assert left_of(state) == []


async def test_the_doctor_tries_the_egress_gateway_as_deep_as_it_will_be(deep: Path, state: Path) -> None:
    answer = await typed(deep, "doctor", "--json")
    found = {finding["name"]: finding for finding in json.loads(answer.out)}
    assert found["egress gateway"]["ok"], found["egress gateway"]["detail"]
    assert left_of(state) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_another_user_s_gateway_is_told_apart_from_none(state: Path) -> None:
    settings = Settings(state=state, temporal_address=f"127.0.0.1:{free_port()}")
    settings.prepare_state()

    def ask() -> str:
        command = [sys.executable, "-c", ASK, str(settings.gateway_socket)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "nothing is running here" in await asyncio.to_thread(ask)
    async with serving(FastAPI(), settings.gateway_socket):
        assert "belongs to another user" in await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    "command", ["show", "logs", "diff", "evidence", "open", "approve", "merge", "cancel", "revert"]
)
@pytest.mark.parametrize("task", ["", "../tasks", "a/b"])
async def test_what_is_no_id_is_refused_before_it_becomes_another_address(state: Path, command: str, task: str) -> None:
    answer = await typed(state, command, task)
    assert (answer.code, answer.out) == (2, "")
    assert "no task id" in answer.error
    assert "Traceback" not in answer.error
