"""A reviewer sees what a patch really does to tests and code, in a terminal, in the pull request and in other tools."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.forge.pulls import Pull
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workflows.models.evidence import Coverage, Severity
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("evidence-job")


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    async with installed(place, configuration="repeats = 1\nmutation_seconds = 120") as installation:
        yield installation


@pytest.fixture(scope="module")
def repository(place: Path) -> Path:
    return make_repository(place / "till", FILES)


async def test_a_mended_bug_comes_with_its_repeat_its_coverage_and_a_fault_that_is_noticed(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "mender")
    view = await here.reaches(task, Stage.REVIEW, Stage.GUIDANCE, seconds=170)
    assert view.status.evaluation is not None
    assert "1 of 1 changed statements run, 1 of 1 faults noticed" in view.status.evaluation.summary
    evidence = await here.evidence(task)
    assert evidence.findings == ()
    assert evidence.coverage == Coverage(statements=1, run=1)
    assert (len(evidence.base_again), len(evidence.patched_again)) == (1, 1)
    shown = (await typed(here.settings.state, "evidence", task)).out
    assert "base     again: " in shown
    assert "changed  1 of 1 changed statement run by the checks" in shown
    assert "faults   1 of 1 noticed, in 1 line" in shown


async def test_a_patch_that_weakens_a_test_and_says_otherwise_is_told_in_every_place(
    here: Installation, repository: Path
) -> None:
    state = here.settings.state
    task = await here.ask(repository, "claimer")
    await here.reaches(task, Stage.REVIEW, Stage.GUIDANCE, seconds=170)
    evidence = await here.evidence(task)
    people = {(finding.rule, finding.path) for finding in evidence.findings if finding.severity is Severity.PERSON}
    assert people == {("assertion-loosened", "tests/test_calc.py"), ("claim-contradicted", "")}
    shown = (await typed(state, "evidence", task)).out
    assert "assertion-loosened tests/test_calc.py:9: 'calc.double(2) == 4' became 'calc.double(2) is true'" in shown
    assert "claim    supported: 'All tests pass' (checks on the patch: pytest (2 tests))" in shown
    assert "claim    contradicted: 'I added two tests.'" in shown
    log = json.loads((await typed(state, "evidence", task, "--sarif")).out)
    results = {result["ruleId"]: result for result in log["runs"][0]["results"]}
    place = results["assertion-loosened"]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("tests/test_calc.py", 9)
    assert results["claim-contradicted"]["level"] == "warning"
    pulls = [Pull.model_validate_json(file.read_bytes()) for file in (state / "forge").rglob("[0-9]*.json")]
    (body,) = [pull.body for pull in pulls if task in pull.branch]
    assert "- `All tests pass`: **supported** by `checks on the patch: pytest (2 tests)`" in body
    assert "**contradicted** by `no check runs" in body or "**contradicted** by `files of tests are changed" in body
    assert "`assertion-loosened` `tests/test_calc.py:9`" in body
