"""The whole path with containers as sandboxes: what is worked on, judged and merged in an image that the team names."""

import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.removal import remove
from tests.support.engines import BASE, HERE, WHY_NONE, Engine, serving
from tests.support.repositories import commit_to_bare, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from workers.cli.client import CommandFailed
from workers.doctor import examine
from workflows.models.decision import Action
from workflows.models.evidence import Coverage, Mutation
from workflows.models.limits import Grade
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage

if not HERE:
    pytest.skip(WHY_NONE, allow_module_level=True)
pytestmark = pytest.mark.xdist_group("container-job")
IMAGE = "localhost/journeyman-test-till:latest"
TEAM = f"""
image = "{IMAGE}"
[setup]
commands = ["mkdir -p $JOURNEYMAN_LAYER/bin && cp /usr/local/bin/of-the-image $JOURNEYMAN_LAYER/bin/of-the-layer"]
[[checks]]
name = "tests"
command = "of-the-layer && python3 -m pytest -q -p no:cacheprovider --junitxml=.journeyman-junit.xml"
junit = ".journeyman-junit.xml"
"""
CONFIGURATION = """
feedback_rounds = 0
repeats = 1
mutation_seconds = 120
[sandbox]
backend = "container"
[sandbox.container]
socket = "{socket}"
image = "{base}"
images = ["localhost/journeyman-test-*"]
[limits.run]
wall_seconds = 60
memory_bytes = "256 MiB"
"""


@pytest.fixture(scope="module", params=HERE)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with serving(request.param) as engine:
        script = "/usr/local/bin/of-the-image"
        engine.build(IMAGE, f"RUN printf '#!/bin/sh\\ntrue\\n' > {script} && chmod 755 {script}")
        yield engine


@pytest_asyncio.fixture(scope="module")
async def here(engine: Engine) -> AsyncIterator[Installation]:
    place = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    place.chmod(0o711 if os.geteuid() == 0 else 0o700)
    try:
        async with installed(place, configuration=CONFIGURATION.format(socket=engine.socket, base=BASE)) as here:
            yield here
    finally:
        remove(place)


@pytest.fixture
def repository(state: Path) -> Path:
    return make_repository(state / "till.git", FILES | {".journeyman/team.toml": TEAM}, bare=True)


async def test_a_task_in_containers_is_reviewed_merged_and_taken_back(
    here: Installation, repository: Path, engine: Engine
) -> None:
    task = await here.ask(repository, "mender", acceptance=["add(2, 3) is 5"])
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    evidence = await here.evidence(task)
    assert not evidence.base.passed
    assert evidence.patched.passed
    assert any("test_add" in name for name in evidence.turned)
    assert evidence.grades == here.parts.sandboxes.grades()
    assert evidence.grades.network is Grade.KERNEL
    assert evidence.backend == "container"
    assert re.fullmatch(rf"runc of {engine.name.title()} \d+\.\d+.*", evidence.runtime)
    assert view.status.run is not None
    assert (view.status.run.backend, view.status.run.runtime) == ("container", evidence.runtime)
    assert evidence.layer
    assert evidence.coverage == Coverage(statements=1, run=1)
    assert evidence.mutation == Mutation(lines=1, tried=1, noticed=1)
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert [run for run in engine.runs() if task in run] == []
    assert "a + b" in git(repository, "show", "main:calc.py")
    assert (await here.revert(task)).outcome is RevertOutcome.REVERTED


async def test_what_an_agent_in_a_container_tries_to_reach_is_refused_and_shown(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "caller")
    assert (await here.settles(task)).status.stage is Stage.REVIEW
    assert (await here.evidence(task)).egress_refused == ("evil.example:80",)


async def test_a_repository_planted_by_an_agent_in_a_container_is_refused_with_its_path(
    here: Installation, repository: Path
) -> None:
    task = await here.ask(repository, "nester")
    view = await here.settles(task)
    assert "vendor/x" in view.status.message


async def test_a_team_that_names_an_image_nobody_allowed_is_refused_with_whom_to_ask(
    here: Installation, repository: Path
) -> None:
    commit_to_bare(repository, {".journeyman/team.toml": 'image = "registry.example.com/evil:latest"\n'})
    with pytest.raises(CommandFailed, match=r"`sandbox.container.images` of journeyman.toml does not allow"):
        await here.ask(repository, "mender")


async def test_a_policy_that_asks_for_more_than_containers_give_is_refused_with_what_is_missing(
    here: Installation, repository: Path
) -> None:
    commit_to_bare(repository, {".journeyman/team.toml": '[required_grades]\ndisk = "kernel"\n'})
    view = await here.settles(await here.ask(repository, "mender"))
    assert view.status.stage is Stage.ENDED
    assert "can't hold what policy asks for with container: disk must be enforced" in view.status.message


async def test_a_task_whose_image_has_no_git_is_refused_before_an_agent_works_for_nothing(
    here: Installation, repository: Path, engine: Engine
) -> None:
    image = engine.build("localhost/journeyman-test-gitless:latest", "RUN rm /usr/bin/git")
    commit_to_bare(repository, {".journeyman/team.toml": f'image = "{image}"\n'})
    view = await here.settles(await here.ask(repository, "mender"))
    assert view.status.stage is Stage.ENDED
    assert "has no git" in view.status.message


async def test_doctor_names_the_backend_and_how_strongly_its_limits_hold(here: Installation) -> None:
    found = {finding.name: finding for finding in await examine(here.settings)}
    assert found["sandbox"].ok, found["sandbox"]
    assert found["sandbox"].detail.startswith("container works; ")
    assert f"memory {here.parts.sandboxes.grades().memory}" in found["sandbox"].detail
    assert found["user namespaces"].detail == "not needed: sandboxes are containers"


async def test_doctor_says_which_line_mends_an_engine_that_is_not_there(here: Installation, state: Path) -> None:
    (state / "journeyman.toml").write_text(CONFIGURATION.format(socket=state / "none.sock", base=BASE))
    settings = here.settings.model_copy(update={"state": state, "config": None})
    found = {finding.name: finding for finding in await examine(settings)}
    assert not found["sandbox"].ok
    assert "No container engine answers" in found["sandbox"].detail
    assert "docs/how-to/containers.md" in found["sandbox"].mend
