"""A setting that leads nowhere is told when a process starts, not when something is lost or let through by it."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from activities.archive.objects import ArchiveError, Objects
from tests.workers.terminal import typed
from workers.embedded.temporal_server import free_port
from workers.settings import Settings


@pytest.mark.parametrize("variable", ["JOURNEYMAN_CONFIG", "JOURNEYMAN_SECURITY"])
async def test_a_policy_file_that_is_named_and_not_there_does_not_count_as_one_without_rules(
    state: Path, variable: str
) -> None:
    where = {variable: str(state / "nowhere.toml"), "JOURNEYMAN_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}"}
    for command in (("up",), ("worker",), ("gateway",)):
        answer = await typed(state, *command, JOURNEYMAN_TEMPORAL_UI_PORT=str(free_port()), **where)
        assert answer.code != 0
        assert variable in answer.error and "nowhere.toml" in answer.error and "Traceback" not in answer.error
    checked = await typed(state, "doctor", **where)
    assert "nowhere.toml" in checked.out


@pytest.mark.parametrize("address", ["foo", "127.0.0.1:notaport", "http://127.0.0.1:7233"])
async def test_an_address_that_is_none_is_named(state: Path, address: str) -> None:
    answer = await typed(state, "up", JOURNEYMAN_TEMPORAL_ADDRESS=address)
    assert answer.code != 0
    assert "JOURNEYMAN_TEMPORAL_ADDRESS" in answer.error and "Traceback" not in answer.error


@pytest.mark.parametrize("page", ["https://jaeger.example.com", "{trace_id}", "https://a.example/{trace_id}|<!here>"])
async def test_a_page_of_traces_that_can_not_be_one_is_named(state: Path, page: str) -> None:
    answer = await typed(state, "gateway", JOURNEYMAN_TRACE_UI=page)
    assert answer.code != 0
    assert "JOURNEYMAN_TRACE_UI" in answer.error and "trace_id" in answer.error and "Traceback" not in answer.error


@pytest.mark.parametrize("location", ["s3:/typo", "relative/folder", "ftp://x", "s3://"])
def test_an_archive_that_can_not_be_is_refused_and_no_folder_of_that_name_is_made(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArchiveError, match="the archive can't be at"):
        Objects.open(location)
    assert list(tmp_path.iterdir()) == []


async def test_an_archive_that_can_not_be_written_is_told_before_any_work_depends_on_it(tmp_path: Path) -> None:
    objects = Objects.open(str(tmp_path / "archive"))
    await objects.probe()
    await objects.probe()
    (tmp_path / "archive" / "probe").unlink()
    (tmp_path / "archive" / "probe").mkdir()
    (tmp_path / "archive" / "probe" / "x").touch()
    with pytest.raises(ArchiveError, match="archive"):
        await objects.probe()


async def test_a_directory_of_keys_that_was_named_gets_no_new_key_that_nobody_knows(state: Path) -> None:
    (state / "empty").mkdir()
    where = {
        "JOURNEYMAN_KEYS": str(state / "empty"),
        "JOURNEYMAN_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        "JOURNEYMAN_TEMPORAL_UI_PORT": str(free_port()),
    }
    answer = await typed(state, "up", **where)
    assert answer.code == 1
    assert "journeyman keys" in answer.error
    assert list((state / "empty").iterdir()) == []
    assert (await typed(state, "keys", str(state / "made"))).code == 0
    (state / "made" / "worker" / "gateways" / "gateway.pub").unlink()
    alone = await typed(state, "up", **where | {"JOURNEYMAN_KEYS": str(state / "made" / "worker")})
    assert alone.code == 1
    assert "no public key of a gateway" in alone.error


async def test_a_configuration_file_of_temporals_that_is_not_there_is_named(state: Path) -> None:
    answer = await typed(state, "worker", "--queues", "orchestrate", TEMPORAL_CONFIG_FILE=str(state / "no.toml"))
    assert answer.code == 1
    assert "TEMPORAL_CONFIG_FILE" in answer.error and "no.toml" in answer.error


async def test_nobody_at_the_terminal_is_told_before_the_demonstration_and_not_after_it(state: Path) -> None:
    answer = await typed(state, "demo")
    assert answer.code == 1
    assert "demo --auto" in answer.error
    assert answer.out == ""


def test_ports_for_a_stack_of_its_own_are_none_that_the_kernel_hands_out_and_never_twice_the_same() -> None:
    ports = [free_port() for _ in range(200)]
    low, high = (int(word) for word in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert len(set(ports)) == 200
    assert [port for port in ports if low <= port <= high] == []


@pytest.mark.parametrize("host", ["..", ".", "-x", "a/b"])
def test_a_host_id_is_no_way_out_of_the_directory_of_hosts(state: Path, host: str) -> None:
    with pytest.raises(ValidationError, match="host"):
        Settings(state=state, host=host)
    assert Settings(state=state, host="build-1.example").host_id() == "build-1.example"
