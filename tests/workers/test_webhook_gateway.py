"""The address that is open to the network: what is not GitHub's word gets in nowhere, and what is gets lost nowhere."""

import asyncio
import contextlib
import json
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from activities.archive.objects import Objects
from activities.webhooks.meaning import Terms
from activities.webhooks.signature import WebhookSecrets
from activities.webhooks.stored import Deliveries, DeliveryDamaged, digest_of
from tests.support.github.published import need_descriptions, webhook_examples
from tests.support.github.webhooks import signature
from tests.support.plain_http import NO_TLS
from workers.embedded.temporal_server import free_port
from workers.gateway.bounded_connections import MOST_CONNECTIONS
from workers.gateway.server import serving_on_port
from workers.gateway.webhooks import MOST_BYTES, webhook_app
from workflows.models.delivery import DeliveryResult, Taken

SECRET = "a secret of the webhook's"
COMMAND = {
    "action": "created",
    "issue": {"number": 3, "title": "It breaks", "state": "open"},
    "comment": {"id": 5, "body": "/agent mend it", "created_at": "2026-01-01T00:00:00Z"},
    "repository": {"id": 1, "full_name": "acme/shop", "default_branch": "main"},
    "sender": {"login": "ada", "id": 7, "type": "User"},
}
BODY = json.dumps(COMMAND).encode()


class Listening:
    """One that listens, with its record."""

    def __init__(self, folder: Path, body_seconds: float = 0.5) -> None:
        self.archive = folder / "archive"
        self.secret = folder / "secret"
        self.secret.write_text(SECRET)
        self.deliveries = Deliveries(Objects.open(str(self.archive)))
        self.taken: list[str] = []
        self.port = free_port()
        self.app = webhook_app(
            WebhookSecrets(lambda: (self.secret,)),
            self.deliveries,
            lambda: Terms("journeyman", "Codertocat"),
            self.taken.append,
            bytes_at_once=MOST_BYTES + 1024,
            body_seconds=body_seconds,
        )

    async def post(self, body: bytes, event: str = "issue_comment", guid: str = "", **headers: str) -> httpx.Response:
        usual = {
            "content-type": "application/json",
            "x-github-event": event,
            "x-github-delivery": guid or "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "x-hub-signature-256": signature(SECRET, body),
        }
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(trust_env=False, timeout=60, verify=NO_TLS) as client:
            address = f"http://127.0.0.1:{self.port}/webhooks/github"
            return await client.post(address, content=body, headers=usual | named)


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncIterator[Listening]:
    listening = Listening(tmp_path)
    async with serving_on_port(listening.app, listening.port):
        yield listening


async def test_every_published_payload_is_taken_or_passed_over_for_a_reason(here: Listening) -> None:
    need_descriptions()
    examples = webhook_examples()
    assert len(examples) == 329
    outcomes = []
    for event, example in examples:
        answer = await here.post(json.dumps(example).encode(), event)
        assert answer.status_code == 202, (event, answer.text)
        told = answer.json()
        assert told["outcome"] in {"taken", "known", "ignored"}
        assert told["detail"]
        outcomes.append(told["outcome"])
    assert outcomes.count("taken") >= 3
    assert len(await here.deliveries.pending()) == outcomes.count("taken") == len(set(here.taken))


