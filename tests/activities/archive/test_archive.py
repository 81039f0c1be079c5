"""What is on record stays as it was, and an intent never leads to two tasks."""

import asyncio
import itertools
from pathlib import Path

import pytest

from activities.archive.artifacts import Artifacts
from activities.archive.chains import Chains
from activities.archive.intents import Intents
from activities.archive.objects import ArchiveError, Objects


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects.open(str(tmp_path / "archive"))


async def test_a_blob_comes_back_as_it_was_stored(objects: Objects) -> None:
    artifacts = Artifacts(objects)
    ref = await artifacts.put(b"\x00\xffpatch", name="patch.diff")
    assert await artifacts.put(b"\x00\xffpatch", name="again") == ref.model_copy(update={"name": "again"})
    assert await artifacts.get(ref) == b"\x00\xffpatch"


async def test_a_changed_or_missing_blob_is_noticed(objects: Objects, tmp_path: Path) -> None:
    artifacts = Artifacts(objects)
    ref = await artifacts.put(b"evidence", name="evidence.json")
    (blob,) = [path for path in (tmp_path / "archive" / "blobs").rglob("*") if path.is_file()]
    blob.write_bytes(b"forged")
    with pytest.raises(ArchiveError, match="was changed"):
        await artifacts.get(ref)
    blob.unlink()
    with pytest.raises(ArchiveError, match="not in the archive"):
        await artifacts.get(ref)


async def test_a_retried_record_is_kept_once(objects: Objects) -> None:
    chains = Chains(objects)
    first = await chains.append("t1", "outcome", "outcome", {"merged": True})
    assert await chains.append("t1", "outcome", "outcome", {"merged": True}) == first
    assert await chains.entries("t1") == (first,)


async def test_writers_that_race_lose_no_entry(objects: Objects) -> None:
    chains = Chains(objects)
    await asyncio.gather(*(chains.append("t1", f"e{n}", "event", {"n": n}) for n in range(12)))
    entries = await chains.entries("t1")
    assert sorted(entry.entry_id for entry in entries) == sorted(f"e{n}" for n in range(12))
    assert [entry.number for entry in entries] == list(range(1, 13))


@pytest.mark.parametrize("damage", ["change", "remove"])
async def test_a_changed_or_removed_entry_is_noticed(objects: Objects, tmp_path: Path, damage: str) -> None:
    chains = Chains(objects)
    for n in range(3):
        await chains.append("t1", f"e{n}", "event", {"n": n})
    middle = tmp_path / "archive" / "tasks" / "t1" / "000002.json"
    if damage == "remove":
        middle.unlink()
    else:
        middle.write_text(middle.read_text().replace('"n": 1', '"n": 7'))
    with pytest.raises(ArchiveError, match="removed or changed"):
        await chains.entries("t1")


async def test_the_same_intent_asked_at_once_from_many_sides_is_one_task(objects: Objects) -> None:
    claims = await asyncio.gather(*(Intents(objects).claim(["linear:ENG-1"]) for _ in range(20)))
    assert sum(new for _, new in claims) == 1
    assert len({record.task_id for record, _ in claims}) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_sides_that_share_any_key_meet_at_one_task(objects: Objects, order: tuple[int, ...]) -> None:
    asks = [["linear:ENG-1", "slack:T:C:1"], ["linear:ENG-1", "github:acme/shop#7"], ["linear:ENG-1"]]
    claims = [await Intents(objects).claim(asks[index]) for index in order]
    assert [new for _, new in claims] == [True, False, False]
    assert len({record.task_id for record, _ in claims}) == 1


async def test_sides_that_share_a_key_meet_even_when_they_race(objects: Objects) -> None:
    asks = [["linear:ENG-1", "slack:T:C:1"], ["linear:ENG-1", "github:acme/shop#7"], ["linear:ENG-1"]] * 5
    claims = await asyncio.gather(*(Intents(objects).claim(ask) for ask in asks))
    assert sum(new for _, new in claims) == 1
    assert len({record.task_id for record, _ in claims}) == 1


async def test_a_chat_thread_that_came_first_keeps_its_task_when_the_issue_is_named_later(objects: Objects) -> None:
    first, _ = await Intents(objects).claim(["slack:T:C:1"])
    second, new = await Intents(objects).claim(["linear:ENG-1", "slack:T:C:1"])
    third, _ = await Intents(objects).claim(["linear:ENG-1"])
    assert (second.task_id, third.task_id, new) == (first.task_id, first.task_id, False)


async def test_an_asker_that_died_half_way_leaves_no_intent_that_leads_nowhere(
    objects: Objects, tmp_path: Path
) -> None:
    await Intents(objects).claim(["linear:ENG-1", "slack:T:C:1"])
    claims = sorted((tmp_path / "archive" / "intents").rglob("claim.json"))
    (root,) = [path for path in claims if '"leads_to":""' in path.read_text()]
    root.unlink()
    record = await Intents(objects).find("slack:T:C:1")
    again, new = await Intents(objects).claim(["linear:ENG-1"])
    assert record is not None
    assert (again.task_id, new) == (record.task_id, False)


async def test_asking_again_makes_one_next_attempt(objects: Objects) -> None:
    first, _ = await Intents(objects).claim(["cli:1"])
    claims = await asyncio.gather(*(Intents(objects).claim(["cli:1"], after=first.attempt) for _ in range(5)))
    # Also one that saw the first attempt end, and asks when the second is there already.
    claims.append(await Intents(objects).claim(["cli:1"], after=first.attempt))
    assert [record.attempt for record, _ in claims] == [2] * 6
    assert sum(new for _, new in claims) == 1
    assert (await Intents(objects).claim(["cli:1"]))[0].attempt == 2
    assert (await Intents(objects).claim(["cli:1"], after=2))[0].attempt == 3
