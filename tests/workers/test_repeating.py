"""A host's chores go on after any failure, which is told once."""

import asyncio
import logging

import pytest

from workers.repeating import repeat


async def test_a_chore_goes_on_after_a_full_disk_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()
    times = 0

    async def chore() -> None:
        nonlocal times
        times += 1
        if times < 3:
            raise OSError("No space left on device")
        if times == 4:
            done.set()

    with caplog.at_level(logging.WARNING):
        doing = asyncio.create_task(repeat("sweep", chore, 0.01))
        async with asyncio.timeout(5):
            await done.wait()
        doing.cancel()
    assert [record.message for record in caplog.records] == [
        "can't sweep, trying again every 0.01 s: OSError: No space left on device",
        "can sweep again",
    ]
