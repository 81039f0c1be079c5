"""Security's file counts as its owner signed it, and a change is named by its line."""

from pathlib import Path

import pytest

from activities.decisions.keys import SigningKey, TrustedKeys
from activities.policy.owner_signature import OWNER, OwnersSignatures, sign, signature_file
from activities.policy.owners import OwnersFiles, PolicyFileBroken

TEXT = 'promote = ["grace"]\nhalt = ["ada", "grace"]\nmax_changed_lines = 500\n'


class Owned:
    """An installation's files, and an owner's key that it knows."""

    def __init__(self, place: Path) -> None:
        self.security = place / "security.toml"
        self.security.write_text(TEXT)
        self.mine = SigningKey.load_or_create(place / "mine", OWNER)
        self.known = place / "keys" / f"{OWNER}s"
        self.known.mkdir(parents=True, mode=0o700)
        self.files = OwnersFiles.at(
            place / "journeyman.toml", self.security, OwnersSignatures(TrustedKeys.of_role(place / "keys", OWNER))
        )

    def trust(self) -> None:
        (self.known / "grace.pub").write_text(self.mine.public_key.hex() + "\n")

    def refusal(self) -> str:
        try:
            self.files.security()
        except PolicyFileBroken as broken:
            return str(broken)
        return ""


@pytest.fixture
def owned(tmp_path: Path) -> Owned:
    return Owned(tmp_path)


def test_without_an_owner_s_key_nothing_is_asked(owned: Owned) -> None:
    assert owned.refusal() == ""


def test_with_one_only_what_its_owner_signed_counts(owned: Owned) -> None:
    owned.trust()
    assert "is not signed by an owner" in owned.refusal()
    sign(owned.security, owned.mine)
    assert owned.refusal() == ""


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (TEXT.replace("500", "50000"), "line 3 says `max_changed_lines = 50000`"),
        (TEXT.replace('halt = ["ada", "grace"]\n', ""), 'line 2 lacks `halt = ["ada", "grace"]`'),
        (TEXT + 'invoke = ["mallory"]\n', 'line 4 says `invoke = ["mallory"]`'),
        (TEXT.replace("\n", "\r\n"), "its line ends differ"),
    ],
)
def test_a_change_that_nobody_signed_is_refused_with_its_line(owned: Owned, changed: str, line: str) -> None:
    owned.trust()
    sign(owned.security, owned.mine)
    owned.security.write_bytes(changed.encode())
    assert f"{line}, which its owner did not sign" in owned.refusal()
    sign(owned.security, owned.mine)
    assert owned.refusal() == ""


def test_a_stranger_s_signature_and_a_broken_one_count_for_nothing(owned: Owned, tmp_path: Path) -> None:
    owned.trust()
    sign(owned.security, SigningKey.load_or_create(tmp_path / "stranger", OWNER))
    assert "is no signature of a known owner" in owned.refusal()
    signature_file(owned.security).write_text("{")
    assert "can't be read as a signature" in owned.refusal()
    signed = sign(owned.security, owned.mine)
    signed.write_text(signed.read_text().replace("500", "900"))
    assert "is no signature of a known owner" in owned.refusal()


def test_a_signed_file_that_is_taken_away_takes_no_rule_along(owned: Owned) -> None:
    assert owned.refusal() == ""
    owned.trust()
    sign(owned.security, owned.mine)
    assert owned.refusal() == ""
    for path in (owned.security, signature_file(owned.security)):
        path.unlink()
    # Also for a process that starts only now.
    owned.files = OwnersFiles.at(owned.files.platform_file, owned.security, owned.files.signatures)
    assert "a security owner is known here: put it back" in owned.refusal()
