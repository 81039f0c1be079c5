"""Who speaks to the App is heard, and nobody else is taken for it."""

import pytest

from activities.tracker.linear.spoken import approval, may_be_spoken, spoken
from activities.webhooks.commands import Command, Verb

NAMES = ("journeyman", "Journeyman Bot")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("/agent keep it short", Command(Verb.TELL, "keep it short")),
        ("Looks good.\n\n/agent cancel", Command(Verb.CANCEL)),
        ("@journeyman keep it short", Command(Verb.TELL, "keep it short")),
        ("@Journeyman: keep it\nshort", Command(Verb.TELL, "keep it\nshort")),
        ("@journeyman bot again", Command(Verb.AGAIN)),
        ("[@journeyman](https://linear.app/acme/profiles/journeyman) merge", Command(Verb.MERGE)),
        ("https://linear.app/acme/profiles/journeyman cancel", Command(Verb.CANCEL)),
        ("@journeyman", Command(Verb.TELL)),
        ("@journeyman2 merge", None),
        ("@grace, ask @journeyman to merge", None),
        ("> /agent merge", None),
        ("```\n/agent merge\n```", None),
        ("    @other merge", None),
        ("please /agent merge", None),
        ("", None),
    ],
)
def test_words_for_the_app_are_told_from_words_for_others(body: str, wanted: Command | None) -> None:
    found = spoken(body, NAMES)
    assert found == wanted
    if found is not None:
        assert may_be_spoken(body)


@pytest.mark.parametrize(
    ("words", "commit"),
    [
        ("approve 1234567abc", "1234567abc"),
        ("approve `1234567ABC`", "1234567abc"),
        ("approve", ""),
        ("approve!", ""),
        ("approve the wording", None),
        ("approve 123", None),
        ("do not approve 1234567", None),
    ],
)
def test_an_approval_is_exactly_that_and_names_a_commit(words: str, commit: str | None) -> None:
    assert approval(words) == commit
