"""What is shown in the Temporal UI can't be used to deceive whoever reads it."""

from tests.workflows.scripted import a_patch, a_task
from workflows.models.status import Stage, TaskStatus
from workflows.presentation import as_code, details, summary


def test_untrusted_text_cannot_leave_its_code_span() -> None:
    shown = as_code("`![x](https://evil.example/x.png) \n# Approved by alice\x1b[31m")
    assert shown.count("`") == 2
    assert "\n" not in shown
    assert "\x1b" not in shown


def test_what_a_task_waits_for_comes_first_and_long_goals_are_cut() -> None:
    status = TaskStatus(task=a_task(goal="g" * 20_000), stage=Stage.REVIEW, waits_for="a person", patch=a_patch("h"))
    text = details(status)
    assert text.startswith("**review**: waits for a person")
    assert len(text) < 2000
    assert len(summary(status.task)) < 200
