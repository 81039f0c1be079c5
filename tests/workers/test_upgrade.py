"""Whoever starts a newer program on an older archive is told what to type, and loses nothing by typing it."""

from pathlib import Path

import pytest

from tests.activities.archive.old import contents, version_1
from tests.workers.terminal import typed, up

pytestmark = pytest.mark.xdist_group("upgrade")


async def test_up_and_doctor_say_that_an_old_archive_needs_an_upgrade_which_takes_a_backup_first(state: Path) -> None:
    archive = version_1(state)
    before = contents(archive)
    refused = await typed(state, "up")
    assert refused.code == 1 and "journeyman upgrade --dry-run" in refused.error and "Traceback" not in refused.error
    examined = await typed(state, "doctor")
    assert examined.code == 1 and "version 1" in examined.out and "journeyman upgrade --dry-run" in examined.out
    bare = await typed(state, "upgrade")
    assert bare.code == 2 and "a backup comes first" in bare.error
    looked = await typed(state, "upgrade", "--dry-run")
    assert looked.code == 0 and "would become 2" in looked.out
    copy = state / "backup"
    assert contents(archive).keys() - before.keys() <= {"probe"}
    done = await typed(state, "upgrade", "--backup", str(copy))
    assert done.code == 0 and "version 2 now" in done.out, done.error
    assert {name: data for name, data in contents(copy / "archive").items() if name in before} == before
    assert not (copy / "archive" / "schema").exists()
    async with up(state):
        busy = await typed(state, "upgrade", "--without-backup")
        assert busy.code == 1 and "journeyman down" in busy.error
    assert "nothing to upgrade" in (await typed(state, "upgrade", "--without-backup")).out


async def test_an_archive_that_a_newer_program_has_upgraded_is_left_alone(state: Path) -> None:
    archive = version_1(state)
    (archive / "schema").mkdir()
    (archive / "schema" / "000099.json").write_text('{"journeyman": "9.9"}')
    before = contents(archive)
    for words in (("up",), ("upgrade", "--without-backup"), ("doctor",)):
        told = await typed(state, *words)
        assert told.code == 1 and "of Journeyman 9.9" in told.error + told.out, told
    assert contents(archive) == before
