"""Nothing a user can set, type or look for is undocumented."""

import inspect
import re
from pathlib import Path

import pytest

from workers.reference import commands, pages
from workers.settings import Settings
from workers.worker import WORKFLOWS
from workflows import search_attributes

ROOT = Path(__file__).parents[2]
MESSAGE_MARKS = ("_defn", "__temporal_query_definition", "__temporal_signal_definition")
"""What Temporal's decorators leave on updates, queries and signals."""


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_reference_page_says_what_the_code_does(name: str) -> None:
    text = (ROOT / "docs" / "reference" / name).read_text()
    assert text == pages()[name], "run: .venv/bin/python -m workers.reference"


def test_every_setting_has_a_sentence() -> None:
    unsaid = [name for name, field in Settings.model_fields.items() if not field.description]
    assert unsaid == []


def test_every_key_of_a_policy_file_has_a_meaning() -> None:
    assert [line for line in pages()["policy-files.md"].splitlines() if line.endswith("|  |")] == []


def test_every_command_of_the_issue_is_there_with_help() -> None:
    words = (ROOT / "tests" / "workers" / "commands.txt").read_text().split()
    wanted = [word.replace(":", " ") for word in words]
    documented = (ROOT / "docs" / "reference" / "commands.md").read_text()
    for name in wanted:
        assert f"## journeyman {name}\n" in documented
    assert {name for name, _ in commands()} == set(wanted)
    assert all(function.__doc__ for _, function in commands())


def test_every_search_attribute_and_message_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "temporal.md").read_text()
    for key in search_attributes.ALL:
        assert f"`{key.name}`" in page
    for workflow in WORKFLOWS:
        assert f"| `{workflow.__name__}` |" in page
        for name, function in inspect.getmembers(workflow):
            if any(hasattr(function, mark) for mark in MESSAGE_MARKS):
                assert f"| `{name}` |" in page


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = []
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_journeyman_command_in_the_docs_exists() -> None:
    known = {name.split()[0] for name, _ in commands()}
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for used in re.findall(r"^\.venv/bin/journeyman ([a-z-]+)", page.read_text(), re.MULTILINE):
            assert used in known, f"{page}: journeyman {used}"


def test_a_settings_field_that_could_hold_anything_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYMAN_CAPACITY", "7")
    monkeypatch.setenv("JOURNEYMAN_HOST", "blue-1")
    assert (Settings().capacity, Settings().host) == (7, "blue-1")
    monkeypatch.setenv("JOURNEYMAN_CAPACITY", "none")
    with pytest.raises(ValueError, match="capacity"):
        Settings()
