"""A real sandbox, a real gateway and an index on loopback, under a directory that sandboxes can pass through."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from activities.egress.gateway import EnvoyGateway
from activities.environment.layer import EnvironmentLayers
from activities.environment.registries import RegistryAccess
from activities.removal import remove
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from tests.activities.egress.servers import name_server
from tests.activities.environment.index import Index, package_index

NAMES = {
    "index.example.test": ["127.0.0.1"],
    "elsewhere.example.test": ["127.0.0.1"],
    "internal.example.test": ["127.0.0.1"],
}


@dataclass(frozen=True)
class Host:
    """What the tests of a session share; each makes its own layers."""

    state: Path
    sandboxes: BubblewrapSandboxes
    gateway: EnvoyGateway
    resolver: str


@pytest.fixture(scope="session")
def index() -> Iterator[Index]:
    with package_index() as index:
        yield index


@pytest.fixture(scope="session")
async def host() -> AsyncIterator[Host]:
    state = Path(tempfile.mkdtemp(prefix="en-"))
    state.chmod(0o711)
    with name_server(NAMES) as resolver:
        gateway = EnvoyGateway(state / "egress", resolvers=[resolver])
        yield Host(state, BubblewrapSandboxes(state / "runs", stage_runtime(state)), gateway, resolver)
        await gateway.stop()
    shutil.rmtree(state)


@pytest.fixture
def access(index: Index) -> RegistryAccess:
    return RegistryAccess(
        hosts=(f"index.example.test:{index.port}", f"elsewhere.example.test:{index.port}"),
        environment={
            "PIP_INDEX_URL": f"http://index.example.test:{index.port}/simple",
            "PIP_TRUSTED_HOST": "index.example.test",
        },
        allow_private=True,
        indexes=(f"http://index.example.test:{index.port}/simple",),
    )


@pytest.fixture
def directory(host: Host, request: pytest.FixtureRequest) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="layers-", dir=host.state))
    yield directory
    remove(directory)


@pytest.fixture
def layers(host: Host, directory: Path, access: RegistryAccess) -> EnvironmentLayers:
    async def registries() -> RegistryAccess:
        return access

    return EnvironmentLayers(directory, host.sandboxes, host.gateway, registries)