@pytest.mark.parametrize(
    ("body", "headers", "status", "advice"),
    [
        (BODY, {"x_hub_signature_256": signature("guessed", BODY)}, 401, "fits none of the secrets"),
        (BODY[:-7], {"x_hub_signature_256": signature(SECRET, BODY)}, 401, "fits none of the secrets"),
        (BODY, {"x_hub_signature_256": ""}, 401, "give the webhook a secret"),
        (BODY, {"x_hub_signature_256": "sha1=" + "0" * 40}, 401, "fits none of the secrets"),
        (BODY, {"x_github_event": ""}, 400, "X-GitHub-Event"),
        (BODY, {"x_github_event": "Issue Comment"}, 400, "X-GitHub-Event"),
        (BODY, {"x_github_delivery": "../../x"}, 400, "X-GitHub-Delivery"),
        (BODY, {"content_type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        (b"", {}, 400, "no JSON"),
        (b"[1]", {}, 400, "no JSON object"),
        (b"[" * 100_000, {}, 400, "no JSON"),
        (b'{"a": NaN}', {}, 400, "no JSON"),
        (BODY.replace(b"It breaks", b"\\ud800"), {}, 400, "no JSON"),
        (b"\xff\xfe", {}, 400, "no JSON"),
        (b" " * (MOST_BYTES + 1), {}, 413, "25 MiB"),
    ],
)
async def test_what_is_not_github_s_word_is_refused_in_words(
    here: Listening, body: bytes, headers: dict[str, str], status: int, advice: str
) -> None:
    answer = await here.post(body, **headers)
    assert answer.status_code == status, answer.text
    assert advice in answer.json()["detail"]
    assert await here.deliveries.pending() == []
    assert here.taken == []


async def test_a_delivery_is_known_again_whatever_its_headers_say_now(here: Listening) -> None:
    first = await here.post(BODY)
    assert (first.json()["outcome"], first.json()["delivery"]) == ("taken", digest_of(BODY))
    answers = await asyncio.gather(*(here.post(BODY, guid=f"{number}" * 16) for number in range(1, 9)))
    assert {answer.json()["outcome"] for answer in answers} == {"known"}
    stored = await here.deliveries.read(digest_of(BODY))
    assert stored is not None
    await here.deliveries.finish(digest_of(BODY), stored, DeliveryResult(outcome=Taken.DONE))
    replayed = await here.post(BODY, guid="another-one-of-theirs")
    assert (replayed.status_code, replayed.json()["outcome"]) == (202, "known")
    assert await here.deliveries.pending() == []
    # Of what was said nothing is kept once it is carried out.
    assert not any(b"mend it" in path.read_bytes() for path in here.archive.rglob("*") if path.is_file())


async def test_what_was_damaged_on_record_is_no_delivery_and_can_be_had_again(here: Listening) -> None:
    await here.post(BODY)
    (file,) = [path for path in here.archive.rglob("*.json") if "pending" in str(path)]
    file.with_name("what-is-none.json").write_text("{}")
    assert await here.deliveries.pending() == [digest_of(BODY)]
    whole = file.read_text()
    for broken in (whole[:-20], whole.replace('"body_base64":"', '"body_base64":"AAAA')):
        file.write_text(broken)
        with pytest.raises(DeliveryDamaged, match="sent again"):
            await here.deliveries.read(digest_of(BODY))
    await here.deliveries.discard(digest_of(BODY))
    assert (await here.post(BODY)).json()["outcome"] == "taken"


async def test_a_body_that_does_not_come_holds_nobody_up(here: Listening) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    head = (
        "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-github-event: issues\r\n"
        f"x-github-delivery: 12345678\r\nx-hub-signature-256: {signature(SECRET, BODY)}\r\ncontent-length: 9999\r\n\r\n"
    )
    writer.write(head.encode() + b"{")
    await writer.drain()
    assert (await here.post(BODY)).status_code == 202
    async with asyncio.timeout(20):
        assert b" 408 " in await reader.readline()
    writer.close()
    with socket.create_connection(("127.0.0.1", here.port)) as cut_off:
        cut_off.sendall(head.encode() + b"{")
    assert (await here.post(BODY)).status_code == 202


def head_of(length: int) -> bytes:
    """Of a delivery whose body is still to come."""
    head = (
        "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-github-event: issues\r\n"
        f"x-github-delivery: 12345678\r\nx-hub-signature-256: {signature('guessed', BODY)}\r\n"
    )
    return f"{head}content-length: {length}\r\n\r\n".encode()


async def held(here: Listening) -> asyncio.StreamWriter:
    """A connection whose body, which does not end, takes all the room for long ones."""
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(head_of(MOST_BYTES) + b" " * (MOST_BYTES - 1))
        while writer.transport.get_write_buffer_size():
            await asyncio.sleep(0.01)
        if (await here.post(b" " * 1_000_000)).status_code == 503:
            return writer
        # It came in between, so that this one may have been refused.
        writer.close()


async def test_too_much_at_once_is_refused_for_now_and_small_ones_go_on(tmp_path: Path) -> None:
    here, large = Listening(tmp_path, body_seconds=60), b" " * (MOST_BYTES - 10)
    async with serving_on_port(here.app, here.port), asyncio.timeout(120):
        writer = await held(here)
        assert (await here.post(large)).status_code == 503
        assert (await here.post(BODY)).status_code == 202
        writer.close()
        while (answer := await here.post(large)).status_code == 503:
            await asyncio.sleep(0.05)
        assert answer.status_code == 400


async def test_nobody_s_long_bodies_keep_github_s_usual_ones_out(tmp_path: Path) -> None:
    here = Listening(tmp_path, body_seconds=60)
    usual = BODY.replace(b"It breaks", b"It breaks" + b"x" * 100_000)
    async with serving_on_port(here.app, here.port):
        async with asyncio.timeout(60):
            writer = await held(here)
        assert (await here.post(usual)).status_code == 202
        writer.close()


async def test_connections_on_which_nothing_is_asked_are_closed_and_use_up_no_files(tmp_path: Path) -> None:
    here = Listening(tmp_path, body_seconds=60)
    async with serving_on_port(here.app, here.port, idle_seconds=1):
        begun = [b"", head_of(9)[:50], head_of(9)[:-2]]
        silent = [await asyncio.open_connection("127.0.0.1", here.port) for _ in begun]
        for (_, writer), beginning in zip(silent, begun, strict=True):
            writer.write(beginning)
        async with asyncio.timeout(20):
            for reader, _ in silent:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
        files = psutil.Process().num_fds()
        waiting = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(MOST_CONNECTIONS + 50)]
        for _, writer in waiting:
            writer.write(head_of(9))
        # Their other ends are of this process, too.
        async with asyncio.timeout(20):
            while psutil.Process().num_fds() > files + len(waiting) + MOST_CONNECTIONS:
                await here.post(BODY)
        assert (await here.post(BODY)).status_code == 202
        for _, writer in waiting:
            writer.transport.abort()


async def test_an_address_with_a_slash_too_many_is_sent_nowhere_else(here: Listening) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
        address = f"http://127.0.0.1:{here.port}/webhooks/github/"
        answer = await client.post(address, content=BODY, headers={"host": "evil.example"})
    assert (answer.status_code, "location" in answer.headers, "server" in answer.headers) == (404, False, False)
    assert "ends in /webhooks/github" in answer.json()["detail"]


async def test_what_can_not_be_kept_is_not_acknowledged(here: Listening) -> None:
    shutil.rmtree(here.archive)
    here.archive.write_text("no folder")
    answer = await here.post(BODY)
    assert answer.status_code == 503
    assert "again later" in answer.json()["detail"]
    here.secret.unlink()
    assert (await here.post(BODY)).status_code == 503
