"""What is shown in the Temporal UI can't be used to deceive whoever reads it."""

from tests.workflows.scripted import a_patch, a_task
from workflows.models.run import RunEnd, RunResult
from workflows.models.status import Outcome, Stage, TaskStatus
from workflows.presentation import as_code, details, summary
from workflows.search_attributes import Told


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


def test_temporal_is_told_what_lasts_and_what_changed_and_nothing_twice() -> None:
    told = Told()

    def news(stage: Stage, **changes: object) -> dict[str, str]:
        status = TaskStatus.model_validate({"task": a_task(), "stage": stage, **changes})
        return {update.key.name: update.value for update in told.news(status) if update.value is not None}

    run = RunResult(run_id="r", end=RunEnd.EXITED, agent="codex")
    assert news(Stage.PREPARE) == {}
    assert news(Stage.CONTEXT) == {}
    assert news(Stage.RUN) == {"JourneymanStage": "run"}
    assert news(Stage.EXPORT, run=run) == {}
    assert news(Stage.EVALUATE, run=run) == {"JourneymanStage": "evaluate", "JourneymanAgent": "codex"}
    assert news(Stage.EVALUATE, run=run) == {}
    assert news(Stage.ENDED, run=run, outcome=Outcome.REJECTED) == {
        "JourneymanStage": "ended",
        "JourneymanOutcome": "rejected",
    }
