"""Words that name an issue ask for that issue's task; other words never do by accident."""

import pytest

from activities.tracker.naming import issue_key, named_issue

TEAMS = {"ENG", "OPS"}


@pytest.mark.parametrize(
    ("words", "issue"),
    [
        ("fix ENG-123", "ENG-123"),
        ("eng-7: mend the pager", "ENG-7"),
        ("https://linear.app/acme/issue/ENG-9/mend-it", "ENG-9"),
        ("ENG-1 and again ENG-1", "ENG-1"),
        ("ENG-1 or OPS-2", ""),
        ("UTF-8 and SHA-256 of the file", ""),
        ("ENG-0", ""),
        ("branch ENG-12-old", ""),
        ("path/ENG-12", ""),
        ("ＥＮＧ-12", ""),
        ("ENG-12345678", ""),
        ("", ""),
    ],
)
def test_one_issue_of_a_known_team_is_meant_and_nothing_else(words: str, issue: str) -> None:
    assert named_issue(words, TEAMS) == issue


def test_its_key_outranks_where_it_was_said() -> None:
    assert issue_key("ENG-123") == "linear:ENG-123"
