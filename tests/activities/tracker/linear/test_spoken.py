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
        ("@journeyman /agent merge", Command(Verb.MERGE)),
        ("@journeyman\n\n/agent keep it\nshort", Command(Verb.TELL, "keep it\nshort")),
        ("@journeyman /agents are many", Command(Verb.TELL, "/agents are many")),
        ("@journeyman Stop.", Command(Verb.ELSEWHERE, "stop")),
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
        ("Approve 1234567abc.", "1234567abc"),
        ("approve 1234567abc\n\nThanks,\nGrace", "1234567abc"),
        ("approve 1234567abc once CI is green", ""),
        ("approve 1234567abc, if CI is green", ""),
        ("approve 123", ""),
        ("approve added-later words", None),
        ("approve a way to add", None),
        ("do not approve 1234567", None),
    ],
)
def test_an_approval_is_exactly_that_and_names_a_commit(words: str, commit: str | None) -> None:
    assert approval(words) == commit
