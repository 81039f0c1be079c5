"""One real gateway for all tests of a module, on names that a server of the tests' own resolves."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from activities.egress.gateway import EnvoyGateway
from tests.activities.egress.servers import WebServer, name_server, self_signed, web_server

NAMES = {
    "api.example.test": ["127.0.0.1"],
    "*.wild.example.test": ["127.0.0.1"],
    "wild.example.test": ["127.0.0.1"],
    "other.example.test": ["127.0.0.1"],
    "loopback.example.test": ["127.0.0.1"],
    "unspecified.example.test": ["0.0.0.0"],
    "loopback6.example.test": ["::1"],
    "mapped.example.test": ["::ffff:127.0.0.1"],
    "metadata.example.test": ["169.254.169.254"],
    "cgnat.example.test": ["100.64.0.1"],
    "rfc1918.example.test": ["192.168.255.254"],
    "multicast.example.test": ["224.0.0.1"],
    "unique-local.example.test": ["fd00::1"],
    "translated.example.test": ["64:ff9b::7f00:1"],
}


@pytest.fixture(scope="session")
def resolver() -> Iterator[str]:
    with name_server(NAMES) as address:
        yield address


@pytest.fixture(scope="session")
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """The same over TLS."""
    certificate = self_signed(tmp_path_factory.mktemp("tls") / "pem", "api.example.test", "other.example.test")
    with web_server(certificate) as server:
        yield server


def make_directory() -> Path:
    """Short, since socket paths are limited, and reachable by Envoy's own user, as pytest's are not."""
    directory = Path(tempfile.mkdtemp(prefix="eg-"))
    directory.chmod(0o711)
    return directory


@pytest.fixture
def directory() -> Iterator[Path]:
    directory = make_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
async def gateway(resolver: str) -> AsyncIterator[EnvoyGateway]:
    directory = make_directory()
    gateway = EnvoyGateway(directory, resolvers=[resolver])
    yield gateway
    await gateway.stop()
    shutil.rmtree(directory)


@pytest.fixture
async def own_gateway(directory: Path, resolver: str) -> AsyncIterator[EnvoyGateway]:
    gateway = EnvoyGateway(directory, resolvers=[resolver])
    yield gateway
    await gateway.stop()
