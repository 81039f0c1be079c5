"""A thousand deliveries in ten seconds: how soon each is acknowledged, and how many a killed gateway loses."""

from pathlib import Path

from tests.benchmarks.figures import Figure, median, percentile
from tests.support.webhook_flood import Gateway
from workers.embedded.temporal_server import free_port, temporal_server

_COUNT, _SECONDS = 1000, 10.0
_DRAIN_SECONDS = 600


async def measure(state: Path) -> list[Figure]:
    """Once with a gateway that lives, and once with one that is killed half-way."""
    address = f"127.0.0.1:{free_port()}"
    async with temporal_server(state / "temporal", address, free_port(), "default"):
        home = state / "home"
        home.mkdir(mode=0o711)
        gateway = Gateway(home, address)
        async with gateway.serving():
            calm = await gateway.flood(_COUNT, _SECONDS)
            lost = await calm.lost(home / "archive", _DRAIN_SECONDS)
            killed = await gateway.flood(_COUNT, _SECONDS, kill_after=_SECONDS / 2)
            lost += await killed.lost(home / "archive", _DRAIN_SECONDS)
    how = f"{_COUNT} of 15 kB in {_SECONDS:g} s, median {median(calm.seconds):.3f} s, most {max(calm.seconds):.3f} s"
    again = f"acknowledged, of {2 * _COUNT}; the gateway was killed once, and {killed.tried_again} were sent again"
    return [
        Figure("webhook_p99_s", percentile(calm.seconds, 99), "s", goal=1, detail=how),
        Figure("webhook_lost", lost, goal=0, detail=again),
    ]
