"""A set-up may reach what this machine's package managers are configured to use, and gets no credential of theirs."""

from pathlib import Path

import pytest

from activities.environment.registries import discover


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither pip nor npm of this machine is asked for more than the test sets."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in (
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_NO_INDEX",
        "PIP_CERT",
        "PIP_TRUSTED_HOST",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://npm.example.test/")
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_the_index_that_pip_is_configured_for_is_the_one_a_set_up_reaches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example.test/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///opt/wheels http://extra.example.test:8080/simple")
    access = await discover()
    python = {host for host in access.hosts if not host.startswith("npm.")}
    assert python == {"mirror.example.test:443", "extra.example.test:8080"}
    assert access.environment["PIP_INDEX_URL"] == "https://mirror.example.test/simple"
    assert access.environment["PIP_EXTRA_INDEX_URL"] == "http://extra.example.test:8080/simple"


async def test_without_a_setting_pip_s_own_index_and_its_file_host_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    access = await discover()
    assert len([host for host in access.hosts if host.endswith(":443") and not host.startswith("npm.")]) == 2
    assert access.environment["PIP_INDEX_URL"].startswith("https://")


async def test_credentials_in_an_index_address_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:s3cret@mirror.example.test/simple")
    access = await discover()
    assert "s3cret" not in access.model_dump_json()
    assert access.environment["PIP_INDEX_URL"] == "https://mirror.example.test/simple"


async def test_a_machine_that_uses_local_indexes_only_opens_nothing_for_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "file:///opt/simple")
    access = await discover()
    assert [host for host in access.hosts if not host.startswith("npm.")] == []
    assert "PIP_INDEX_URL" not in access.environment


async def test_hosts_that_a_person_lists_are_taken_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    access = await discover(["packages.example.test"], allow_private=True)
    assert access.hosts == ("packages.example.test",)
    assert access.allow_private


async def test_a_broken_package_manager_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho not json\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    access = await discover()
    assert "NPM_CONFIG_REGISTRY" not in access.environment
    assert access.environment["PIP_INDEX_URL"]
