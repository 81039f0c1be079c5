"""A backup that is made while everything runs, put into an empty machine, goes on with the tasks that were open."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from tests.workers.test_payloads import key_file
from tests.workers.test_resume import AGENT, checkpoints
from workers.embedded.stack import stack
from workers.embedded.temporal_server import free_port
from workers.settings import Settings
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("backup")


@asynccontextmanager
async def restored(place: Path, **more: Any) -> AsyncIterator[Installation]:
    """What `up` makes of it."""
    settings = Settings(
        state=place, temporal_address=f"127.0.0.1:{free_port()}", temporal_ui_port=free_port(), capacity=2, **more
    )
    async with stack(settings, leave_nothing=True) as parts:
        yield Installation(settings, parts, place)


async def test_a_task_in_review_is_approved_and_merged_after_a_restore_into_an_empty_state(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    first, second, copy = state / "first", state / "second", state / "backup"
    for place in (first, second):
        place.mkdir(mode=0o711)
    async with installed(first) as here:
        task = await here.ask(repository, "mender", key="linear:ENG-1")
        before = await here.reaches(task, Stage.REVIEW)
        made = await typed(first, "backup", str(copy))
        assert made.code == 0, made.error
    assert (copy.stat().st_mode & 0o777) == 0o700
    first.rename(state / "gone")

    again = await typed(first, "backup", str(copy))
    assert again.code == 1 and "not empty" in again.error
    damaged = next((copy / "archive").rglob("claim.json"))
    right = damaged.read_bytes()
    damaged.write_bytes(right + b" ")
    refused = await typed(second, "restore", str(copy))
    assert refused.code == 1 and "damaged" in refused.error and list(second.iterdir()) == []
    damaged.write_bytes(right)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 99}))
    newer = await typed(second, "restore", str(copy))
    assert newer.code == 1 and "newer Journeyman" in newer.error and list(second.iterdir()) == []
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert (await typed(second, "restore", str(copy))).code == 0
    twice = await typed(second, "restore", str(copy))
    assert twice.code == 1 and "not empty" in twice.error

    async with restored(second) as there:
        assert await there.ask(repository, "mender", key="linear:ENG-1") == task
        view = await there.reaches(task, Stage.REVIEW)
        assert view.live and view.status.patch == before.status.patch
        await there.decide(task, Action.APPROVE)
        await there.decide(task, Action.MERGE)
        assert (await there.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert "a + b" in git(repository, "show", "main:calc.py")


async def test_a_task_that_was_running_goes_on_from_its_checkpoint_after_a_restore(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    first, second, copy = state / "first", state / "second", state / "backup"
    for place in (first, second):
        place.mkdir(mode=0o711)
    (state / "program").mkdir(mode=0o755)
    (state / "program" / "agent.py").write_text(AGENT)
    (state / "program" / "agent.py").chmod(0o644)
    keeper = (
        f'[agents.keeper]\ncommand = ["python3", "/opt/agent/agent.py"]\n'
        f'mounts = [{{ source = "{state}/program", target = "/opt/agent" }}]'
    )
    pace: dict[str, Any] = {"checkpoint_calls": 1, "checkpoint_seconds": 60, "host_silence_seconds": 3}
    async with installed(first, configuration=keeper, **pace) as here:
        task = await here.ask(repository, "keeper", key="linear:ENG-7")
        taken = await checkpoints(here, task, 1)
        while taken[-1].tool_calls < 2:
            taken = await checkpoints(here, task, len(taken) + 1)
        assert (await here.view(task)).status.stage is Stage.RUN
        made = await typed(first, "backup", str(copy))
        assert made.code == 0, made.error
    first.rename(state / "gone")
    assert (await typed(second, "restore", str(copy))).code == 0
    async with restored(second, **pace) as there:
        assert await there.ask(repository, "keeper", key="linear:ENG-7") == task
        view = await there.reaches(task, Stage.REVIEW)
        assert view.status.placement is not None or view.status.runs == 2
        # The conversation went on, and the work that came with it: nothing was begun anew.
        said = (await typed(second, "logs", task)).out
        assert "2 steps, told" in said and "session conversation-7" in said
        diff = (await there.diff(task)).decode()
        assert "a + b" in diff and "made by the first host" in diff
        await there.decide(task, Action.APPROVE)
        await there.decide(task, Action.MERGE)
        assert (await there.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert "a + b" in git(repository, "show", "main:calc.py")


async def test_what_was_encrypted_is_restored_with_its_keys_and_refused_where_there_is_no_place_for_them(
    state: Path,
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    first, second, copy = state / "first", state / "second", state / "backup"
    for place in (first, second):
        place.mkdir(mode=0o711)
    keys = key_file(state, "2026-11", "2026-10")
    async with installed(first, payload_keys=keys) as here:
        task = await here.ask(repository, "mender", key="linear:ENG-8", goal="mend add() for Zebedee")
        await here.reaches(task, Stage.REVIEW)
        made = await typed(first, "backup", str(copy), JOURNEYMAN_PAYLOAD_KEYS=str(keys))
        assert made.code == 0, made.error
    first.rename(state / "gone")
    held = keys.read_bytes()
    keys.unlink()

    refused = await typed(second, "restore", str(copy))
    assert refused.code == 1 and "set JOURNEYMAN_PAYLOAD_KEYS" in refused.error and "Traceback" not in refused.error
    assert list(second.iterdir()) == []
    elsewhere = await typed(
        second, "restore", str(copy), JOURNEYMAN_PAYLOAD_KEYS=str(keys), JOURNEYMAN_ARCHIVE="s3://bucket/archive"
    )
    assert elsewhere.code == 1 and "leave JOURNEYMAN_ARCHIVE out" in elsewhere.error and list(second.iterdir()) == []
    back = second / "payload.keys"
    assert (await typed(second, "restore", str(copy), JOURNEYMAN_PAYLOAD_KEYS=str(back))).code == 0
    assert back.read_bytes() == held and back.stat().st_mode & 0o777 == 0o600
    async with restored(second, payload_keys=back) as there:
        view = await there.reaches(task, Stage.REVIEW)
        assert view.live and view.status.task.goal == "mend add() for Zebedee"
        await there.decide(task, Action.APPROVE)
        await there.decide(task, Action.MERGE, message="as Zebedee wants")
        assert (await there.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
        stranger = await connect(there.settings.temporal_address, "default")
        history = await stranger.get_workflow_handle(task_workflow_id(task)).fetch_history()
        assert not any(b"Zebedee" in event.SerializeToString() for event in history.events)


async def test_a_backup_without_its_archive_is_refused_where_another_archive_would_be_used(state: Path) -> None:
    copy, second = state / "backup", state / "second"
    for place in (copy, second):
        place.mkdir()
    manifest = {"journeyman": "0.1", "made_at": "2026-11-26", "archive": "s3://bucket/archive", "files": {}}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    refused = await typed(second, "restore", str(copy))
    assert refused.code == 1 and "set JOURNEYMAN_ARCHIVE=s3://bucket/archive" in refused.error
    assert list(second.iterdir()) == []
