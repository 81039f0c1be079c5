"""What `npm ci` gets in a set-up: the tarballs that the lock file pins, whatever address it has for them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.environment.checkout import SetupFailed
from activities.environment.layer import EnvironmentLayers
from activities.environment.offers import NPM_HOST
from activities.environment.registries import RegistryAccess
from tests.activities.environment.conftest import Host
from tests.activities.environment.node_registry import NodeRegistry, lock, manifest, node_registry
from tests.activities.environment.test_layer import LIMITS
from workflows.models.policy import Setup

LOCKS = ("package.json", "package-lock.json")
INTO = 'cp package.json package-lock.json "$JOURNEYMAN_LAYER"/ && cd "$JOURNEYMAN_LAYER" && '
INSTALL = INTO + "npm ci"


@pytest.fixture(scope="module")
def registry() -> Iterator[NodeRegistry]:
    with node_registry() as registry:
        yield registry


@pytest.fixture
def access(registry: NodeRegistry) -> RegistryAccess:
    url = f"http://index.example.test:{registry.port}/npm/"
    return RegistryAccess(hosts=(f"index.example.test:{registry.port}",), npm={"": url}, allow_private=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    (source / "package.json").write_text(manifest())
    return source


@pytest.mark.parametrize("written", ["elsewhere", "this registry", "nothing"])
async def test_npm_installs_what_is_pinned_whatever_address_the_lock_file_has(
    layers: EnvironmentLayers, source: Path, registry: NodeRegistry, host: Host, written: str
) -> None:
    own = f"http://index.example.test:{registry.port}/npm"
    resolved = {"elsewhere": "https://registry.elsewhere.example", "this registry": own, "nothing": ""}[written]
    (source / "package-lock.json").write_text(lock(resolved))
    registry.seen.clear()
    layer = await layers.ensure(Setup(commands=(INSTALL,), lock_files=LOCKS), source, LIMITS, "t")
    assert layer is not None
    modules = layer.directory / "tree" / "node_modules"
    assert (modules / "tiny" / "index.js").exists() and (modules / "@team" / "part" / "index.js").exists()
    # Its script did not run.
    assert not (layer.directory / "tree" / "ran").exists()
    assert layer.manifest.packages == ("npm:tiny@1.2.0", "npm:@team/part@1.2.0")
    # No audit, no page of a package: nothing but the two files was asked for.
    assert sorted(registry.seen) == ["/npm/@team/part/-/part-1.2.0.tgz", "/npm/tiny/-/tiny-1.2.0.tgz"]


async def test_npm_gets_no_package_beside_those(
    layers: EnvironmentLayers, source: Path, registry: NodeRegistry
) -> None:
    (source / "package-lock.json").write_text(lock(""))
    registry.seen.clear()
    setup = Setup(commands=(INTO + "npm install --no-save other",), lock_files=LOCKS)
    with pytest.raises(SetupFailed, match="Not pinned, and so refused: /other"):
        await layers.ensure(setup, source, LIMITS, "t")
    assert not [path for path in registry.seen if "other" in path]


@pytest.mark.parametrize("resolved", ["https://[x/tiny.tgz", "https://r.example/a:b(1).tgz", "https://r.example/../x"])
async def test_an_address_that_no_parser_takes_keeps_nobody_from_the_package_itself(
    layers: EnvironmentLayers, source: Path, resolved: str
) -> None:
    document = json.loads(lock(""))
    document["packages"]["node_modules/tiny"]["resolved"] = resolved
    (source / "package-lock.json").write_text(json.dumps(document))
    fetch = f"curl -sf -o $JOURNEYMAN_LAYER/tiny.tgz http://{NPM_HOST}/tiny/-/tiny-1.2.0.tgz"
    layer = await layers.ensure(Setup(commands=(fetch,), lock_files=LOCKS), source, LIMITS, "t")
    assert layer is not None and (layer.directory / "tree" / "tiny.tgz").stat().st_size


async def test_a_lock_file_that_says_too_much_of_a_package_is_refused_in_words(
    layers: EnvironmentLayers, source: Path
) -> None:
    document = json.loads(lock(""))
    document["packages"]["node_modules/tiny"]["bin"] = {"x": "y" * 5_000_000}
    (source / "package-lock.json").write_text(json.dumps(document))
    with pytest.raises(SetupFailed, match="refused the page '/tiny'"):
        await layers.ensure(Setup(commands=("true",), lock_files=LOCKS), source, LIMITS, "t")
