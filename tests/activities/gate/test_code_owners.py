"""Owners of changed paths, as GitHub would have them."""

import asyncio
import time

import pytest

from activities.gate.code_owners import OwnersUnreadable, owned, unreadable
from activities.gate.owner_matching import SECONDS
from activities.policy.documents import PersonEntry, PlatformPolicy
from workflows.models.gate import ApprovalNeeds

PEOPLE = PlatformPolicy(
    profile="team",
    people={"ada": PersonEntry(github="Ada-L", mail="ada@acme.example"), "grace": PersonEntry(github="grace")},
    groups={"acme/pay": ("grace",)},
)
FILE = b"*       @ada-l\npay/    @acme/pay ada@acme.example\ndocs/\n*.sql   @nobody\n"


async def persons(*changed: str) -> list[tuple[str, ...]]:
    return [group.persons for group in await owned(FILE, changed, PEOPLE)]


async def test_accounts_teams_and_addresses_are_found_as_persons() -> None:
    assert await persons("a.py") == [("ada",)]
    assert await persons("pay/a.py") == [("ada", "grace")]


async def test_the_last_line_that_fits_counts_and_one_without_names_is_nobody_s() -> None:
    assert await persons("docs/a.md") == []
    assert await persons("pay/x.sql") == [()]


async def test_each_group_of_owners_has_to_be_heard() -> None:
    needs = ApprovalNeeds(owned=await owned(FILE, ("a.py", "pay/a.py", "pay/x.sql"), PEOPLE))
    missing = needs.missing(frozenset({"ada"}))
    assert missing == "one of nobody of [people] (@nobody own pay/x.sql)"
    assert "@acme/pay" in needs.missing(frozenset({"linus"}))


@pytest.mark.parametrize("text", [b"x" * 300_000, b"a" + b"*a" * 30 + b" @ada", b"[ab @ada", b"/x " + b"@y " * 900])
async def test_a_file_that_can_t_be_used_lets_nobody_approve(text: bytes) -> None:
    with pytest.raises(OwnersUnreadable) as refused:
        await owned(text, ("a.py",), PEOPLE)
    assert "CODEOWNERS" in ApprovalNeeds(owned=unreadable(refused.value)).missing(frozenset({"ada", "grace"}))


def test_who_approves_twice_is_one_person() -> None:
    assert ApprovalNeeds(count=2).missing(frozenset({"ada"})) == "one more approval"
    assert ApprovalNeeds(count=3).missing(frozenset({"ada"})) == "2 more approvals"
    assert ApprovalNeeds(count=2).missing(frozenset({"ada", "grace"})) == ""


@pytest.mark.parametrize(
    "text", [b"*a*a*a*a*a*a*a*b @ada\n" * 3000, b"a/**/a/**/a/**/a/**b @ada\n" * 3000], ids=["stars", "deep"]
)
async def test_patterns_and_paths_that_were_made_to_take_for_ever_hold_nothing_up(text: bytes) -> None:
    """The process that asks has heartbeats to send for everybody else's work."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.05)
            beats += 1

    beating = asyncio.create_task(beat())
    began = time.monotonic()
    with pytest.raises(OwnersUnreadable, match="CODEOWNERS takes too long"):
        await owned(text, ("a" * 200, "a/" * 1500 + "a"), PEOPLE)
    took = time.monotonic() - began
    beating.cancel()
    assert took < SECONDS + 5
    assert beats > took / 0.05 / 4


@pytest.mark.parametrize(
    "text",
    [b"\xef\xbb\xbf* @ada-l\n", b"*\r\n* @ada-l\r\n", b"* @nobody\0\n* @ada-l\n", b"x\xff @grace\n* @ada-l\n"],
    ids=["bom", "crlf", "nul", "no-text"],
)
async def test_an_odd_file_names_its_owners_or_says_that_it_can_t_be_read(text: bytes) -> None:
    try:
        groups = await owned(text, ("a.py", "b\udcff"), PEOPLE)
    except OwnersUnreadable:
        return
    assert groups and all(group.persons == ("ada",) for group in groups)
