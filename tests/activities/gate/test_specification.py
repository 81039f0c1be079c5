"""Vague goals are asked about; what says something is not."""

import pytest

from activities.gate.specification import gaps, question
from tests.activities.gate.facts import a_task, good


@pytest.mark.parametrize(
    "goal", ["fix it", "Fix the bug", "improve the code please", "Make things better!", "clean up", "it does not work"]
)
def test_a_vague_goal_gets_a_question_back(goal: str) -> None:
    assert "does not say what should be different" in question(a_task(goal=goal, acceptance=(), scope=()))


@pytest.mark.parametrize(
    "goal",
    [
        "mend add()",
        "fix #123",
        "Fix ENG-12",
        "bump requests to 2.32",
        "rename the invoice exporter",
        "add a `--quiet` option",
        "fix src/app.py",
        "Überschriften übersetzen",
        "修正 登录 页面 的 错误",
    ],
)
def test_a_goal_that_says_something_is_not_asked_about(goal: str) -> None:
    assert question(a_task(goal=goal, acceptance=(), scope=())) == ""


def test_criteria_or_a_scope_say_what_a_short_goal_does_not() -> None:
    assert question(a_task(goal="fix it", acceptance=("add(2, 3) is 5",), scope=())) == ""
    assert question(a_task(goal="fix it", acceptance=(), scope=("calc.py",))) == ""


def test_documents_need_no_test_that_turns() -> None:
    assert gaps(good(task=a_task(task_type="docs"), paths=("README.md", "docs/a.md"), turned=0)) == ()
    assert gaps(good(task=a_task(task_type="docs"), paths=("README.md", "calc.py"), turned=0)) != ()
    assert gaps(good(task=a_task(task_type="test-fix"), paths=("README.md",), turned=0)) != ()
