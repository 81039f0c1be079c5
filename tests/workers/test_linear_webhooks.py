"""Linear's address is open to the network: what is not Linear's word of this minute gets in nowhere."""

import asyncio
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from activities.archive.objects import Objects
from activities.policy.agent_tables import KeySource
from activities.policy.linear_table import LinearTable
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.meaning import Terms
from activities.tracker.linear.sessions import LinearSessions
from activities.webhooks.signature import WebhookSecrets
from activities.webhooks.stored import Deliveries, digest_of
from tests.support.linear.server import linear_server
from tests.support.linear.signing import signature
from tests.support.linear.stand_in import TOKEN
from tests.support.plain_http import NO_TLS
from workers.embedded.temporal_server import free_port
from workers.gateway.linear_greeting import Greeting, greet
from workers.gateway.linear_webhooks import MOST_BYTES, linear_app
from workers.gateway.server import serving_on_port

SECRET = "a secret of the webhook's"


def told(**more: Any) -> bytes:
    issue = {"id": "i", "identifier": "ENG-1", "team": {"key": "ENG"}}
    body = {
        "type": "Comment",
        "action": "create",
        "actor": {"id": "ada", "type": "user"},
        "data": {"id": "c", "body": "/agent go on", "userId": "ada", "issue": issue},
        "organizationId": "o",
        "webhookTimestamp": int(time.time() * 1000),
    }
    return json.dumps({**body, **more}).encode()


class Listening:
    """One that listens, with its record."""

    def __init__(self, folder: Path) -> None:
        self.secrets = [folder / "secret"]
        self.secrets[0].write_text(SECRET)
        self.deliveries = Deliveries(Objects.open(str(folder / "archive")))
        self.taken: list[str] = []
        self.port = free_port()
        self.app = linear_app(
            WebhookSecrets(lambda: self.secrets),
            self.deliveries,
            lambda: Terms(frozenset({"ENG"}), "journeyman"),
            self.taken.append,
            bytes_at_once=MOST_BYTES + 1024,
            body_seconds=0.5,
        )

    async def post(self, body: bytes, secret: str = SECRET, **headers: str) -> httpx.Response:
        usual = {
            "content-type": "application/json; charset=utf-8",
            "linear-delivery": str(uuid.uuid4()),
            "linear-signature": signature(secret, body),
        }
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(trust_env=False, timeout=60, verify=NO_TLS) as client:
            address = f"http://127.0.0.1:{self.port}/webhooks/linear"
            return await client.post(address, content=body, headers=usual | named)


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncIterator[Listening]:
    listening = Listening(tmp_path)
    async with serving_on_port(listening.app, listening.port):
        yield listening


@pytest.mark.parametrize(
    ("body", "headers", "status", "advice"),
    [
        (told(), {"linear_signature": signature("guessed", told())}, 401, "fits none of the secrets"),
        (told()[:-7], {"linear_signature": signature(SECRET, told())}, 401, "fits none of the secrets"),
        (told(), {"linear_signature": ""}, 401, "no Linear-Signature"),
        (told(), {"linear_signature": signature(SECRET, told()).upper()}, 401, "no Linear-Signature"),
        (told(), {"linear_delivery": "../../x"}, 400, "Linear-Delivery"),
        (told(webhookTimestamp=int((time.time() - 3600) * 1000)), {}, 401, "within a minute"),
        (told(webhookTimestamp=int((time.time() + 3600) * 1000)), {}, 401, "within a minute"),
        (told(webhookTimestamp=time.time()), {}, 401, "within a minute"),
        (told(webhookTimestamp="now"), {}, 401, "within a minute"),
        (told(webhookTimestamp=None), {}, 401, "within a minute"),
        (b"", {}, 400, "no JSON"),
        (b"[1]", {}, 400, "no JSON object"),
        (b"[" * 100_000, {}, 400, "no JSON"),
        (b"\xff\xfe", {}, 400, "no JSON"),
        (b" " * (MOST_BYTES + 1), {}, 413, "5 MiB"),
    ],
)
async def test_what_is_not_linear_s_word_of_this_minute_is_refused_in_words(
    here: Listening, body: bytes, headers: dict[str, str], status: int, advice: str
) -> None:
    answer = await here.post(body, **headers)
    assert answer.status_code == status, answer.text
    assert advice in answer.json()["detail"]
    assert (await here.deliveries.pending(), here.taken) == ([], [])


async def test_what_is_taken_is_on_record_and_replayed_it_is_known(here: Listening) -> None:
    body = told()
    first = await here.post(body)
    assert (first.status_code, first.json()["outcome"]) == (200, "taken")
    stored = await here.deliveries.read(digest_of(body))
    assert stored is not None and (stored.source, stored.body) == ("linear", body)
    answers = await asyncio.gather(*(here.post(body) for _ in range(8)))
    assert {answer.json()["outcome"] for answer in answers} == {"known"}
    assert await here.deliveries.pending() == [digest_of(body)]


async def test_a_secret_is_replaced_without_losing_what_either_signs(here: Listening, tmp_path: Path) -> None:
    here.secrets.append(tmp_path / "new")
    here.secrets[1].write_text("another secret of the webhook's")
    for secret in (SECRET, "another secret of the webhook's"):
        assert (await here.post(told(organizationId=secret), secret)).status_code == 200
    del here.secrets[0]
    assert (await here.post(told(organizationId="late"))).status_code == 401
    here.secrets[0].write_text("short")
    broken = await here.post(told(organizationId="broken"))
    assert (broken.status_code, "short" in broken.text) == (503, False)


async def test_a_body_that_does_not_come_holds_nobody_up(here: Listening) -> None:
    head = f"POST /webhooks/linear HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\nlinear-signature: {'0' * 64}\r\n"
    with socket.create_connection(("127.0.0.1", here.port)) as slow:
        slow.sendall(f"{head}linear-delivery: {uuid.uuid4()}\r\n\r\n".encode())
        assert (await here.post(told())).status_code == 200
        slow.settimeout(10)
        assert b"408" in await asyncio.to_thread(slow.recv, 200)


async def test_what_means_nothing_is_answered_and_not_kept(here: Listening) -> None:
    answer = await here.post(told(type="Reaction"))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "ignored")
    assert await here.deliveries.pending() == []


async def test_a_session_is_greeted_within_seconds_although_nothing_carries_it_out(
    here: Listening, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with linear_server() as linear:
        table = LinearTable(api=linear.api, token=KeySource(file=tmp_path / "token"), teams={"ENG": "/srv/git/shop"})
        access = LinearAccess(lambda: table)
        sessions = LinearSessions(access, LinearActor(access))
        greeting = Greeting(sessions)
        terms = Terms(frozenset({"ENG"}), "journeyman")
        app = linear_app(
            WebhookSecrets(lambda: here.secrets), here.deliveries, lambda: terms, here.taken.append, greeting.heard
        )
        port = free_port()
        ada = linear.person("Ada")
        issue = linear.issue(linear.team("ENG"), ada, "It breaks")
        async with serving_on_port(app, port), greeting.running(), asyncio.timeout(30):
            linear.hook_url, linear.secret = f"http://127.0.0.1:{port}/webhooks/linear", SECRET
            session = await asyncio.to_thread(linear.session, issue, ada)
            while not linear.told(session):
                await asyncio.sleep(0.05)
            await greet(sessions, session["id"])
        assert [kind for kind, _ in linear.told(session)] == ["thought"]
        assert len(here.taken) == 1
