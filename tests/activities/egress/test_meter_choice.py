"""Why usage is counted by a meter of ours: what Envoy's own filters would not see. See docs/adr/0007."""

import asyncio
from pathlib import Path

from tests.activities.egress.providers import provider
from tests.benchmarks.meter import OURS, gateways, try_all

NEVER_READ = {"a compressed stream", "a cut stream", "a stream that says nothing of usage"}


async def test_answers_that_envoys_own_filters_do_not_count_are_counted(directory: Path) -> None:
    with provider() as scripted:
        async with gateways(directory, scripted.port, scripted.port) as all_of_them:
            for each in all_of_them.values():
                await asyncio.to_thread(try_all, each, scripted)
    wrong = {name: set(each.wrong) for name, each in all_of_them.items()}
    assert wrong[OURS] == set()
    # Should these come to be read, the choice is to be made again.
    assert wrong["sse_to_metadata"] > NEVER_READ
    assert wrong["sse_and_json"] == NEVER_READ | {"a whole message of half a megabyte (not passed on)"}
