"""Keys of parts that run apart: each has its own and trusts the other's, and a file that is wrong is named."""

import os
from pathlib import Path

import pytest

from activities.decisions.keys import KeyUnusable, SigningKey, TrustedKeys, UnknownKey
from activities.decisions.pairing import pair


def test_a_key_that_was_made_after_the_one_who_trusts_it_had_started_counts(tmp_path: Path) -> None:
    trusted = TrustedKeys.of_role(tmp_path, "gateway")
    key = SigningKey.load_or_create(tmp_path, "gateway")
    trusted.verify(key.key_id, key.sign(b"yes"), b"yes")
    brought = SigningKey.load_or_create(tmp_path / "another machine", "gateway")
    (tmp_path / "gateways").mkdir()
    (tmp_path / "gateways" / "blue.pub").write_text(brought.public_key.hex())
    trusted.verify(brought.key_id, brought.sign(b"yes"), b"yes")


def test_a_pair_trusts_each_other_and_neither_has_the_others_private_key(tmp_path: Path) -> None:
    gateway, worker = pair(tmp_path, "gateway", "worker")
    for each, other in ((gateway, worker), (worker, gateway)):
        key = SigningKey.load_or_create(each.directory, each.role)
        TrustedKeys.of_role(other.directory, each.role).verify(key.key_id, key.sign(b"yes"), b"yes")
        private = [path.name for path in each.directory.rglob("*.key")]
        assert private == [f"{each.role}.key"]
        assert each.directory.stat().st_mode & 0o077 == 0
        with pytest.raises(UnknownKey):
            TrustedKeys.of_role(each.directory, other.role).verify(key.key_id, key.sign(b"yes"), b"yes")


def test_keys_that_are_there_stay_when_the_pair_is_made_again(tmp_path: Path) -> None:
    before = {
        each.role: SigningKey.load_or_create(each.directory, each.role).key_id for each in pair(tmp_path, "a", "b")
    }
    after = {
        each.role: SigningKey.load_or_create(each.directory, each.role).key_id for each in pair(tmp_path, "a", "b")
    }
    assert before == after


@pytest.mark.parametrize("content", ["", "no hexadecimal", "00ff"])
def test_a_public_key_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "gateways").mkdir()
    (tmp_path / "gateways" / "blue.pub").write_text(content)
    with pytest.raises(KeyUnusable, match=r"gateways/blue\.pub"):
        TrustedKeys.of_role(tmp_path, "gateway")


def test_a_private_key_that_is_cut_off_is_named_and_not_replaced(tmp_path: Path) -> None:
    SigningKey.load_or_create(tmp_path, "worker")
    (tmp_path / "worker.key").write_bytes(b"short")
    with pytest.raises(KeyUnusable, match=r"worker\.key"):
        SigningKey.load_or_create(tmp_path, "worker")
    assert (tmp_path / "worker.key").read_bytes() == b"short"


def test_a_private_key_that_was_opened_to_others_is_closed(tmp_path: Path) -> None:
    SigningKey.load_or_create(tmp_path, "worker")
    (tmp_path / "worker.key").chmod(0o644)
    SigningKey.load_or_create(tmp_path, "worker")
    assert (tmp_path / "worker.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_missing_where_none_can_be_made_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(KeyUnusable, match="journeyman keys"):
        SigningKey.load_or_create(tmp_path / "keys", "worker")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_private_key_of_another_user_is_refused(tmp_path: Path) -> None:
    SigningKey.load_or_create(tmp_path, "worker")
    os.chown(tmp_path / "worker.key", 12345, 12345)
    with pytest.raises(KeyUnusable, match="12345"):
        SigningKey.load_or_create(tmp_path, "worker")


def test_a_key_that_was_taken_away_counts_no_more_from_then_on(tmp_path: Path) -> None:
    trusted = TrustedKeys.of_role(tmp_path, "gateway")
    brought = SigningKey.load_or_create(tmp_path / "another machine", "gateway")
    (tmp_path / "gateways").mkdir()
    file = tmp_path / "gateways" / "blue.pub"
    file.write_text(brought.public_key.hex())
    trusted.verify(brought.key_id, brought.sign(b"yes"), b"yes")
    file.unlink()
    with pytest.raises(UnknownKey):
        trusted.verify(brought.key_id, brought.sign(b"yes"), b"yes")


@pytest.mark.parametrize("place", ["gateways", "gateways/blue.pub"])
def test_who_is_trusted_is_said_by_nobody_but_the_owner(tmp_path: Path, place: str) -> None:
    brought = SigningKey.load_or_create(tmp_path / "another machine", "gateway")
    (tmp_path / "gateways").mkdir()
    (tmp_path / "gateways" / "blue.pub").write_text(brought.public_key.hex())
    (tmp_path / place).chmod(0o777)
    with pytest.raises(KeyUnusable, match="who is trusted"):
        TrustedKeys.of_role(tmp_path, "gateway")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_key_that_somebody_planted_before_the_pair_was_made_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "worker" / "gateways"
    planted.mkdir(parents=True)
    (planted / "me.pub").write_text(SigningKey.load_or_create(tmp_path / "evil", "gateway").public_key.hex())
    for path in (tmp_path / "worker", planted, planted / "me.pub"):
        os.chown(path, 12345, 12345)
    with pytest.raises(KeyUnusable, match="12345"):
        pair(tmp_path, "gateway", "worker")
