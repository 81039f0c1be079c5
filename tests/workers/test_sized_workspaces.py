"""A whole installation whose workspaces are file systems of their own: the kernel holds the limit on a task's disk."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.removal import remove
from activities.repository.volumes import Volumes
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, installed
from workers.doctor import examine
from workflows.models.decision import Action
from workflows.models.limits import Grade
from workflows.models.status import Outcome, Stage

pytestmark = [
    pytest.mark.xdist_group("sized-workspaces"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system takes root"),
]
CONFIGURATION = """
feedback_rounds = 0
[sandbox]
sized_workspaces = true
[limits.run]
wall_seconds = 20
disk_bytes = "40 MiB"
"""
TEAM = '[required_grades]\ndisk = "kernel"\n'


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as trial:
        if why := Volumes(Path(trial)).why_not():
            pytest.skip(why)
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    remove(path)


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    async with installed(place, configuration=CONFIGURATION) as installation:
        yield installation


@pytest.fixture
def repository(state: Path) -> Path:
    return make_repository(state / "till.git", FILES | {".journeyman/team.toml": TEAM}, bare=True)


def mounted(place: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(place) in line]


async def test_a_policy_that_asks_for_the_kernel_is_served_and_nothing_stays_mounted(
    here: Installation, repository: Path, place: Path
) -> None:
    task = await here.ask(repository, "mender", acceptance=["add(2, 3) is 5"])
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert (await here.evidence(task)).grades.disk is Grade.KERNEL
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert mounted(place) == []


async def test_an_agent_that_fills_its_file_system_is_ended_and_its_work_is_kept(
    here: Installation, repository: Path, place: Path
) -> None:
    task = await here.ask(repository, "hoarder")
    status = (await here.reaches(task, Stage.QUESTION)).status
    assert "without what is too large for one: big (" in status.message
    assert status.run is not None
    assert status.run.grades.disk is Grade.KERNEL
    assert b"a + b" in await here.diff(task)
    assert mounted(place) == []
    await here.decide(task, Action.CANCEL)
    await here.reaches(task, Stage.ENDED)


async def test_doctor_says_that_the_kernel_holds_it_or_why_not(
    here: Installation, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {finding.name: finding for finding in await examine(here.settings)}
    assert "disk kernel" in found["sandbox"].detail
    assert mounted(place) == []
    programs = place / "programs"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != "mount":
            (programs / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(programs))
    found = {finding.name: finding for finding in await examine(here.settings)}
    assert "disk watched" in found["sandbox"].detail
    assert "workspaces have no file system of their own: mkfs.ext4 failed" in found["sandbox"].detail
