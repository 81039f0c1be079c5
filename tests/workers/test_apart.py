"""Parts that run apart find Temporal, its namespace and each other's keys, or say what is missing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.support.repositories import make_repository
from tests.support.temporal_front import API_KEY, temporal_front
from tests.workers.installation import FILES, Terminal, configure
from tests.workers.terminal import environment, left_of, typed
from workers.embedded.programs import program
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("apart")


@asynccontextmanager
async def serving(state: Path, *arguments: str, **more: str) -> AsyncIterator[str]:
    """A part that is a process of its own, until the block ends; gives its first line."""
    process = await asyncio.create_subprocess_exec(
        str(program("journeyman")),
        *arguments,
        env=environment(state, **more),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            first = (await process.stdout.readline()).decode()
        yield first
    finally:
        process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() == 0


def address(temporal: Client) -> str:
    return temporal.service_client.config.target_host


async def test_a_namespace_that_is_not_ready_is_told_at_start_and_made_ready_by_a_command(
    temporal: Client, state: Path
) -> None:
    where = {"JOURNEYMAN_TEMPORAL_ADDRESS": address(temporal), "JOURNEYMAN_TEMPORAL_NAMESPACE": "team-a"}
    refused = await typed(state, "worker", "--queues", "orchestrate", **where)
    assert refused.code == 1
    assert "no namespace 'team-a'" in refused.error
    assert "journeyman setup-namespace" in refused.error
    made = await typed(state, "setup-namespace", "--retention-days", "3", **where)
    assert made.code == 0, made.error
    assert "made the namespace team-a, which keeps what has ended for 3 days" in made.out
    again = await typed(state, "setup-namespace", **where)
    assert (again.code, again.out.count("\n")) == (0, 1)
    async with serving(state, "worker", "--queues", "orchestrate", **where) as said:
        assert "serves orchestrate" in said
        assert "namespace team-a" in said


@pytest.mark.parametrize("certificates", [True, False], ids=["certificates", "API key"])
async def test_a_worker_connects_as_to_a_cluster_with_certificates_or_an_api_key(
    temporal: Client, state: Path, certificates: bool
) -> None:
    async with temporal_front(state, address(temporal), certificates=certificates) as front:
        proofs = (
            {"TEMPORAL_TLS_CLIENT_CERT_PATH": str(front.certificate), "TEMPORAL_TLS_CLIENT_KEY_PATH": str(front.key)}
            if certificates
            else {"TEMPORAL_API_KEY": API_KEY}
        )
        trusted = {
            "TEMPORAL_ADDRESS": front.address,
            "TEMPORAL_NAMESPACE": temporal.namespace,
            "TEMPORAL_TLS": "true",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(front.authority),
        }
        stranger = await typed(state, "worker", "--queues", "orchestrate", **trusted)
        assert stranger.code == 1
        assert front.address in stranger.error or temporal.namespace in stranger.error
        assert "Traceback" not in stranger.error
        async with serving(state, "worker", "--queues", "orchestrate", **trusted, **proofs) as said:
            assert f"serves orchestrate at {front.address}, namespace {temporal.namespace}" in said


async def test_a_profile_in_temporals_own_file_says_where_temporal_is(temporal: Client, state: Path) -> None:
    file = state / "temporal.toml"
    file.write_text(f'[profile.team]\naddress = "{address(temporal)}"\nnamespace = "{temporal.namespace}"\n')
    chosen = {"TEMPORAL_CONFIG_FILE": str(file), "TEMPORAL_PROFILE": "team"}
    async with serving(state, "worker", "--queues", "orchestrate", **chosen) as said:
        assert f"at {address(temporal)}, namespace {temporal.namespace}" in said
    file.write_text("[profile.team")
    broken = await typed(state, "worker", "--queues", "orchestrate", **chosen)
    assert broken.code == 1
    assert "TEMPORAL_CONFIG_FILE" in broken.error


async def test_what_an_address_of_ours_says_is_not_mixed_with_credentials_for_another(
    temporal: Client, state: Path
) -> None:
    ours = {"JOURNEYMAN_TEMPORAL_ADDRESS": address(temporal), "TEMPORAL_API_KEY": "of another server"}
    async with serving(state, "worker", "--queues", "orchestrate", **ours) as said:
        assert "serves orchestrate" in said


async def test_each_part_on_a_machine_of_its_own_takes_a_task_to_its_merge(temporal: Client, state: Path) -> None:
    """Own state directories, own keys; in common only Temporal, the archive, the forge and the repository."""
    assert (await typed(state, "keys", str(state / "keys"))).code == 0
    machines = {name: state / name for name in ("gateway", "flow", "api", "host")}
    for machine in machines.values():
        machine.mkdir(mode=0o711)
        configure(machine)
    common = {
        "TEMPORAL_ADDRESS": address(temporal),
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "JOURNEYMAN_ARCHIVE": str(state / "archive"),
        "JOURNEYMAN_FORGE": str(state / "forge"),
    }
    gateway_keys, worker_keys = str(state / "keys" / "gateway"), str(state / "keys" / "worker")
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with (
        serving(machines["flow"], "worker", "--queues", "orchestrate", JOURNEYMAN_KEYS=worker_keys, **common),
        serving(machines["api"], "worker", "--queues", "api", JOURNEYMAN_KEYS=worker_keys, **common),
        serving(machines["host"], "worker", "--queues", "host", JOURNEYMAN_KEYS=worker_keys, **common),
        serving(machines["gateway"], "gateway", JOURNEYMAN_KEYS=gateway_keys, **common),
    ):
        here = Terminal(Settings(state=machines["gateway"]))
        task = await here.ask(repository, "mender")
        await here.reaches(task, Stage.REVIEW)
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.MERGE)
        ended = (await here.reaches(task, Stage.ENDED)).status
        assert ended.outcome is Outcome.MERGED
        assert (await here.revert(task)).commit
    assert left_of(state) == []
    # Nobody has a key that is not their own, and who runs no agents has nothing of a sandbox's.
    assert not (state / "keys" / "worker" / "gateway.key").exists()
    assert not (state / "keys" / "gateway" / "worker.key").exists()
    assert [name for name, machine in machines.items() if (machine / "keys").exists()] == []
    assert [name for name, machine in machines.items() if (machine / "stage").exists()] == ["host"]
