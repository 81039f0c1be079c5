"""What earns trust, what takes it away, and what is nobody's word."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.decisions.attested import WORKER
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import DecisionSigner, DecisionVerifier
from activities.decisions.trust import DEMOTION, FOLDER, Demotion, TrustRecords
from activities.decisions.withdrawals import DECISION
from activities.policy.documents import SecurityPolicy
from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.person import Person


class Ledger:
    """Trust in docs tasks of one repository, and who says what of it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.chains = Chains(Objects.open(str(place / "archive")), FOLDER)
        self.signer = DecisionSigner.load_or_create(place / "keys")
        self.key = SigningKey.load_or_create(place / "keys", WORKER)
        self.security = SecurityPolicy(promote=("grace",))
        self.records = self.with_key(self.key)

    def with_key(self, key: SigningKey) -> TrustRecords:
        record = SignedRecord(self.chains, TrustedKeys(lambda: [self.key.public_key]), key)
        verifier = DecisionVerifier.trusting(self.signer.public_key)
        return TrustRecords(self.chains, verifier, record, lambda: self.security)

    def say(self, action: Action, phase: int, person: str = "grace", **changes: Any) -> Decision:
        now = datetime.now(UTC)
        values = {"action": action, "phase": phase, "person": Person(id=person), "task_id": "", "message": "because"}
        values |= {"repository": "/r", "task_type": "docs", "decided_at": now, "expires_at": now + timedelta(days=1)}
        return Decision.model_validate(values | changes)

    async def keep(self, decision: Decision, signer: DecisionSigner | None = None) -> SignedDecision:
        signed = (signer or self.signer).sign(decision)
        await self.records.keep(signed)
        return signed

    async def phase(self, task_type: str = "docs", repository: str = "/r") -> int:
        return (await self.records.of(repository, task_type)).phase

    def demotion(self, task: str = "t1") -> Demotion:
        return Demotion(repository="/r", task_type="docs", task_id=task, why="reverted", at=datetime.now(UTC))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


async def test_each_kind_of_task_is_trusted_alone_and_one_phase_after_the_other(ledger: Ledger) -> None:
    assert await ledger.phase() == 1
    assert "only 2 can follow" in await ledger.records.refusal(ledger.say(Action.PROMOTE, 3))
    assert await ledger.records.refusal(ledger.say(Action.PROMOTE, 2)) == ""
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    await ledger.keep(ledger.say(Action.PROMOTE, 3))
    assert await ledger.phase() == 3
    assert (await ledger.phase("bug-fix"), await ledger.phase(repository="/other")) == (1, 1)
    assert "it is the last" in await ledger.records.refusal(ledger.say(Action.PROMOTE, 3))


async def test_a_phase_that_was_skipped_on_record_counts_for_nothing(ledger: Ledger) -> None:
    await ledger.keep(ledger.say(Action.PROMOTE, 3))
    assert await ledger.phase() == 1


async def test_only_whom_the_security_owner_names_gives_trust_and_only_while_named(ledger: Ledger) -> None:
    assert "does not name ada" in await ledger.records.refusal(ledger.say(Action.PROMOTE, 2, "ada"))
    await ledger.keep(ledger.say(Action.PROMOTE, 2, "ada"))
    assert await ledger.phase() == 1
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    ledger.security = SecurityPolicy(promote=("linus",))
    assert await ledger.phase() == 1
    ledger.security = SecurityPolicy()
    assert "nobody may give more trust" in await ledger.records.refusal(ledger.say(Action.PROMOTE, 2))


async def test_an_outcome_takes_all_trust_away_once(ledger: Ledger) -> None:
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    await ledger.keep(ledger.say(Action.PROMOTE, 3))
    await ledger.records.demote(ledger.demotion())
    assert await ledger.phase() == 1
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    await ledger.records.demote(ledger.demotion())
    trust = await ledger.records.of("/r", "docs")
    assert (trust.phase, trust.epoch) == (2, 4)
    # A revert that conflicted, and is asked for again by somebody later.
    await ledger.records.demote(ledger.demotion().model_copy(update={"asked": "another signature"}))
    assert await ledger.phase() == 1


