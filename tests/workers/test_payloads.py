"""With keys of its own, an installation leaves nothing readable with Temporal, and its people see all of it."""

import asyncio
import base64
import json
import sqlite3
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Terminal, configure
from tests.workers.terminal import environment, typed, up
from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port
from workers.payloads import EncryptedPayloads, PayloadKeysBroken, PayloadUnreadable, new_key_line, read_keys
from workers.settings import Settings
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.status import Stage

GOAL = "mend add() for the customer called Zebedee"
HELLO = Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"')


def key_file(state: Path, *names: str) -> Path:
    path = state / "payload.keys"
    path.touch(mode=0o600)
    path.write_text("".join(f"{new_key_line(name)}\n" for name in names))
    return path


async def test_what_temporal_keeps_of_a_task_is_unreadable_to_it_and_readable_to_its_people(
    state: Path,
) -> None:
    keys = key_file(state, "2026-11")
    configure(state)
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with up(state, JOURNEYMAN_PAYLOAD_KEYS=str(keys)) as running:
        here = Terminal(Settings(state=state))
        task = await here.ask(repository, "mender", goal=GOAL)
        await here.reaches(task, Stage.REVIEW)
        assert GOAL in (await typed(state, "tasks")).out
        await here.decide(task, Action.REJECT, message="not for Zebedee")
        await here.reaches(task, Stage.ENDED)
        # Whoever reaches Temporal without the keys gets payloads, and no words.
        stranger = await connect(running.temporal_address, "default")
        history = await stranger.get_workflow_handle(task_workflow_id(task)).fetch_history()
        events = b"".join(event.SerializeToString() for event in history.events)
        assert b"2026-11" in events
        for word in (b"Zebedee", b"mend add", b"calc.py"):
            assert word not in events
        payload = history.events[0].workflow_execution_started_event_attributes.input.payloads[0]
        assert payload.metadata["encoding"] == b"binary/encrypted"
        port = free_port()
        origin = "http://127.0.0.1:8233"
        codec = await asyncio.create_subprocess_exec(
            *(str(program("journeyman")), "codec", "--port", str(port), "--origin", origin),
            env=environment(state, JOURNEYMAN_PAYLOAD_KEYS=str(keys)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert codec.stdout is not None
        assert str(port) in (await codec.stdout.readline()).decode()
        await see_through_the_codec_server(port, origin, payload)
        codec.terminate()
        assert await codec.wait() == 0
    database = sqlite3.connect(state / "temporal" / "temporal.db")
    dumped = "\n".join(database.iterdump())
    assert f"task/{task}" in dumped
    assert "Zebedee" not in dumped and b"Zebedee".hex() not in dumped.lower()


async def see_through_the_codec_server(port: int, origin: str, payload: Payload) -> None:
    asked = {
        "payloads": [
            {
                "metadata": {n: base64.b64encode(v).decode() for n, v in payload.metadata.items()},
                "data": base64.b64encode(payload.data).decode(),
            }
        ]
    }
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        told = await client.post("/decode", json=asked, headers={"origin": origin})
        assert told.headers["access-control-allow-origin"] == origin
        order = json.loads(base64.b64decode(told.json()["payloads"][0]["data"]))
        assert order["task"]["goal"] == GOAL
        other = await client.post("/decode", json=asked, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        asked["payloads"][0]["data"] = base64.b64encode(payload.data[:-1] + b"\x00").decode()
        assert (await client.post("/decode", json=asked)).status_code == 400
        asked["payloads"][0]["data"] = "no base64"
        assert (await client.post("/decode", json=asked)).status_code == 400


async def test_a_new_key_goes_before_the_old_one_and_what_was_encrypted_stays_readable(state: Path) -> None:
    old = EncryptedPayloads(read_keys(key_file(state, "old")))
    (before,) = await old.encode([HELLO])
    path = state / "payload.keys"
    path.write_text(f"# replaced in winter\n{new_key_line('new')}\n{path.read_text()}")
    both = EncryptedPayloads(read_keys(path))
    (now,) = await both.encode([HELLO])
    assert now.metadata["encryption-key-id"] == b"new"
    assert await both.decode([before, now, HELLO]) == [HELLO, HELLO, HELLO]
    newer = EncryptedPayloads(read_keys(key_file(state, "newest")))
    with pytest.raises(PayloadUnreadable, match="'old', which is not in JOURNEYMAN_PAYLOAD_KEYS"):
        await newer.decode([before])


@given(data=st.binary(max_size=500), at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_whatever_bit_is_changed_is_noticed(data: bytes, at: int, bit: int) -> None:
    codec = EncryptedPayloads({"k": bytes(32)})
    (sealed,) = asyncio.run(codec.encode([Payload(data=data)]))
    changed = bytearray(sealed.data)
    changed[at % len(changed)] ^= 1 << bit
    sealed.data = bytes(changed)
    with pytest.raises(PayloadUnreadable):
        asyncio.run(codec.decode([sealed]))


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "has no key"), ("k c2hvcnQ=", "line 1"), ("a b c", "line 1"), ("k", "line 1"), ("k ***", "line 1")],
)
async def test_a_file_of_keys_with_a_mistake_is_named_and_no_key_is_shown(
    state: Path, content: str, words: str
) -> None:
    path = key_file(state)
    path.write_text(content)
    with pytest.raises(PayloadKeysBroken, match=words):
        read_keys(path)
    answer = await typed(state, "up", JOURNEYMAN_PAYLOAD_KEYS=str(path))
    assert answer.code == 1
    assert "JOURNEYMAN_PAYLOAD_KEYS" in answer.error and "Traceback" not in answer.error


def test_a_file_of_keys_that_others_can_read_is_refused(state: Path) -> None:
    path = key_file(state, "k")
    path.chmod(0o640)
    with pytest.raises(PayloadKeysBroken, match="chmod 600"):
        read_keys(path)


async def test_the_line_that_the_command_prints_is_one_that_the_file_takes(state: Path) -> None:
    made = await typed(state, "payload-key", "2026-11")
    assert made.code == 0
    path = key_file(state)
    path.write_text(made.out)
    assert list(read_keys(path)) == ["2026-11"]
    assert (await typed(state, "payload-key", "no name")).code == 2
