"""A task that changes a lock file: its packages are allowed by name, installed, judged with, and merged."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.activities.environment.index import Index, lock, package_index
from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, MEND, Installation, installed
from tests.workers.terminal import typed
from workers.cli.client import CommandFailed
from workflows.models.decision import Action
from workflows.models.evidence import Severity
from workflows.models.question import Choice, QuestionKind
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("dependency-bump")
TEAM = """
feedback_rounds = 0
[[checks]]
name = "tests"
command = '"$JOURNEYMAN_LAYER/bin/python" check.py'
[setup]
commands = [
    'python3 -m venv "$JOURNEYMAN_LAYER"',
    '"$JOURNEYMAN_LAYER/bin/python" -m pip install --quiet --require-hashes -r requirements.lock',
]
lock_files = ["requirements.lock"]
"""
# With the older package, what the patch uses is not there.
CHECK = "import calc, tinypart\nassert calc.add(2, 3) == 5\nassert calc.half() == tinypart.HALF\n"
NEW = "tinypart@2.1"


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with package_index() as index:
        before = {name: os.environ.get(name) for name in ("PIP_INDEX_URL", "PIP_CONFIG_FILE")}
        # What this machine's pip is configured for.
        os.environ.update(PIP_INDEX_URL=f"http://localhost:{index.port}/simple", PIP_CONFIG_FILE=os.devnull)
        yield index
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, index: Index) -> AsyncIterator[Installation]:
    tables = []
    for name, text in (("bumper", lock(tinypart="2.1")), ("dreamer", lock().replace("2.0", "9.9"))):
        folder = place / name
        folder.mkdir(mode=0o755)
        (folder / "requirements.lock").write_text(text)
        (folder / "requirements.lock").chmod(0o644)
        work = f"{MEND}; cp /opt/agent/requirements.lock . ; "
        work += 'printf "import tinypart\\ndef half():\\n    return tinypart.NEW and 21\\n" >> calc.py'
        tables.append(
            f"[agents.{name}]\ncommand = ['sh', '-c', '''{work}''']\n"
            f'mounts = [{{ source = "{folder}", target = "/opt/agent" }}]'
        )
    async with installed(place, configuration="\n".join(tables), private_registries=True) as installation:
        yield installation


def make(state: Path, team: str = TEAM) -> Path:
    files = FILES | {".journeyman/team.toml": team, "check.py": CHECK, "requirements.lock": lock()}
    return make_repository(state / "till.git", files, bare=True)


async def test_a_dependency_is_bumped_from_the_question_about_it_to_the_merge(
    here: Installation, state: Path, index: Index
) -> None:
    repository = make(state)
    index.seen.clear()
    task = await here.ask(repository, "bumper", task_type="dependency-bump")
    question = (await here.reaches(task, Stage.QUESTION)).status.question
    assert question is not None
    assert (question.kind, question.packages) == (QuestionKind.PACKAGES, (NEW,))
    # It waits without a place, and nothing of the package was asked for.
    assert here.parts.placements.find(task) is None
    assert [path for path in index.seen if "2.1" in path] == []
    shown = (await typed(here.settings.state, "show", task)).out
    assert f"bring {NEW}" in shown and f"journeyman answer {task} allow-once" in shown
    assert "judged with what base has" in shown
    with pytest.raises(CommandFailed, match="another person has to answer"):
        await here.answer(task, Choice.ALLOW_ONCE, person="ada")
    answered = await typed(here.settings.state, "answer", task, "allow-once", "--as", "grace")
    assert answered.code == 0, answered.error

    status = (await here.reaches(task, Stage.REVIEW, Stage.ENDED)).status
    assert status.stage is Stage.REVIEW, status.message
    evidence = await here.evidence(task)
    assert evidence.packages == (f"{NEW} (allowed by grace)",)
    assert not evidence.base.passed and evidence.patched.passed and evidence.guarded.passed
    assert evidence.patched_layer and evidence.patched_layer != evidence.layer
    found = {finding.rule: finding for finding in evidence.findings}
    assert found["packages-brought"].severity is Severity.PERSON and NEW in found["packages-brought"].message
    told = (await typed(here.settings.state, "evidence", task)).out
    assert f"packages of its own lock files: {NEW} (allowed by grace)" in told

    await here.decide(task, Action.APPROVE)
    await here.reaches(task, Stage.APPROVED)
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert git(repository, "show", "main:requirements.lock").strip() == lock(tinypart="2.1").strip()
    # What base pins now is what was made for the patch: the next task finds it.
    index.seen.clear()
    after = await here.ask(repository, "binary")
    await here.settles(after)
    assert (await here.evidence(after)).layer == evidence.patched_layer
    assert index.seen == []
    await here.decide(after, Action.REJECT)


@pytest.mark.parametrize("refused_by", ["a person", "security.toml"])
async def test_what_is_not_allowed_is_not_installed_and_the_patch_is_judged_with_what_base_has(
    here: Installation, state: Path, index: Index, place: Path, refused_by: str
) -> None:
    security = place / "security.toml"
    index.seen.clear()
    try:
        if refused_by == "security.toml":
            security.write_text('packages = ["requests"]\n')
        task = await here.ask(make(state), "bumper", task_type="dependency-bump")
        if refused_by == "a person":
            await here.answer(task, Choice.REFUSE)
        await here.settles(task)
    finally:
        security.unlink(missing_ok=True)
    evidence = await here.evidence(task)
    assert evidence.packages == () and evidence.patched_layer == "" and not evidence.patched.passed
    (found,) = [finding for finding in evidence.findings if finding.rule == "packages-not-allowed"]
    assert found.path == "requirements.lock"
    assert (NEW if refused_by == "a person" else "security.toml lets nobody bring tinypart@2.1") in found.message
    assert [path for path in index.seen if "2.1" in path] == []
    await here.decide(task, Action.REJECT)


async def test_a_task_type_s_policy_allows_packages_without_a_question_and_for_that_type_alone(
    here: Installation, state: Path
) -> None:
    repository = make(state, TEAM + '[task_types.dependency-bump]\npackages = ["tiny*"]\n')
    task = await here.ask(repository, "bumper", task_type="dependency-bump")
    assert (await here.settles(task)).status.stage is Stage.REVIEW
    assert (await here.evidence(task)).packages == (f"{NEW} (allowed by policy)",)
    await here.decide(task, Action.REJECT)
    other = await here.ask(repository, "bumper", task_type="bug-fix")
    assert (await here.reaches(other, Stage.QUESTION)).status.question is not None
    await here.decide(other, Action.CANCEL)


async def test_a_lock_file_whose_packages_are_not_to_be_had_blocks_and_goes_back_to_the_agent(
    here: Installation, state: Path
) -> None:
    task = await here.ask(make(state), "dreamer", task_type="dependency-bump")
    await here.answer(task, Choice.ALLOW_ONCE)
    view = await here.settles(task)
    assert view.status.evaluation is not None and view.status.evaluation.feedback is not None
    (found,) = [finding for finding in (await here.evidence(task)).findings if finding.rule == "environment-broken"]
    assert found.severity is Severity.BLOCKER and "tinypart" in found.message
    await here.decide(task, Action.REJECT)
