"""Which checkpoint a task goes on from that lost its host: the last, unless what came after it was brought out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.decisions.attested import Attested, AttestedPatch
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.signed_record import SignedRecord
from tests.workflows.scripted import a_patch
from workflows.models.checkpoint import Checkpoint
from workflows.models.run import RunEnd, RunResult

TASK = "abcdefghij"


@pytest.fixture
def attested(tmp_path: Path) -> Attested:
    key = SigningKey.load_or_create(tmp_path / "keys", "worker")
    chains = Chains(Objects.open(str(tmp_path / "archive")))
    return Attested(SignedRecord(chains, TrustedKeys(lambda: (key.public_key,)), key))


async def taken(attested: Attested, epoch: int, run: int, number: int) -> Checkpoint:
    """A checkpoint, with the patch that it has of its own on record."""
    run_id, patch = f"{TASK}-{epoch}-{run}", a_patch(f"{epoch}-{run}-{number}")
    checkpoint = Checkpoint(
        run_id=run_id, epoch=epoch, number=number, base_commit="b" * 40, patch=patch, taken_at=datetime.now(UTC)
    )
    await attested.add_patch(TASK, AttestedPatch(patch=patch, run_id=run_id))
    await attested.add_checkpoint(TASK, checkpoint)
    return checkpoint


async def brought_out(attested: Attested, run_id: str) -> None:
    made = AttestedPatch(patch=a_patch(f"of {run_id}"), run_id=run_id, round=1)
    await attested.add_patch(TASK, made)


async def test_the_last_checkpoint_of_an_earlier_placement_counts(attested: Attested) -> None:
    assert await attested.checkpoint(TASK, 2) is None
    await taken(attested, 1, 1, 1)
    last = await taken(attested, 1, 1, 2)
    await taken(attested, 2, 2, 1)
    assert await attested.checkpoint(TASK, 2) == last


async def test_that_the_run_has_ended_on_record_loses_nothing_of_it(attested: Attested) -> None:
    """A host that comes back after it counted as lost may put the end of its run on record."""
    last = await taken(attested, 1, 1, 1)
    await attested.add_run(TASK, RunResult(run_id=f"{TASK}-1-1", end=RunEnd.LOST), [])
    assert await attested.checkpoint(TASK, 2) == last


async def test_what_was_brought_out_is_not_gone_on_with_again(attested: Attested) -> None:
    await taken(attested, 1, 1, 1)
    await brought_out(attested, f"{TASK}-1-1")
    assert await attested.checkpoint(TASK, 2) is None


async def test_of_a_run_before_the_one_that_was_brought_out_nothing_counts_any_more(attested: Attested) -> None:
    await taken(attested, 1, 1, 1)
    await brought_out(attested, f"{TASK}-1-2")
    assert await attested.checkpoint(TASK, 2) is None
    last = await taken(attested, 1, 3, 1)
    assert await attested.checkpoint(TASK, 2) == last
