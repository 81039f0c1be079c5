"""A decision counts only if a known gateway signed exactly it, and not for ever."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.decisions.signing import DecisionSigner, DecisionVerifier, SignatureRefused
from workflows.models.decision import Action, Decision
from workflows.models.person import Person

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DECISION = Decision(
    action=Action.APPROVE,
    person=Person(id="bob"),
    task_id="t1",
    head="a" * 40,
    evidence_hash="b" * 64,
    decided_at=NOW,
    expires_at=NOW + timedelta(minutes=5),
)


def test_a_signed_decision_is_accepted_also_after_it_travelled_as_json(tmp_path: Path) -> None:
    signer = DecisionSigner.load_or_create(tmp_path)
    signed = signer.sign(DECISION)
    travelled = type(signed).model_validate_json(signed.model_dump_json())
    DecisionVerifier.trusting(signer.public_key).verify(travelled, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"head": "c" * 40},
        {"evidence_hash": ""},
        {"person": Person(id="eve")},
        {"action": Action.MERGE},
        {"task_id": "t2"},
    ],
)
def test_a_decision_changed_after_signing_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    signer = DecisionSigner.load_or_create(tmp_path)
    forged = signer.sign(DECISION).model_copy(update={"decision": DECISION.model_copy(update=change)})
    with pytest.raises(SignatureRefused, match="does not fit"):
        DecisionVerifier.trusting(signer.public_key).verify(forged, NOW)


def test_another_key_rubbish_and_an_old_signature_are_refused(tmp_path: Path) -> None:
    signer = DecisionSigner.load_or_create(tmp_path / "ours")
    verifier = DecisionVerifier.trusting(signer.public_key)
    with pytest.raises(SignatureRefused, match="unknown gateway"):
        verifier.verify(DecisionSigner.load_or_create(tmp_path / "theirs").sign(DECISION), NOW)
    with pytest.raises(SignatureRefused, match="does not fit"):
        verifier.verify(signer.sign(DECISION).model_copy(update={"signature": "ünsinn"}), NOW)
    with pytest.raises(SignatureRefused, match="expired"):
        verifier.verify(signer.sign(DECISION), NOW + timedelta(minutes=6))


def test_two_gateways_started_at_once_share_one_key_that_nobody_else_can_read(tmp_path: Path) -> None:
    first, second = DecisionSigner.load_or_create(tmp_path), DecisionSigner.load_or_create(tmp_path)
    assert first.key.key_id == second.key.key_id
    assert (tmp_path / "gateway.key").stat().st_mode & 0o077 == 0
