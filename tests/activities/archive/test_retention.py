"""Old artefacts go by a stated rule and leave a note; what a line is explained by, and open tasks, lose nothing."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.archive.artifacts import Artifacts, address
from activities.archive.chains import Chains
from activities.archive.contract import Tombstone
from activities.archive.holdings import Holding, Holdings
from activities.archive.kinds import Kind
from activities.archive.objects import ArchiveError, ArtifactRemoved, Objects
from activities.archive.retention import Lifetimes, Retention, has_expired, plan
from activities.archive.schema import upgrade
from activities.archive.tombstones import SignedTombstones
from activities.decisions.attested import WORKER, Attested
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.signed_record import SignedRecord
from tests.activities.archive.old import MERGED, OPEN, REJECTED, contents, version_1
from workers.settings import Settings
from workflows.models.artifact import ArtifactRef

ENDED = datetime(2026, 11, 26, 18, tzinfo=UTC)
DAY = timedelta(days=1)
HASHES = [f"{n:064x}" for n in range(6)]


class Kept:
    """An archive of version 1, upgraded, and everything that sweeps and reads it."""

    def __init__(self, place: Path, lifetimes: Lifetimes) -> None:
        self.archive = version_1(place)
        self.objects = Objects.open(str(self.archive))
        self.chains = Chains(self.objects)
        key = SigningKey.load_or_create(place / "own", WORKER)
        self.tombstones = SignedTombstones(self.objects, TrustedKeys(lambda: [key.public_key]), key)
        self.artifacts = Artifacts(self.objects, self.tombstones)
        self.retention = Retention(self.objects, self.chains, self.tombstones, lifetimes)

    async def holds(self, task_id: str) -> set[tuple[Kind | None, ArtifactRef]]:
        return set((await Holdings(self.objects, self.chains).of(task_id)).artifacts)

    async def missing(self, task_id: str) -> set[str]:
        """Names of what a task refers to and is not there."""
        return {ref.name for _, ref in await self.holds(task_id) if not (self.archive / address(ref.sha256)).exists()}


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    (tmp_path / "own").mkdir()
    made = Kept(tmp_path, Settings(state=tmp_path).lifetimes())
    [_ async for _ in upgrade(made.objects, made.chains, dry_run=False)]
    return made


async def test_by_default_logs_and_checkpoints_go_first_and_what_explains_a_line_never_does(kept: Kept) -> None:
    assert await kept.retention.sweep(ENDED + 80 * DAY) == {}
    removed = await kept.retention.sweep(ENDED + 92 * DAY)
    assert removed.keys() == {"log"} and await kept.missing(MERGED)
    assert await kept.missing(MERGED) >= {"guarded-0-output.txt"}
    await kept.retention.sweep(ENDED + 367 * DAY)
    await kept.retention.sweep(ENDED + 50 * 365 * DAY)
    gone = await kept.missing(MERGED) | await kept.missing(REJECTED)
    assert not gone & {"patch.bundle", "patch.diff", "evidence.json", "prompt.md", "manifest.json", "egress.jsonl"}
    attested = Attested(SignedRecord(kept.chains, TrustedKeys.of_role(kept.archive.parent / "keys", WORKER)))
    assert len(await attested.runs(MERGED)) == len(await attested.evidence(MERGED)) == 2
    assert not list((kept.archive / "traces").glob("*/*3rg3ajwlyi*"))


async def test_an_open_task_keeps_everything_however_old_also_what_it_shares_with_ended_ones(kept: Kept) -> None:
    everything = Retention(kept.objects, kept.chains, kept.tombstones, dict.fromkeys(Kind, DAY))
    shared = {ref.sha256 for _, ref in await kept.holds(OPEN)} & {ref.sha256 for _, ref in await kept.holds(MERGED)}
    assert shared
    before = contents(kept.archive)
    await everything.sweep(ENDED + 4000 * DAY)
    assert await kept.missing(OPEN) == set()
    assert all((kept.archive / address(sha256)).exists() for sha256 in shared)
    after = contents(kept.archive)
    assert {name: data for name, data in before.items() if OPEN in name} == {
        name: data for name, data in after.items() if OPEN in name
    }


async def test_what_was_removed_is_told_with_what_it_was_when_and_by_which_rule(kept: Kept) -> None:
    entries = await kept.chains.entries(MERGED)
    await kept.retention.sweep(ENDED + 92 * DAY)
    assert await kept.chains.entries(MERGED) == entries
    logs = [ref for kind, ref in await kept.holds(MERGED) if kind is Kind.LOG]
    log = next(ref for ref in logs if not (kept.archive / address(ref.sha256)).exists())
    with pytest.raises(
        ArtifactRemoved, match=r"-output.txt .* was removed on 2027-02-26 by retention: log artefacts .*90"
    ):
        await kept.artifacts.get(log)
    stone = await kept.tombstones.of(log)
    assert stone is not None and (stone.sha256, stone.size, stone.kind) == (log.sha256, log.size, "log")


async def test_a_note_that_nobody_here_signed_does_not_pass_for_a_removal(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    stranger = SigningKey.load_or_create(tmp_path / "stranger", WORKER)
    forged = SignedTombstones(kept.objects, TrustedKeys(lambda: [stranger.public_key]), stranger)
    ref = next(ref for kind, ref in await kept.holds(MERGED) if kind is Kind.EVIDENCE and ref.name == "evidence.json")
    (kept.archive / address(ref.sha256)).unlink()
    await forged.put(
        Tombstone(sha256=ref.sha256, size=ref.size, kind="evidence", name=ref.name, removed_at=ENDED, rule="retention")
    )
    with pytest.raises(ArchiveError, match="not in the archive: restore it"):
        await kept.artifacts.get(ref)


async def test_a_note_about_something_else_does_not_pass_for_a_removal_of_evidence_or_of_a_trace(kept: Kept) -> None:
    await kept.retention.sweep(ENDED + 367 * DAY)
    logs = [ref for kind, ref in await kept.holds(MERGED) if kind is Kind.LOG]
    log = next(ref for ref in logs if (kept.archive / "tombstones" / ref.sha256[:2] / f"{ref.sha256}.json").exists())
    evidence = next(ref for _, ref in await kept.holds(MERGED) if ref.name == "evidence.json")
    trace = (await Holdings(kept.objects, kept.chains).of(MERGED)).trace_id
    notes = kept.archive / "tombstones"
    told = await kept.tombstones.of_trace(trace)
    assert told is not None and told.trace_id == trace
    (kept.archive / address(evidence.sha256)).unlink()
    other_trace = "f" * 32
    for of, to in ((log.sha256, evidence.sha256), (trace, other_trace), (log.sha256, other_trace[::-1] + "0")):
        target = notes / to[:2] / f"{to}.json"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((notes / of[:2] / f"{of}.json").read_bytes())
    with pytest.raises(ArchiveError, match="not in the archive: restore it"):
        await kept.artifacts.get(evidence)
    assert await kept.tombstones.of_trace(other_trace) is None
    assert await kept.tombstones.of_trace(other_trace[::-1] + "0") is None


async def test_what_was_stored_again_lately_is_young_and_stays(kept: Kept) -> None:
    now = ENDED + 92 * DAY
    shared = {ref.sha256 for _, ref in await kept.holds(OPEN)}
    ref = next(
        ref for _, ref in await kept.holds(MERGED) if ref.name == "guarded-0-output.txt" and ref.sha256 not in shared
    )
    data = await kept.artifacts.get(ref)
    os.utime(kept.archive / address(ref.sha256), (now.timestamp() - 60,) * 2)
    await kept.retention.sweep(now)
    assert await kept.artifacts.get(ref) == data
    await kept.retention.sweep(now + 2 * DAY)
    with pytest.raises(ArtifactRemoved):
        await kept.artifacts.get(ref)
    # A task that stores the same bytes once more has them.
    again = await kept.artifacts.put(data, name="output.log")
    assert await kept.artifacts.get(again) == data and await kept.tombstones.of(again) is None


async def test_storing_what_is_there_makes_it_young(tmp_path: Path) -> None:
    artifacts = Artifacts(Objects.open(str(tmp_path)))
    ref = await artifacts.put(b"the same", name="output.log")
    os.utime(tmp_path / address(ref.sha256), (0, 0))
    await artifacts.put(b"the same", name="output.log")
    assert (tmp_path / address(ref.sha256)).stat().st_mtime > 0


async def test_sweeps_that_race_or_die_half_way_end_like_one(kept: Kept, tmp_path: Path) -> None:
    now = ENDED + 400 * DAY
    (tmp_path / "other" / "own").mkdir(parents=True)
    whole = Kept(tmp_path / "other", Settings(state=tmp_path).lifetimes())
    [_ async for _ in upgrade(whole.objects, whole.chains, dry_run=False)]
    await whole.retention.sweep(now)
    torn = asyncio.create_task(kept.retention.sweep(now))
    while not (kept.archive / "tombstones").exists():
        await asyncio.sleep(0)
    torn.cancel()
    await asyncio.gather(torn, return_exceptions=True)
    await asyncio.gather(*(kept.retention.sweep(now) for _ in range(3)))
    assert contents(kept.archive).keys() == contents(whole.archive).keys()


async def test_a_record_that_is_broken_keeps_what_it_refers_to(kept: Kept) -> None:
    (kept.archive / "tasks" / REJECTED / "000003.json").unlink()
    before = {ref.name for _, ref in await kept.holds(REJECTED)} - await kept.missing(REJECTED)
    await Retention(kept.objects, kept.chains, kept.tombstones, dict.fromkeys(Kind, DAY)).sweep(ENDED + 4000 * DAY)
    assert before <= {ref.name for _, ref in await kept.holds(REJECTED)} - await kept.missing(REJECTED)
    (kept.archive / "tasks" / REJECTED / "000002.json").write_text("{")
    with pytest.raises(ArchiveError, match="nothing is removed: restore"):
        await Retention(kept.objects, kept.chains, kept.tombstones, {Kind.REQUEST: DAY}).sweep(ENDED + 4000 * DAY)


def holdings() -> st.SearchStrategy[list[Holding]]:
    ref = st.builds(ArtifactRef, sha256=st.sampled_from(HASHES), size=st.just(1))
    held = st.tuples(st.sampled_from([None, *Kind]), ref)
    ended = st.none() | st.integers(0, 400).map(lambda days: ENDED + days * DAY)
    return st.lists(st.builds(Holding, st.text(max_size=3), ended, st.sampled_from("ab"), st.frozensets(held)))


@given(holdings(), st.dictionaries(st.sampled_from(Kind), st.none() | st.integers(1, 300).map(lambda n: n * DAY)))
def test_nothing_that_any_living_reference_needs_is_ever_planned(held: list[Holding], lifetimes: Lifetimes) -> None:
    now = ENDED + 300 * DAY
    planned = plan(held, lifetimes, now)
    hashes = {ref.sha256 for ref in planned.blobs}
    for one in held:
        for kind, ref in one.artifacts:
            if ref.sha256 in hashes:
                assert one.ended is not None and has_expired(kind, one.ended, lifetimes, now)
        if one.trace_id in planned.traces:
            assert one.ended is not None and has_expired(Kind.TRACE, one.ended, lifetimes, now)
    # And what nothing needs any more is.
    dead = {ref.sha256 for one in held for kind, ref in one.artifacts if has_expired(kind, one.ended, lifetimes, now)}
    alive = {
        ref.sha256 for one in held for kind, ref in one.artifacts if not has_expired(kind, one.ended, lifetimes, now)
    }
    assert hashes == dead - alive
