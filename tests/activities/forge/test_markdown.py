"""What others wrote, shown by us: it does nothing on the forge."""

import pytest

from activities.forge.markdown import closing_nothing, quoted


@pytest.mark.parametrize(
    "order",
    ["Fixes #12", "closes: #12", "RESOLVED  acme/shop#12", "fix GH-12", "close https://github.com/acme/shop/issues/12"],
)
def test_what_an_issue_says_closes_no_other_one_when_it_lands(order: str) -> None:
    words, _, reference = closing_nothing(f"add() subtracts, {order} by it").rpartition("issue ")
    assert words and reference.endswith("12 by it")
    assert "issue " in quoted(order.replace(" ", "\n", 1), 100)


def test_words_that_order_nothing_stay_as_they_are() -> None:
    for text in ("fix add() as #12 says", "closes the file", "prefix #12", "see https://example.com/12"):
        assert closing_nothing(text) == text
