"""A hundred commands in the same second: how soon each is acknowledged, and whether any of them is lost."""

import asyncio
import time
from pathlib import Path

import httpx

from activities.archive.objects import Objects
from activities.webhooks.stored import Deliveries
from tests.benchmarks.figures import Figure, median, percentile
from tests.support.slack.sending import People, signed
from tests.support.slack.server import Slack, slack_server
from tests.support.slack.workspace import SECRET
from tests.support.webhook_flood import Gateway
from workers.embedded.temporal_server import free_port, temporal_server

_COUNT, _ROUNDS = 100, 3
_DRAIN_SECONDS = 300


async def measure(state: Path) -> list[Figure]:
    """Some such seconds, with a gateway and a worker that are processes of their own, through HTTP."""
    address = f"127.0.0.1:{free_port()}"
    with slack_server() as slack:
        slack.user("U0ADA")
        async with temporal_server(state / "temporal", address, free_port(), "default"):
            home = state / "home"
            home.mkdir(mode=0o711)
            port = free_port()
            gateway = Gateway(home, address, more=_configuration(home, slack, port))
            async with gateway.serving():
                url = f"http://127.0.0.1:{port}/webhooks/slack"
                seconds = [one for _ in range(_ROUNDS) for one in await _second(slack, url)]
                lost = _COUNT * _ROUNDS - await _carried_out(home / "archive", _COUNT * _ROUNDS)
                at_once = await _second(slack, url, over=0)
                lost += _COUNT * (_ROUNDS + 1) - await _carried_out(home / "archive", _COUNT * (_ROUNDS + 1))
    how = (
        f"{_ROUNDS} seconds with {_COUNT} each, median {median(seconds):.3f} s, most {max(seconds):.3f} s; of {_COUNT} "
        f"in the same moment {percentile(at_once, 99):.3f} s"
    )
    return [
        Figure("slack_ack_p99_ms", round(percentile(seconds, 99) * 1000, 1), "ms", goal=1000, detail=how),
        Figure("slack_lost", lost, goal=0, detail=f"of {_COUNT * (_ROUNDS + 1)} that were acknowledged"),
    ]


def _configuration(home: Path, slack: Slack, port: int) -> str:
    (home / "bot").write_text(slack.bot_token)
    (home / "signing").write_text(SECRET)
    # No repository is listed: what is measured is that a command is taken, not what a task costs.
    return (
        f'[slack]\napi = "{slack.api}"\nbot_token = {{ file = "{home}/bot" }}\naddress = "127.0.0.1:{port}"\n'
        f'signing_secrets = ["{home}/signing"]\n[people.ada]\nslack = "U0ADA"\n'
    )


async def _second(slack: Slack, url: str, over: float = 1.0) -> list[float]:
    """So many, evenly over so many seconds; how long each took."""
    people = People(slack, url)
    bodies = [people.body("slash_commands", people.a_command("U0ADA", f"mend {one}")) for one in range(_COUNT)]
    async with httpx.AsyncClient(trust_env=False, timeout=30, limits=httpx.Limits(max_connections=_COUNT)) as client:

        async def send(number: int) -> float:
            await asyncio.sleep(number * over / _COUNT)
            body = bodies[number]
            headers = {"content-type": "application/x-www-form-urlencoded", **signed(body)}
            began = time.monotonic()
            answer = await client.post(url, content=body, headers=headers)
            assert (answer.status_code, answer.text) == (200, ""), answer.text
            return time.monotonic() - began

        return list(await asyncio.gather(*map(send, range(_COUNT))))


async def _carried_out(archive: Path, wanted: int) -> int:
    """Of how many something has come, after waiting for it."""
    deliveries = Deliveries(Objects.open(str(archive)))
    done = archive / "deliveries" / "done"
    until = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < until:
        if not await deliveries.pending() and len(list(done.rglob("*.json"))) >= wanted:
            break
        await asyncio.sleep(0.5)
    return len(list(done.rglob("*.json")))
