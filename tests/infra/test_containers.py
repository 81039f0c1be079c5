"""The image and the compose file take a task from asking to its revert, without root and without a shared key."""

import asyncio
import json
import os
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from tests.infra import containers
from tests.infra.containers import IMAGE, ROOT, SERVICES, UID, Composed, command, composed, engine_environment
from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, MEND

pytestmark = [
    pytest.mark.skipif(bool(containers.why_not()), reason=containers.why_not() or "can be tried"),
    pytest.mark.xdist_group("containers"),
]
POLICY = f'''
[agents.twice]
command = ["sh", "-c", """echo begun; if [ -e half.log ]; then {MEND}; else touch half.log; sleep 600; fi"""]
'''
"""An agent that gets to the end only where it finds what it had done before."""


@pytest_asyncio.fixture(scope="module")
async def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    environment = engine_environment(tmp_path_factory.mktemp("engine"))
    build = ROOT / "infra" / "container" / "build"
    built = await command(str(build), "--network", "host", environment=environment, seconds=400)
    assert built.code == 0, built.error
    return IMAGE


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("image")
async def test_the_services_of_the_compose_file_take_a_task_to_its_revert_also_when_a_host_is_restarted(
    state: Path, temporal: Client
) -> None:
    where = {"TEMPORAL_ADDRESS": temporal.service_client.config.target_host, "TEMPORAL_NAMESPACE": temporal.namespace}
    async with composed(state, where, POLICY) as here:
        repository = make_repository(state / "compose" / "repositories" / "till.git", FILES, bare=True)
        for path in (repository, *repository.rglob("*")):
            os.lchown(path, UID, UID)
        await here.compose("--profile", "setup", "run", "--rm", "keys")
        assert "has everything it needs" in await here.compose("run", "--rm", "api", "setup-namespace")
        await here.compose("up", "--detach")
        await is_closed(here)

        task = json.loads(
            await journeyman(here, "run", "mend add()", "--repo", "/repositories/till.git", "--as", "ada", "--json")
        )["task_id"]
        output = f"cat /var/lib/journeyman/hosts/*/runs/{task}-1-1/output.log"
        async with asyncio.timeout(120):
            while "begun" not in await here.compose("exec", "-T", "host", "sh", "-c", f"{output} || true"):
                await asyncio.sleep(0.5)
        await here.compose("restart", "--timeout", "10", "host")
        async with asyncio.timeout(120):
            while (await stage(here, task)) not in {"review", "guidance", "ended"}:
                await asyncio.sleep(0.5)
        show = ("-c", "safe.directory=*", "show", "main:calc.py")
        await journeyman(here, "approve", task, "--as", "grace")
        await journeyman(here, "merge", task, "--as", "grace")
        assert "a + b" in git(repository, *show)
        await journeyman(here, "revert", task, "--as", "grace")
        assert "a - b" in git(repository, *show)


async def journeyman(here: Composed, *words: str) -> str:
    return await here.compose("exec", "-T", "gateway", "journeyman", *words)


async def stage(here: Composed, task: str) -> str:
    told: str = json.loads(await journeyman(here, "show", task, "--json"))["status"]["stage"]
    return told


async def is_closed(here: Composed) -> None:
    """Nobody is root, can write the system, or has a private key that is not its own."""
    privileges = "grep -E '^(CapEff|NoNewPrivs)' /proc/self/status"
    keys = {}
    for service in SERVICES:
        told = await here.compose(
            "exec",
            "-T",
            service,
            "sh",
            "-c",
            f"id -u; {privileges}; touch /usr/x 2>&1; find /keys /var/lib/journeyman -name '*.key'",
        )
        assert told.splitlines()[0] == str(UID), service
        assert "CapEff:\t0000000000000000" in told
        assert "NoNewPrivs:\t1" in told
        assert "Read-only file system" in told
        keys[service] = {line.rpartition("/")[2] for line in told.splitlines() if line.endswith(".key")}
    assert keys == {"gateway": {"gateway.key"}, "orchestrate": set(), "api": {"worker.key"}, "host": {"worker.key"}}
