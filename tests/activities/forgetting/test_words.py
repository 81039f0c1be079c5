"""Taking somebody out of a record takes out their words and leaves everything that things are found by."""

import json

from hypothesis import given
from hypothesis import strategies as st

from activities.forgetting.words import FORGOTTEN, Words, mentions, taken_out, without

ADA = Words(
    person="ada",
    alias="forgotten-1a2b3c4d",
    names=("ada", "Ada Lovelace", "os:1000"),
    texts=("mend add() for Mrs Byron", "ok"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["ada", *ADA.texts, FORGOTTEN]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["goal", "message", "url", "sha256", "summary", "reviewers"]), inner)
        | st.fixed_dictionaries({"id": st.sampled_from(["ada", "grace"]), "account": st.text(), "name": st.text()})
    ),
    max_leaves=12,
)


@given(JSON)
def test_twice_is_as_once_and_nothing_changes_its_shape(value: object) -> None:
    left = taken_out(value, ADA)
    assert taken_out(left, ADA) == left
    assert _shape(left) == _shape(value)


PIECES = st.sampled_from(
    ["a", "o", " ", ",", "forgotten", "on request", "[", "]", FORGOTTEN, "1a2b3c4d", ": ", "ok", "\\", "\x1b"]
)
HOSTILE = st.lists(PIECES, min_size=1, max_size=4).map("".join)


@given(HOSTILE, st.sets(HOSTILE, max_size=3), st.sets(HOSTILE, max_size=3), HOSTILE)
def test_whatever_somebody_is_called_and_wrote_they_can_be_forgotten_to_the_end(
    person: str, names: set[str], texts: set[str], text: str
) -> None:
    words = Words(
        person=person, alias="forgotten-1a2b3c4d", names=tuple({person, *names}), texts=tuple(texts - {FORGOTTEN})
    )
    left = without(text, words)
    assert without(left, words) == left


@given(st.text(max_size=40), st.sampled_from([*ADA.texts[:1], "Ada Lovelace"]), st.text(max_size=40))
def test_what_they_wrote_is_in_no_free_text_afterwards(before: str, said: str, after: str) -> None:
    assert ADA.texts[0] not in without(f"{before} {said} {after}", ADA)


def test_what_things_are_found_by_stays_and_whoever_is_called_alike_too() -> None:
    value = {
        "repository": {"url": "/home/ada/till.git", "name": "ada"},
        "key": "slack:T:C:ada",
        "message": "approved by ada: ok; see /home/ada/x, ada-lib and Canada",
        "person": {"id": "adam", "account": "os:7", "name": "ada m"},
    }
    assert taken_out(value, ADA) == value | {
        "message": f"approved by {ADA.alias}: {FORGOTTEN}; see /home/ada/x, ada-lib and Canada"
    }


def test_lists_of_who_approved_owns_or_was_told_name_them_no_more() -> None:
    value = {
        "approved_by": ["ada", "adam"],
        "told": ["ada"],
        "needs": {"owned": [{"names": ["@ada"], "persons": ["ada"], "paths": ["ada/x.py"]}]},
    }
    assert taken_out(value, ADA) == {
        "approved_by": [ADA.alias, "adam"],
        "told": [ADA.alias],
        "needs": {"owned": [{"names": ["@ada"], "persons": [ADA.alias], "paths": ["ada/x.py"]}]},
    }


def test_a_comment_of_one_word_is_taken_out_where_it_stands_and_not_of_every_sentence() -> None:
    assert without("ok", ADA) == FORGOTTEN
    assert without("all tests are ok", ADA) == "all tests are ok"


def test_words_are_found_in_bytes_raw_and_in_json_and_a_plain_name_is_not_looked_for() -> None:
    words = ADA.model_copy(update={"texts": ('say "why" – twice',)})
    names_them = mentions(words)
    assert names_them('x say "why" – twice y'.encode())
    assert names_them(json.dumps({"text": words.texts[0]}).encode())
    assert names_them(json.dumps({"text": words.texts[0]}, ensure_ascii=False).encode())
    assert names_them(b"by Ada Lovelace") and not names_them(b"ada said ok")


def _shape(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    return [_shape(inner) for inner in value] if isinstance(value, list) else type(value)
