"""No credential that somebody pasted or a program printed is kept, and nothing else is changed."""

from pathlib import Path

import pytest
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from hypothesis import given
from hypothesis import strategies as st

from activities.archive.artifacts import Artifacts
from activities.archive.objects import Objects
from activities.redaction.artifacts import RedactedArtifacts
from activities.redaction.detectors import certain, spans
from activities.redaction.redactor import Redactor

KNOWN = "kept-by-the-gateway-0123"
SECRETS = {
    "AWS Access Key": "AKIAIOSFODNN7EXAMPLQ",
    "GitHub Token": "ghp_" + "a1B2" * 9,
    "Slack Token": "xoxb-123456789012-123456789012-abcdefghijklmnopqrstuvwx",
    "OpenAI Token": "sk-" + "A" * 20 + "T3BlbkFJ" + "b" * 20,
    "Vendor Token": "sk-ant-api03-" + "x9" * 40,
    "a key of this installation": KNOWN,
}
BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA75\nq+/=\n-----END RSA PRIVATE KEY-----"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(lambda: [KNOWN])


@pytest.mark.parametrize("kind", SECRETS)
def test_a_credential_is_taken_out_whole_and_named(redactor: Redactor, kind: str) -> None:
    secret = SECRETS[kind]
    text = f'use "{secret}" for it, or {secret}.'
    clean, kinds = redactor.named(text)
    assert kinds == (kind,)
    assert secret not in clean and secret[8:16] not in clean
    assert len(clean) == len(text)
    assert clean.startswith('use "[redacted]')


@pytest.mark.parametrize("block", [BLOCK, BLOCK.replace("\n", "\\n"), BLOCK[:60]], ids=["lines", "json", "cut off"])
def test_a_private_key_is_taken_out_with_its_contents(redactor: Redactor, block: str) -> None:
    clean = redactor.text(f'{{"key": "{block}", "next": 1}}')
    assert "MIIEpAIB" not in clean
    assert clean.endswith('", "next": 1}')


def test_a_password_in_an_address_is_taken_out_and_the_address_stays(redactor: Redactor) -> None:
    clean = redactor.text("postgres://shop:s3cret@db.internal/shop")
    assert clean.startswith("postgres://shop:") and clean.endswith("@db.internal/shop")
    assert "s3cret" not in clean


@given(st.text())
def test_words_without_a_credential_stay_as_they_are_and_twice_is_as_once(text: str) -> None:
    redactor = Redactor(lambda: [KNOWN])
    clean = redactor.text(text)
    assert len(clean) == len(text)
    assert redactor.text(clean) == clean
    if "://" not in text:
        assert clean == text


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_bytes_are_around_it_a_credential_is_found_and_they_stay(before: bytes, after: bytes) -> None:
    # Letters right beside it would make it another word.
    data = before + b"\n" + KNOWN.encode() + b"\n" + after
    clean = Redactor(lambda: [KNOWN]).output(data)
    assert KNOWN.encode() not in clean
    assert len(clean) == len(data)


def test_a_credential_far_into_a_long_output_is_found(redactor: Redactor) -> None:
    line = "nothing to see in this line of a long build\n"
    data = (line * 20_000 + f"export KEY={SECRETS['AWS Access Key']}\n" + line).encode()
    assert SECRETS["AWS Access Key"].encode() not in redactor.output(data)


async def test_the_archive_keeps_what_people_read_without_secrets_and_patches_as_they_are(
    redactor: Redactor, tmp_path: Path
) -> None:
    artifacts = RedactedArtifacts(Artifacts(Objects.open(str(tmp_path))), redactor)
    data = f"it was {SECRETS['GitHub Token']}\n".encode()
    kept = await artifacts.put(data, name="output.log", media_type="text/plain")
    assert SECRETS["GitHub Token"].encode() not in await artifacts.get(kept)
    patch = await artifacts.put(data, name="patch.diff", media_type="text/x-diff")
    assert await artifacts.get(patch) == data


@given(st.data())
def test_whatever_a_pattern_describes_is_found_in_any_case_it_is_written_in(data: st.DataObject) -> None:
    """Words that a detector's finds must have in them are looked for first, since patterns take their time."""
    detector = data.draw(st.sampled_from([each for each in certain() if isinstance(each, RegexBasedDetector)]))
    pattern = data.draw(st.sampled_from(list(detector.denylist)))
    written = data.draw(st.from_regex(pattern, fullmatch=True))
    text = f"x\n{written}\nx"
    if pattern.search(text) is None or isinstance(detector, JwtTokenDetector | PrivateKeyDetector):
        return
    assert list(spans(detector, text))
