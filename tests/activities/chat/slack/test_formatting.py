"""Words in Slack: what others wrote stays what it is, and where it is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.chat.slack.formatting import code, link, mention, shown, when


@given(st.text(max_size=400), st.integers(min_value=10, max_value=120))
def test_it_fits_whatever_it_takes_to_write_it_down(words: str, most: int) -> None:
    assert 0 < len(shown(words, most)) <= most
    # What is written from right to left is between two marks more.
    assert 2 < len(code(words, most)) <= most + 2
    assert "\n" not in code(words, most) and code(words, most).count("`") == 2


def test_what_is_cut_is_cut_between_characters() -> None:
    assert shown("<" * 100, 20) == "&lt;&lt;&lt;&lt;…"
    assert shown("a & b", 100) == "a &amp; b"


def test_what_is_written_from_right_to_left_moves_nothing_around_it() -> None:
    assert code("שלום 12") == "`\u2068שלום 12\u2069`"
    assert code("plain") == "`plain`"
    assert "\u202e" not in code("a\u202eb") + shown("a\u202eb", 10)


def test_a_moment_says_itself_where_slack_can_not_say_it() -> None:
    at = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    assert when(at) == "<!date^1795771800^{date_short_pretty} {time}|2026-11-27 09:30 UTC>"


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "https://evil.example/a",
        "https://ours.example.evil/a",
        "https://ours.example/a|b",
        "http:x",
    ],
)
def test_what_leads_elsewhere_is_no_link(address: str) -> None:
    assert link(address, "here", below="https://ours.example") == f"`{address}`"


def test_a_link_can_not_end_early() -> None:
    assert link("https://ours.example/<!channel>", "here") == "<https://ours.example/&lt;!channel&gt;|here>"


@pytest.mark.parametrize("user", ["", "U1>", "<!channel>", "!here", "u0ada", "S0GROUP"])
def test_only_ids_of_people_mention_somebody(user: str) -> None:
    assert mention(user) == ""
    assert mention("U0ADA") == "<@U0ADA>"
