"""Owners of changed paths, as GitHub would have them."""

import pytest

from activities.gate.code_owners import OwnersUnreadable, owned, unreadable
from activities.policy.documents import PersonEntry, PlatformPolicy
from workflows.models.gate import ApprovalNeeds

PEOPLE = PlatformPolicy(
    profile="team",
    people={"ada": PersonEntry(github="Ada-L", mail="ada@acme.example"), "grace": PersonEntry(github="grace")},
    groups={"acme/pay": ("grace",)},
)
FILE = b"*       @ada-l\npay/    @acme/pay ada@acme.example\ndocs/\n*.sql   @nobody\n"


def persons(*changed: str) -> list[tuple[str, ...]]:
    return [group.persons for group in owned(FILE, changed, PEOPLE)]


def test_accounts_teams_and_addresses_are_found_as_persons() -> None:
    assert persons("a.py") == [("ada",)]
    assert persons("pay/a.py") == [("ada", "grace")]


def test_the_last_line_that_fits_counts_and_one_without_names_is_nobody_s() -> None:
    assert persons("docs/a.md") == []
    assert persons("pay/x.sql") == [()]


def test_each_group_of_owners_has_to_be_heard() -> None:
    needs = ApprovalNeeds(owned=owned(FILE, ("a.py", "pay/a.py", "pay/x.sql"), PEOPLE))
    missing = needs.missing(frozenset({"ada"}))
    assert missing == "one of nobody who is known here (@nobody own pay/x.sql)"
    assert "@acme/pay" in needs.missing(frozenset({"linus"}))


@pytest.mark.parametrize("text", [b"x" * 300_000, b"a" + b"*a" * 30 + b" @ada", b"[ab @ada", b"/x " + b"@y " * 900])
def test_a_file_that_can_t_be_used_lets_nobody_approve(text: bytes) -> None:
    with pytest.raises(OwnersUnreadable) as refused:
        owned(text, ("a.py",), PEOPLE)
    assert "CODEOWNERS" in ApprovalNeeds(owned=unreadable(refused.value)).missing(frozenset({"ada", "grace"}))


def test_who_approves_twice_is_one_person() -> None:
    assert ApprovalNeeds(count=2).missing(frozenset({"ada"})) == "one more approval"
    assert ApprovalNeeds(count=3).missing(frozenset({"ada"})) == "2 more approvals"
    assert ApprovalNeeds(count=2).missing(frozenset({"ada", "grace"})) == ""
