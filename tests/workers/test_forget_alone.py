"""Forgetting one person takes nothing from anybody else: not work under way, nor another's request, nor the policy."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from activities.archive.artifacts import Artifacts, address
from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.archive.schema import require_current
from activities.decisions.admissions import ADMISSION
from activities.decisions.attested import WORKER
from activities.decisions.keys import SigningKey
from activities.decisions.signing import DecisionSigner
from activities.decisions.withdrawals import OUTCOME
from tests.activities.archive.old import contents
from tests.workers.terminal import environment, typed
from workers.embedded.forgetting import Forgetter
from workers.embedded.programs import program
from workers.settings import Settings
from workflows.models.intent import Intent
from workflows.models.person import Person
from workflows.models.task import Repository, Task

GOAL = "mend add() so that Mrs Byron is charged right"
ASKED = "ada0000001"
DONE = ("forget", "ada", "--yes", "-m", "ada asked for it")


@pytest.fixture
async def archive(state: Path) -> Path:
    """An archive with one task of Ada's that has ended."""
    settings = Settings(state=state)
    settings.keys_location.mkdir(parents=True)
    signer = DecisionSigner.load_or_create(settings.keys_location)
    SigningKey.load_or_create(settings.keys_location, WORKER)
    task = Task(
        id=ASKED,
        intent=Intent(key="linear:ENG-1", requester=Person(id="ada", account="os:7", name="Ada Lovelace")),
        repository=Repository(url="/srv/till.git", name="till"),
        goal=GOAL,
    )
    objects = Objects.open(settings.archive_location)
    await require_current(objects)
    chains = Chains(objects)
    await chains.append(ASKED, ADMISSION, ADMISSION, signer.admit(task).model_dump(mode="json"))
    await chains.append(ASKED, OUTCOME, OUTCOME, {"message": f"done: {GOAL}"})
    return Path(settings.archive_location)


def named(archive: Path) -> list[str]:
    return [name for name, data in contents(archive).items() if b"Mrs Byron" in data]


async def test_what_a_running_task_has_stored_a_moment_ago_is_not_taken_from_it(state: Path, archive: Path) -> None:
    # As any step does it: bytes first, and then the entry that refers to them.
    stored = await Artifacts(Objects.open(str(archive))).put(f"diff of: {GOAL}".encode(), name="patch.diff")
    first = await typed(state, *DONE)
    assert first.code == 1 and "1 blobs that were stored within a day" in first.error
    assert named(archive) == [address(stored.sha256)]
    os.utime(archive / address(stored.sha256), (time.time() - 2 * 86_400,) * 2)
    again = await typed(state, *DONE)
    assert again.code == 0 and named(archive) == [], again.error


async def test_of_two_at_once_one_is_refused_since_it_would_put_back_what_the_other_took_out(
    state: Path, archive: Path
) -> None:
    with Forgetter(Settings(state=state), None).alone():
        refused = await typed(state, *DONE)
        assert refused.code == 1 and "being forgotten just now" in refused.error and named(archive)
    assert (await typed(state, *DONE)).code == 0 and named(archive) == []


async def test_a_disk_that_is_full_meanwhile_leaves_the_platform_s_policy_whole(state: Path, archive: Path) -> None:
    policy = state / "journeyman.toml"
    text = "[limits]\nrun.processes = 40\n" + "# a line of words\n" * 6000
    policy.write_text(f'[people.ada]\nos = "nobody-ada"\n\n{text}')
    policy.chmod(0o640)
    before = policy.read_bytes()
    full = await asyncio.create_subprocess_exec(
        *("prlimit", "--fsize=50000", str(program("journeyman")), *DONE),
        env=environment(state),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await full.communicate()
    assert full.returncode == 1 and b"File too large" in error and b"Traceback" not in error, error
    assert policy.read_bytes() == before
    done = await typed(state, *DONE)
    assert done.code == 0 and policy.read_text() == text, done.error
    assert policy.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in state.iterdir()} >= {"journeyman.toml"} and not list(state.glob(".journeyman.toml*"))
