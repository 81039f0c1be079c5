"""A backup that is made while everything runs, put into an empty machine, goes on with the tasks that were open."""

import json
from pathlib import Path

import pytest

from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workers.embedded.stack import stack
from workers.embedded.temporal_server import free_port
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("backup")


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

    settings = Settings(
        state=second, temporal_address=f"127.0.0.1:{free_port()}", temporal_ui_port=free_port(), capacity=2
    )
    async with stack(settings, leave_nothing=True) as parts:
        there = Installation(settings, parts, state)
        assert await there.ask(repository, "mender", key="linear:ENG-1") == task
        view = await there.reaches(task, Stage.REVIEW)
        assert view.live and view.status.patch == before.status.patch
        await there.decide(task, Action.APPROVE)
        await there.decide(task, Action.MERGE)
        assert (await there.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert "a + b" in git(repository, "show", "main:calc.py")
