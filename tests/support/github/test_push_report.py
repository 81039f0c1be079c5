"""Git's report on a push keeps everything but the reason that is GitHub's own to give."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.github.push_report import reworded

REFS = st.from_regex(r"refs/heads/[a-z/]{1,20}", fullmatch=True)
LINES = st.one_of(
    REFS.map(lambda ref: f"ok {ref}\n"),
    REFS.map(lambda ref: f"ng {ref} hook declined\n"),
    REFS.map(lambda ref: f"ng {ref} non-fast-forward\n"),
)


def packet(content: bytes) -> bytes:
    return b"%04x%b" % (len(content) + 4, content)


def answer(lines: list[str], bands: bool) -> bytes:
    """As `git receive-pack` writes it, with side bands and words for the pusher, or plain."""
    report = b"".join(packet(line.encode()) for line in ["unpack ok\n", *lines]) + b"0000"
    if not bands:
        return report
    return packet(b"\x02some words\n") + packet(b"\x01" + report) + b"0000"


@given(st.lists(LINES, max_size=5), st.booleans())
def test_a_report_without_reasons_is_left_as_it_is(lines: list[str], bands: bool) -> None:
    assert reworded(answer(lines, bands), {}) == answer(lines, bands)


@given(st.lists(LINES, max_size=5), st.booleans(), REFS)
def test_a_refused_ref_gets_its_reason_and_no_other_does(lines: list[str], bands: bool, ref: str) -> None:
    declined = f"ng {ref} hook declined\n"
    expected = [line.replace("hook declined", "because") if line == declined else line for line in [*lines, declined]]
    assert reworded(answer([*lines, declined], bands), {ref: "because"}) == answer(expected, bands)
