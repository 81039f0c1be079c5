"""A set-up gets what base's lock files pin; no index hears of anything else, and nothing else comes in."""

import hashlib
import re
from pathlib import Path

import pytest

from activities.environment.checkout import SetupFailed
from activities.environment.layer import EnvironmentLayers
from activities.environment.offers import PYPI_HOST
from activities.environment.registries import RegistryAccess
from tests.activities.environment.conftest import Host
from tests.activities.environment.index import PACKAGES, Index, lock
from tests.activities.environment.test_layer import LIMITS, look_inside
from workflows.models.policy import RegistryReach, Setup

VENV = "python3 -m venv $JOURNEYMAN_LAYER"
PIP = "$JOURNEYMAN_LAYER/bin/pip install"
LOCKED = ("requirements.lock",)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    (source / "requirements.lock").write_text(lock())
    return source


async def test_a_package_that_no_lock_file_pins_is_refused_and_the_index_is_not_asked(
    layers: EnvironmentLayers, source: Path, index: Index
) -> None:
    (source / "requirements.lock").write_text(lock().splitlines()[1])
    setup = Setup(commands=(VENV, f"{PIP} tinypart==2.0", f"{PIP} --no-deps tinything"), lock_files=LOCKED)
    index.seen.clear()
    with pytest.raises(SetupFailed, match="Not pinned, and so refused: /simple/tinything/") as failed:
        await layers.ensure(setup, source, LIMITS, "t")
    assert "add it to one that `lock_files` names" in str(failed.value)
    assert [path for path in index.seen if "tinything" in path] == []
    assert [path for path in index.seen if path.startswith("/files/tinypart")]


async def test_a_set_up_tells_an_index_nothing_by_what_it_asks_for(
    layers: EnvironmentLayers, source: Path, index: Index
) -> None:
    told = "/simple/the-key-is-1234/ /files/tinything/tinything-1.0-py3-none-any.whl?key=1234 /x%2f..%2fkey"
    fetch = f"for path in {told}; do curl -s -o /dev/null -w '%{{http_code}} ' http://{PYPI_HOST}$path; done"
    directly = f"curl -s -o /dev/null -w '%{{http_code}} ' http://index.example.test:{index.port}/simple/key/"
    setup = Setup(commands=(f"({fetch}; {directly}) > $JOURNEYMAN_LAYER/codes",), lock_files=LOCKED)
    index.seen.clear()
    layer = await layers.ensure(setup, source, LIMITS, "t")
    assert layer is not None
    assert (layer.directory / "tree" / "codes").read_text().split() == ["403"] * 4
    # What the host itself asked for, before anything ran.
    assert sorted(index.seen) == ["/simple/tinypart/", "/simple/tinything/"]


async def test_a_page_of_an_index_brings_in_nothing_but_the_pinned_files(
    layers: EnvironmentLayers, source: Path, index: Index
) -> None:
    listed = f"curl -s http://{PYPI_HOST}/simple/tinything/ > $JOURNEYMAN_LAYER/page"
    (source / "requirements.lock").write_text("tinything==1.0\n")
    index.extra["tinything"] = (
        '<a href="/files/tinything-9.9-py3-none-any.whl">tinything-9.9-py3-none-any.whl</a>'
        '<a href="file:///etc/passwd">tinything-1.0-py3-none-any.whl</a>'
        '<a href="http://169.254.169.254/x?y">tinything-1.0-1-py3-none-any.whl</a>'
        '<a href="/files/%22%3E%3Cscript%3E-1.0-py3-none-any.whl">"><script>-1.0-py3-none-any.whl</a>'
        '<a href="/files/x/tinything-1.0-cp311-cp311-win_amd64.whl">tinything-1.0-cp311-cp311-win_amd64.whl</a>'
        '<a href="/../../tinything-1.0-2-py3-none-any.whl">tinything-1.0-2-py3-none-any.whl</a>'
    )
    try:
        layer = await layers.ensure(Setup(commands=(listed,), lock_files=LOCKED), source, LIMITS, "t")
    finally:
        index.extra.clear()
    assert layer is not None
    page = (layer.directory / "tree" / "page").read_text()
    assert re.findall(r">([^<]+\.whl)<", page) == [
        "tinything-1.0-py3-none-any.whl",
    ]
    assert "script" not in page and "169.254" not in page


async def test_files_on_another_host_than_the_index_are_fetched_through_it(
    layers: EnvironmentLayers, source: Path, index: Index, host: Host
) -> None:
    index.files_at = f"http://elsewhere.example.test:{index.port}"
    index.seen.clear()
    try:
        setup = Setup(commands=(VENV, f"{PIP} --require-hashes -r requirements.lock"), lock_files=LOCKED)
        layer = await layers.ensure(setup, source, LIMITS, "t")
    finally:
        index.files_at = ""
    assert layer is not None
    code, output = await look_inside(host, layer, "python -c 'import tinything; print(tinything.ANSWER)'")
    assert (code, output.split()) == (0, ["42"])
    assert f"locked packages of elsewhere.example.test:{index.port}" in layer.egress.read_text()


