"""The record of halts counts by signature, and what can't be read is never taken for nothing halted."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.decisions.halts import FOLDER, Halted, HaltRecord, HaltsUnreadable
from activities.decisions.keys import SigningKey, TrustedKeys
from workflows.models.halt import HaltAction, HaltEntry, HaltScope, Reach, Work
from workflows.models.person import Person

SHOP = Work(repository="/shop", team="sales")
SCOPE = HaltScope(reach=Reach.REPOSITORY, name="/shop")


def entry(number: int, action: HaltAction = HaltAction.HALT, *lifts: str, reason: str = "leak") -> HaltEntry:
    return HaltEntry(
        id=f"{number:08d}",
        action=action,
        scope=SCOPE,
        lifts=lifts,
        person=Person(id="ada"),
        reason=reason,
        at=datetime.now(UTC),
    )


class Bench:
    """An archive, a gateway that writes to it, and others who read."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.objects = Objects.open(str(place / "archive"))
        self.key = SigningKey.load_or_create(place / "keys", "gateway")
        self.gateway = self.reader(self.key)

    def reader(self, key: SigningKey | None = None, memory: Path | None = None) -> HaltRecord:
        public = self.key.public_key
        return HaltRecord(self.objects, TrustedKeys(lambda: (public,)), key, memory=memory)

    @property
    def files(self) -> list[Path]:
        return sorted((self.place / "archive" / FOLDER).rglob("*.json"))

    async def standing(self) -> list[str]:
        return [halt.id for halt in await self.reader().standing()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_who_halted_what_and_why_is_on_record_and_stands_until_it_is_lifted(bench: Bench) -> None:
    reader = bench.reader()
    assert await reader.standing() == ()
    await reader.refuse(SHOP)
    await bench.gateway.add(entry(1))
    with pytest.raises(
        Halted, match=r"halted \(repository /shop\) by ada at .*: leak; `journeyman resume --repo /shop`"
    ):
        await reader.refuse(SHOP)
    await reader.refuse(Work(repository="/till", team="till"))
    await bench.gateway.add(entry(2, HaltAction.RESUME, "00000001"))
    await reader.refuse(SHOP)
    assert [one.action for one in await reader.entries()] == [HaltAction.HALT, HaltAction.RESUME]


async def test_the_same_halt_put_on_record_twice_is_one(bench: Bench) -> None:
    await bench.gateway.add(entry(1))
    await bench.gateway.add(entry(1))
    assert len(bench.files) == 1


async def test_nobody_halts_or_resumes_without_a_gateways_signature(bench: Bench) -> None:
    await bench.gateway.add(entry(1))
    stranger = HaltRecord(
        bench.objects, TrustedKeys(lambda: ()), SigningKey.load_or_create(bench.place / "strange", "gateway")
    )
    await stranger.add(entry(2, HaltAction.RESUME, "00000001"))
    await stranger.add(entry(3))
    chains = Chains(bench.objects, FOLDER)
    forged = entry(4, HaltAction.RESUME, "00000001").model_dump(mode="json")
    await chains.append("installation", "plain", "halt", forged)
    signed = json.loads(bench.files[0].read_text())["data"]
    bent = signed | {"statement": signed["statement"] | {"action": "resume", "lifts": ["00000001"]}}
    await chains.append("installation", "bent", "halt", bent)
    assert await bench.standing() == ["00000001"]


async def test_a_resume_that_was_copied_to_the_end_lifts_no_later_halt(bench: Bench) -> None:
    await bench.gateway.add(entry(1))
    await bench.gateway.add(entry(2, HaltAction.RESUME, "00000001"))
    copied = json.loads(bench.files[1].read_text())["data"]
    await bench.gateway.add(entry(3))
    await Chains(bench.objects, FOLDER).append("installation", "copied", "halt", copied)
    assert await bench.standing() == ["00000003"]


@pytest.mark.parametrize("how", ["changed", "removed in the middle", "no JSON", "by a newer version"])
async def test_a_record_that_is_broken_refuses_and_is_not_taken_for_an_empty_one(bench: Bench, how: str) -> None:
    await bench.gateway.add(entry(1))
    await bench.gateway.add(entry(2, HaltAction.RESUME, "00000001"))
    first = bench.files[0]
    if how == "changed":
        first.write_text(first.read_text().replace("leak", "none"))
    elif how == "removed in the middle":
        first.unlink()
    elif how == "no JSON":
        bench.files[1].write_text("{")
    else:
        data = json.loads(bench.files[1].read_text())
        bench.files[1].write_text(json.dumps(data | {"schema_version": 99}))
    with pytest.raises(HaltsUnreadable, match="can't be read"):
        await bench.reader().standing()
    with pytest.raises(Halted, match="not known what is halted"):
        await bench.reader().refuse(SHOP)
    with pytest.raises(HaltsUnreadable):
        await bench.gateway.add(entry(3))


async def test_a_halt_that_is_removed_from_the_archive_is_missed_also_by_the_next_process(bench: Bench) -> None:
    memory = bench.place / "halts"
    reader = bench.reader(memory=memory)
    await bench.gateway.add(entry(1))
    await bench.gateway.add(entry(2))
    assert len(await reader.standing()) == 2
    bench.files[1].unlink()
    for again in (reader, bench.reader(memory=memory)):
        with pytest.raises(HaltsUnreadable, match="there were 2 entries and there are 1: restore them, or remove"):
            await again.standing()
    memory.unlink()
    assert len(await bench.reader(memory=memory).standing()) == 1


async def test_an_archive_that_is_away_is_told_apart_from_one_without_halts(bench: Bench) -> None:
    reader = bench.reader()
    assert await reader.standing() == ()
    await bench.gateway.add(entry(1))
    folder = bench.place / "archive"
    folder.rename(bench.place / "away")
    folder.write_text("not a folder")
    with pytest.raises(HaltsUnreadable):
        await reader.standing()
    folder.unlink()
    (bench.place / "away").rename(folder)
    assert [halt.id for halt in await reader.standing()] == ["00000001"]


async def test_halts_are_told_of_that_hold_nothing_once_the_key_was_replaced_until_somebody_says_again(
    bench: Bench,
) -> None:
    await bench.gateway.add(entry(1))
    await bench.gateway.add(entry(2))
    await bench.gateway.add(entry(3, HaltAction.RESUME, entry(1).id))
    assert await bench.reader().unconfirmed() == ()
    bench.key = SigningKey.load_or_create(bench.place / "new keys", "gateway")
    assert await bench.standing() == []
    # What had been lifted is over, whoever lifted it.
    assert [halt.id for halt in await bench.reader().unconfirmed()] == [entry(2).id]
    gateway = bench.reader(bench.key)
    await gateway.add(entry(4).model_copy(update={"scope": HaltScope(reach=Reach.ALL)}))
    assert [halt.id for halt in await bench.reader().unconfirmed()] == [entry(2).id]
    await gateway.add(entry(5))
    assert await bench.reader().unconfirmed() == ()
    assert await bench.standing() == [entry(4).id, entry(5).id]
