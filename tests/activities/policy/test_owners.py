"""An owner's edit counts from the next look on; a mistake in it decides nothing, and disturbs nothing that goes on."""

from pathlib import Path

import pytest

from activities.agents.current import CurrentAdapters, CurrentKeys
from activities.policy.owners import OwnersFiles, PolicyFileBroken

AGENT = '[agents.{name}]\ncommand = ["true"]\n'
PROVIDER = '[providers.vendor]\nurl = "https://api.example.com"\nkey = {{ environment = "{variable}" }}\n'


@pytest.fixture
def owners(tmp_path: Path) -> OwnersFiles:
    files = OwnersFiles(tmp_path / "journeyman.toml", tmp_path / "security.toml")
    files.platform_file.write_text(AGENT.format(name="first") + PROVIDER.format(variable="OLD"))
    return files


def test_an_agent_and_a_key_that_are_written_later_are_found(owners: OwnersFiles) -> None:
    adapters, keys = CurrentAdapters(owners), CurrentKeys(owners)
    owners.platform_file.write_text(AGENT.format(name="second") + PROVIDER.format(variable="NEW"))
    assert adapters.get("first") is None
    assert adapters.get("second") is not None
    source = keys["vendor"]
    assert source is not None
    assert source.environment == "NEW"


def test_a_mistake_decides_nothing_and_leaves_what_goes_on_as_it_was(owners: OwnersFiles) -> None:
    adapters, keys = CurrentAdapters(owners), CurrentKeys(owners)
    owners.platform_file.write_text("nonsense = 1")
    with pytest.raises(PolicyFileBroken, match=r"nonsense.*nothing has to be restarted"):
        owners.platform()
    assert adapters.get("first") is not None
    assert "vendor" in keys


def test_what_an_agent_printed_can_be_read_after_the_file_no_longer_names_it(owners: OwnersFiles) -> None:
    adapters = CurrentAdapters(owners)
    owners.platform_file.write_text("")
    (event,) = adapters.reading("first").read_events(b"hello")
    assert event.text == "hello"


def test_a_file_that_vanishes_takes_none_of_its_rules_along(tmp_path: Path) -> None:
    security = tmp_path / "security.toml"
    security.write_text("[egress]\nallow = []\n")
    files = OwnersFiles.at(tmp_path / "journeyman.toml", security)
    assert files.security().egress.allow == ()
    security.unlink()
    with pytest.raises(PolicyFileBroken, match=r"security\.toml was there .* and is gone"):
        files.security()
    files.platform()  # it never was there