async def test_anybody_may_take_trust_away(ledger: Ledger) -> None:
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    assert await ledger.records.refusal(ledger.say(Action.DEMOTE, 1, "ada")) == ""
    await ledger.keep(ledger.say(Action.DEMOTE, 1, "ada"))
    assert await ledger.phase() == 1


async def test_whoever_can_write_to_the_archive_earns_nothing(ledger: Ledger, tmp_path: Path) -> None:
    forger = DecisionSigner.load_or_create(tmp_path / "forger")
    await ledger.keep(ledger.say(Action.PROMOTE, 2), forger)
    assert await ledger.phase() == 1
    honest = await ledger.keep(ledger.say(Action.PROMOTE, 2))
    altered = honest.model_copy(update={"decision": ledger.say(Action.PROMOTE, 3)})
    await ledger.records.keep(altered.model_copy(update={"signature": honest.signature[::-1]}))
    assert await ledger.phase() == 2
    await ledger.with_key(SigningKey.load_or_create(tmp_path / "other", WORKER)).demote(ledger.demotion())
    assert await ledger.phase() == 2


async def test_a_promotion_on_another_s_record_counts_for_nothing(ledger: Ledger) -> None:
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    (name,) = await ledger.chains.task_ids()
    elsewhere = ledger.signer.sign(ledger.say(Action.PROMOTE, 3, repository="/mine"))
    await ledger.chains.append(name, "moved", DECISION, elsewhere.model_dump(mode="json"))
    assert await ledger.phase() == 2


async def test_a_promotion_that_is_copied_behind_a_demotion_gives_nothing_back(ledger: Ledger) -> None:
    first = await ledger.keep(ledger.say(Action.PROMOTE, 2))
    await ledger.records.demote(ledger.demotion())
    (name,) = await ledger.chains.task_ids()
    await ledger.chains.append(name, "again", DECISION, first.model_dump(mode="json"))
    assert await ledger.phase() == 1
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    assert await ledger.phase() == 2


@pytest.mark.parametrize("kind", [DEMOTION, "odd"])
async def test_a_demotion_is_not_lost_to_an_entry_that_somebody_put_in_its_place_before(
    ledger: Ledger, kind: str
) -> None:
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    (name,) = await ledger.chains.task_ids()
    entry = f"demotion-t1-{hashlib.sha256(b'').hexdigest()[:16]}"
    await ledger.chains.append(name, entry, kind, {"statement": {}, "key_id": "x", "signature": "x"})
    await ledger.records.demote(ledger.demotion())
    assert await ledger.phase() == 1
    # Told again, it is the same one.
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    await ledger.records.demote(ledger.demotion())
    assert await ledger.phase() == 2


@pytest.mark.parametrize("other", ["/R", "/r/", "/r/.", "/r\0docs", "/\N{LATIN SMALL LETTER R WITH ACUTE}", "//r"])
async def test_what_is_earned_in_one_repository_is_nothing_in_one_that_is_written_alike(
    ledger: Ledger, other: str
) -> None:
    await ledger.keep(ledger.say(Action.PROMOTE, 2))
    assert (await ledger.phase(), await ledger.phase(repository=other)) == (2, 1)
    (name,) = await ledger.chains.task_ids()
    entries = await ledger.chains.entries(name)
    foreign = ledger.say(Action.PROMOTE, 2, repository=other)
    await ledger.keep(foreign, DecisionSigner.load_or_create(ledger.place / "forger"))
    (copied,) = [one for one in await ledger.chains.task_ids() if one != name]
    await ledger.chains.append(copied, "copied", DECISION, entries[0].data)
    assert await ledger.phase(repository=other) == 1