async def test_a_page_leads_to_no_private_address_but_the_registries_own(
    layers: EnvironmentLayers, source: Path, index: Index, host: Host
) -> None:
    index.extra["tinything"] = (
        f'<a href="http://internal.example.test:{index.port}/files/secret">tinything-1.0-3-py3-none-any.whl</a>'
    )
    (source / "requirements.lock").write_text("tinything==1.0\n")
    at = f"http://{PYPI_HOST}/files/tinything/tinything-1.0-3-py3-none-any.whl"
    ask = f"curl -s -o /dev/null -w '%{{http_code}}' {at} > $JOURNEYMAN_LAYER/code"
    index.seen.clear()
    try:
        layer = await layers.ensure(Setup(commands=(ask,), lock_files=LOCKED), source, LIMITS, "t")
    finally:
        index.extra.clear()
    assert layer is not None
    assert (layer.directory / "tree" / "code").read_text() == "403"
    assert "/files/secret" not in index.seen


@pytest.mark.parametrize(
    ("hostile", "words"),
    [
        # Addresses that nobody can be told of.
        (
            '<a href="http://[x/tinything-1.0-1-py3-none-any.whl">tinything-1.0-1-py3-none-any.whl</a>',
            "page of tinything can't be read",
        ),
        ('<a href="http://a b/x.whl" data-requires-python="&#55296;">tinything-1.0-1-py3-none-any.whl</a>', ""),
        # What such a name fits is ten million tags.
        ("<a href='/x.whl'>tinything-1.0-" + "-".join([".".join(["a"] * 45)] * 3) + ".whl</a>", ""),
        (
            "".join(f'<a href="http://h{n}.test/x">tinything-1.0-{n}-py3-none-any.whl</a>' for n in range(40)),
            "more than 32 servers",
        ),
        (
            "".join(f'<a href="/x">tinything-1.0-{n}-py3-none-any.whl</a>' for n in range(20_001)),
            "more than 20,000 files of what the lock files pin",
        ),
    ],
)
async def test_a_hostile_page_spoils_a_set_up_at_most_by_its_own_name(
    layers: EnvironmentLayers, source: Path, index: Index, hostile: str, words: str
) -> None:
    (source / "requirements.lock").write_text("tinything==1.0\n")
    index.extra["tinything"] = hostile
    try:
        if words:
            with pytest.raises(SetupFailed, match=words):
                await layers.ensure(Setup(commands=("true",), lock_files=LOCKED), source, LIMITS, "t")
        else:
            assert await layers.ensure(Setup(commands=("true",), lock_files=LOCKED), source, LIMITS, "t")
    finally:
        index.extra.clear()


async def test_a_page_that_is_packed_is_not_unpacked(layers: EnvironmentLayers, source: Path, index: Index) -> None:
    index.packed = True
    try:
        with pytest.raises(SetupFailed, match=r"is packed \('gzip'\), which was not asked for"):
            await layers.ensure(Setup(commands=("true",), lock_files=LOCKED), source, LIMITS, "t")
    finally:
        index.packed = False


async def test_a_file_that_is_not_the_one_that_was_pinned_is_not_installed(
    layers: EnvironmentLayers, source: Path, index: Index
) -> None:
    right = hashlib.sha256(PACKAGES["tinypart-2.0-py3-none-any.whl"]).hexdigest()
    (source / "requirements.lock").write_text(f"tinypart==2.0 --hash=sha256:{right}\n")
    setup = Setup(commands=(VENV, f"{PIP} --require-hashes -r requirements.lock"), lock_files=LOCKED)
    index.swapped = True
    try:
        with pytest.raises(SetupFailed, match="DO NOT MATCH THE HASHES"):
            await layers.ensure(setup, source, LIMITS, "t")
    finally:
        index.swapped = False


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("requirements.txt", "requests>=2\n", "line 1: 'requests>=2' pins no version"),
        ("requirements.txt", "a==1\n\n--index-url https://evil.example/\n", "line 3: .* is an option"),
        ("requirements.txt", "a==1 --no-binary a", "can't be read"),
        ("requirements.txt", "a @ https://evil.example/a.whl", "pins no version"),
        ("Cargo.lock", "", "of a form whose packages can't be read"),
        ("package-lock.json", "{", "it is not JSON"),
    ],
)
async def test_a_lock_file_that_can_not_be_read_is_told_with_what_to_do(
    layers: EnvironmentLayers, source: Path, index: Index, name: str, text: str, words: str
) -> None:
    (source / name).write_text(text)
    index.seen.clear()
    setup = Setup(commands=("true",), lock_files=(name,))
    with pytest.raises(SetupFailed, match=words) as failed:
        await layers.ensure(setup, source, LIMITS, "t")
    assert name in str(failed.value) and 'registry = "whole"' in str(failed.value)
    assert index.seen == []
    layer = await layers.ensure(setup.model_copy(update={"registry": RegistryReach.WHOLE}), source, LIMITS, "t")
    assert layer is not None and layer.manifest.registry is RegistryReach.WHOLE


async def test_an_index_that_fails_is_told_as_such(
    layers: EnvironmentLayers, source: Path, index: Index, access: RegistryAccess
) -> None:
    index.status = 502
    try:
        with pytest.raises(SetupFailed, match="the package index answered 502 when it was asked for tiny"):
            await layers.ensure(Setup(commands=("true",), lock_files=LOCKED), source, LIMITS, "t")
    finally:
        index.status = 200


async def test_a_whole_registry_is_reached_where_the_team_says_so(
    layers: EnvironmentLayers, source: Path, index: Index
) -> None:
    setup = Setup(commands=(VENV, f"{PIP} --no-deps tinything"), registry=RegistryReach.WHOLE)
    assert await layers.ensure(setup, source, LIMITS, "t") is not None
    with pytest.raises(SetupFailed):
        await layers.ensure(setup.model_copy(update={"registry": RegistryReach.LOCKED}), source, LIMITS, "t")
