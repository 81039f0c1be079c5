"""An archive outlives the versions of the program: an old one is upgraded, a newer one refused, none is misread."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.archive.chains import Chains
from activities.archive.ended import EndedTasks
from activities.archive.intents import Intents
from activities.archive.objects import ArchiveError, Objects
from activities.archive.schema import (
    ARCHIVE_VERSION,
    ArchiveTooNew,
    ArchiveTooOld,
    readable_version,
    require_current,
    upgrade,
    version_of,
)
from activities.decisions.admissions import Admissions
from activities.decisions.attested import WORKER, Attested
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.refused import ActionRefused
from activities.decisions.signed_chain import signed_decisions
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import GATEWAY, DecisionVerifier
from activities.decisions.withdrawals import Withdrawals
from tests.activities.archive.old import DAY, MERGED, OPEN, REJECTED, contents, version_1
from workflows.models.decision import Action
from workflows.models.run import RunEnd, RunResult


def trusted(place: Path, role: str) -> TrustedKeys:
    return TrustedKeys.of_role(place / "keys", role)


async def test_an_archive_of_version_1_is_refused_until_it_is_upgraded_and_keeps_every_byte(tmp_path: Path) -> None:
    archive = version_1(tmp_path)
    before, objects = contents(archive), Objects.open(str(archive))
    with pytest.raises(ArchiveTooOld, match="journeyman upgrade --dry-run"):
        await require_current(objects)
    told = [line async for line in upgrade(objects, Chains(objects), dry_run=True)]
    assert "would become 2" in told[0] and contents(archive) == before
    told = [line async for line in upgrade(objects, Chains(objects), dry_run=False)]
    assert told[-1] == f"the archive has version {ARCHIVE_VERSION} now"
    after = contents(archive)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"schema/000002.json", f"ended/{DAY}/{MERGED}", f"ended/{DAY}/{REJECTED}"}
    assert await EndedTasks(objects).all() == dict.fromkeys((MERGED, REJECTED), date.fromisoformat(DAY))
    await require_current(objects)
    again = [line async for line in upgrade(objects, Chains(objects), dry_run=False)]
    assert again == ["the archive has version 2: there is nothing to upgrade"] and contents(archive) == after


async def test_what_was_signed_and_asked_before_an_upgrade_counts_after_it(tmp_path: Path) -> None:
    archive = version_1(tmp_path)
    objects = Objects.open(str(archive))
    [_ async for _ in upgrade(objects, Chains(objects), dry_run=False)]
    chains, verifier = Chains(objects), DecisionVerifier(trusted(tmp_path, GATEWAY))
    assert (await Admissions(chains, verifier).of(OPEN)).goal == "leave it open"
    actions = [signed.decision.action for signed in await signed_decisions(chains, MERGED, verifier)]
    assert actions == [Action.REQUEST_CHANGES, Action.APPROVE, Action.MERGE]
    attested = Attested(SignedRecord(chains, trusted(tmp_path, WORKER)))
    assert len(await attested.runs(MERGED)) == len(await attested.evidence(MERGED)) == 2
    assert await attested.merge(MERGED) is not None
    record, new = await Intents(objects).claim(["linear:ENG-1"])
    assert (record.task_id, new) == (MERGED, False)


@settings(deadline=None, max_examples=20)
@given(killed_after=st.lists(st.integers(0, 6), max_size=4))
async def test_an_upgrade_that_was_killed_is_begun_again_and_ends_as_if_it_never_was(
    tmp_path_factory: pytest.TempPathFactory, killed_after: list[int]
) -> None:
    whole, torn = (version_1(tmp_path_factory.mktemp("archive")) for _ in range(2))
    objects = Objects.open(str(whole))
    [_ async for _ in upgrade(objects, Chains(objects), dry_run=False)]
    for writes in killed_after:
        objects = Objects.open(str(torn))
        dying = DyingObjects(objects, writes)
        try:
            [_ async for _ in upgrade(dying, Chains(dying), dry_run=False)]
        except KilledHere:
            assert await version_of(objects) == 1
    objects = Objects.open(str(torn))
    [_ async for _ in upgrade(objects, Chains(objects), dry_run=False)]
    assert contents(torn).keys() == contents(whole).keys()


class KilledHere(BaseException):
    """As SIGKILL, between two writes."""


class DyingObjects(Objects):
    """An object store whose process dies before one write more."""

    def __init__(self, objects: Objects, writes: int) -> None:
        super().__init__(objects._store)
        self._left = writes

    async def create(self, name: str, data: bytes) -> bool:
        if self._left == 0:
            raise KilledHere
        self._left -= 1
        return await super().create(name, data)


async def test_a_broken_record_is_told_and_keeps_nothing_else_from_being_upgraded(tmp_path: Path) -> None:
    archive = version_1(tmp_path)
    (archive / "tasks" / REJECTED / "000002.json").unlink()
    objects = Objects.open(str(archive))
    told = [line async for line in upgrade(objects, Chains(objects), dry_run=False)]
    assert any("left as it is" in line and REJECTED in line for line in told)
    assert list(await EndedTasks(objects).all()) == [MERGED]
    await require_current(objects)


async def test_a_new_archive_states_its_version_and_only_looking_at_it_does_not(tmp_path: Path) -> None:
    objects = Objects.open(str(tmp_path / "archive"))
    assert await readable_version(objects) == 0 and contents(tmp_path) == {}
    await require_current(objects)
    assert json.loads((tmp_path / "archive" / "schema" / "000002.json").read_bytes())["schema_version"] == 2


async def test_an_archive_of_a_newer_version_is_refused_with_the_version_that_made_it(tmp_path: Path) -> None:
    objects = Objects.open(str(tmp_path / "archive"))
    await require_current(objects)
    await objects.create("schema/000009.json", b'{"schema_version": 9, "journeyman": "7.1.0"}')
    for refusing in (require_current(objects), anext(upgrade(objects, Chains(objects), dry_run=False))):
        with pytest.raises(ArchiveTooNew, match=r"version 9 \(of Journeyman 7\.1\.0\)"):
            await refusing


async def test_one_entry_one_claim_or_one_signature_of_a_newer_version_is_refused_and_never_passed_over(
    tmp_path: Path,
) -> None:
    archive = version_1(tmp_path)
    objects = Objects.open(str(archive))
    claim = next(path for path in archive.rglob("claim.json") if "ENG-1" in path.read_text())
    claim.write_text(claim.read_text().replace('"schema_version":1', '"schema_version":2'))
    with pytest.raises(ArchiveError, match="newer Journeyman: upgrade this one"):
        await Intents(objects).claim(["linear:ENG-1"])
    key = SigningKey.load_or_create(tmp_path, WORKER)
    chains = Chains(Objects.open(str(tmp_path / "other")))
    record = SignedRecord(chains, TrustedKeys(lambda: [key.public_key]), key)
    await Attested(record).add_run("t1", RunResult(run_id="t1-1-1", end=RunEnd.EXITED), ())
    (stored,) = await chains.entries("t1")
    await chains.append("t2", "run", "run", {**stored.data, "schema_version": 2})
    with pytest.raises(ArchiveError, match="newer Journeyman: upgrade this one"):
        await record.read("t2", "run", RunResult)


async def test_a_rejection_that_a_newer_gateway_signed_is_not_passed_over_like_a_forgery(tmp_path: Path) -> None:
    archive = version_1(tmp_path)
    chains = Chains(Objects.open(str(archive)))
    verifier = DecisionVerifier(trusted(tmp_path, GATEWAY))
    rejected = next(entry for entry in await chains.entries(REJECTED) if entry.kind == "decision")
    await chains.append("t3", "decision", "decision", {**rejected.data, "schema_version": 2})
    for reading in (Withdrawals(chains, verifier).ended("t3"), signed_decisions(chains, "t3", verifier)):
        with pytest.raises(ArchiveError, match="newer Journeyman: upgrade this one"):
            await reading
    admitted = (await chains.entries(MERGED))[0]
    await chains.append("t4", "admission", "admission", {**admitted.data, "schema_version": 2})
    with pytest.raises(ActionRefused, match="newer Journeyman: upgrade this one"):
        await Admissions(chains, verifier).of("t4")
