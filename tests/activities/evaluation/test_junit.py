"""A report is read for what it names, and can neither blow up the reader nor lead it out of the checkout."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.evaluation import junit
from activities.evaluation.beneath import NotReadable, files_beneath, read_beneath, unlink_beneath
from activities.evaluation.junit import ReportRefused, parse_report, read_reports
from activities.removal import remove
from workflows.models.evidence import TestOutcome

FULL = b"""<?xml version="1.0"?>
<testsuites><testsuite name="pytest">
  <testcase classname="tests.test_a" name="test_one"/>
  <testcase classname="tests.test_a" name="test_two"><failure message="no">assert 1 == 2</failure></testcase>
  <testcase classname="tests.test_a" name="test_three"><skipped/></testcase>
  <testcase classname="" name="tests.test_b"><error message="collection failure"/></testcase>
  <testsuite><testcase name="nested"/></testsuite>
</testsuite></testsuites>"""


def test_every_outcome_is_read() -> None:
    assert dict(parse_report(FULL)) == {
        "tests.test_a::test_one": TestOutcome.PASSED,
        "tests.test_a::test_two": TestOutcome.FAILED,
        "tests.test_a::test_three": TestOutcome.SKIPPED,
        "tests.test_b": TestOutcome.FAILED,
        "nested": TestOutcome.PASSED,
    }


def test_a_name_that_occurs_twice_counts_with_its_worse_outcome(tmp_path: Path) -> None:
    case = '<testcase name="t">{}</testcase>'
    bodies = ["", "<failure/>", "<skipped/>", ""]
    (tmp_path / "r.xml").write_text("<testsuite>" + "".join(case.format(body) for body in bodies) + "</testsuite>")
    assert read_reports(tmp_path, "r.xml") == {"t": TestOutcome.FAILED}


LAUGHS = b"""<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><testsuite name="&b;"/>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;"/></testsuite>"""


@pytest.mark.parametrize(
    "data",
    [
        LAUGHS,
        OUTSIDE,
        LAUGHS.decode().encode("utf-16"),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><testsuite/>',
        b"<a>" * 100_000,
        b"<testsuite>" + b"<testcase/>" * (junit.MOST_ELEMENTS + 1) + b"</testsuite>",
        b"",
        b"not xml",
        b"<testsuite",
        b"<html/>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="no-such"?><testsuite/>',
        b'<?xml version="1.0" encoding="utf-7"?><testsuite/>',
    ],
)
def test_a_hostile_report_is_refused(data: bytes) -> None:
    with pytest.raises(ReportRefused):
        list(parse_report(data))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        list(parse_report(b"<testsuite>" + data + b"</testsuite>"))
    except ReportRefused:
        return


def test_names_can_not_carry_escapes_or_grow_without_end(tmp_path: Path) -> None:
    name = "a\u202eb\u200b" + "x" * 5000
    (tmp_path / "r.xml").write_text(f'<testsuite><testcase name="{name}"/><testcase/></testsuite>')
    names = sorted(read_reports(tmp_path, "r.xml"))
    assert names[0] == "(without a name)"
    assert names[1].startswith("abx")
    assert len(names[1]) < junit.NAME_CHARS + 50


def test_a_pattern_finds_reports_in_folders(tmp_path: Path) -> None:
    for folder in ("one", "two/deep"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "TEST-a.xml").write_text(f'<testsuite><testcase name="{folder}"/></testsuite>')
    assert set(read_reports(tmp_path, "**/TEST-*.xml")) == {"one", "two/deep"}


def test_too_many_reports_are_not_read_in_part(tmp_path: Path) -> None:
    for number in range(junit.MOST_REPORTS + 1):
        (tmp_path / f"{number}.xml").write_text("<testsuite/>")
    with pytest.raises(NotReadable, match="at most"):
        read_reports(tmp_path, "*.xml")


def test_a_report_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "r.xml").open("wb") as file:
        file.truncate(junit.MOST_BYTES + 1)
    with pytest.raises(NotReadable, match="larger"):
        read_reports(tmp_path, "r.xml")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("of the host")
    return outside


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    return checkout


def test_links_are_not_followed_at_the_end_or_on_the_way(checkout: Path, outside: Path) -> None:
    (checkout / "last").symlink_to(outside / "secret")
    (checkout / "way").symlink_to(outside)
    for path in ("last", "way/secret"):
        with pytest.raises(NotReadable):
            read_beneath(checkout, path, 100)
        unlink_beneath(checkout, path)
    assert (outside / "secret").read_text() == "of the host"
    assert not (checkout / "last").is_symlink()
    assert list(files_beneath(checkout)) == ["way"]


@pytest.mark.parametrize("path", ["../outside/secret", "/etc/passwd", "", "a/../../x", "a\0b"])
def test_paths_that_lead_out_are_refused(checkout: Path, outside: Path, path: str) -> None:
    with pytest.raises(NotReadable):
        read_beneath(checkout, path, 100)


def test_a_pipe_does_not_make_the_reader_wait(checkout: Path) -> None:
    os.mkfifo(checkout / "r.xml")
    with pytest.raises(NotReadable, match="regular"):
        read_beneath(checkout, "r.xml", 100)
    (checkout / "folder").mkdir()
    with pytest.raises(NotReadable):
        read_beneath(checkout, "folder", 100)


def test_a_bottomless_or_endless_folder_does_not_stop_the_reader(checkout: Path) -> None:
    descriptor = os.open(checkout, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=descriptor)
        deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(descriptor)
    assert list(files_beneath(checkout)) == []
    for number in range(30):
        (checkout / f"{number}.xml").touch()
    with pytest.raises(NotReadable, match="more than"):
        list(files_beneath(checkout, most_entries=20))
    # What cleans up after the tests recurses, and would not get to the bottom.
    remove(checkout / "d")
