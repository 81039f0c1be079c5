"""The address for Slack: what Slack did not sign gets in nowhere; what it did sign is on record before the answer."""

import asyncio
import base64
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from activities.archive.intents import Intents
from activities.archive.objects import Objects
from activities.chat.slack.access import SlackAccess
from activities.chat.slack.heard import Commanded, Mentioned, read
from activities.chat.slack.identity import SlackIdentity
from activities.chat.slack.signature import SlackSecrets
from activities.chat.slack.whispering import Whispering
from activities.decisions.keys import SigningKey, TrustedKeys, Untrusted
from activities.policy.owners import OwnersFiles
from activities.webhooks.stored import Deliveries, StoredDelivery
from tests.support.plain_http import NO_TLS
from tests.support.slack.sending import People, signed
from tests.support.slack.server import Slack, slack_server
from tests.support.slack.workspace import BOT, SECRET
from workers.embedded.temporal_server import free_port
from workers.gateway.halting import Halting
from workers.gateway.server import serving_on_port
from workers.gateway.slack_answers import SlackAnswers
from workers.gateway.slack_app import MOST_BYTES, PATH, slack_app
from workers.gateway.slack_carrier import SlackCarrier
from workers.gateway.slack_commands import SlackCommands
from workers.gateway.slack_forms import SlackForms
from workers.gateway.slack_halting import SlackHaltsAtOnce
from workers.gateway.slack_hearing import SlackHearing
from workers.gateway.slack_record import SlackRecord
from workers.gateway.slack_senders import SlackSenders
from workers.parts.halts import kept_halts
from workers.settings import Settings

OTHER = "another signing secret of the App's"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class Listening:
    """One that listens, with its record; nobody carries out what it hears."""

    def __init__(self, folder: Path, slack: Slack) -> None:
        self.slack = slack
        self.archive = folder / "archive"
        for name, text in (("secret", SECRET), ("other", OTHER), ("token", slack.bot_token)):
            (folder / name).write_text(f"{text}\n")
        (folder / "journeyman.toml").write_text(
            f'[slack]\napi = "{slack.api}"\nbot_token = {{ file = "{folder}/token" }}\n'
            f'address = "127.0.0.1:1"\nsigning_secrets = ["{folder}/secret"]\n'
            '[people.ada]\nslack = "U0ADA"\n'
        )
        owners = OwnersFiles.at(folder / "journeyman.toml", folder / "security.toml")
        objects = Objects.open(str(self.archive))
        self.deliveries, self.taken = Deliveries(objects), list[str]()
        key = SigningKey.load_or_create(folder / "keys", "gateway")
        self.record = SlackRecord(
            self.deliveries, key, TrustedKeys.of_role(folder / "keys", "gateway"), self.taken.append
        )
        access = SlackAccess(lambda: owners.platform().slack)
        senders = SlackSenders(owners, access, SlackIdentity(access))
        # Nobody asks for what policy may do here.
        forms = SlackForms(owners, access, senders, None, Whispering(access, slack.api))  # type: ignore[arg-type]
        self.opened: list[str] = []
        self.halting = Halting(kept_halts(Settings(state=folder), objects, key), owners)
        self.intents = Intents(objects)
        bolt = SlackHearing(self.record, self.intents, forms, self._home, self._halt(owners, access, senders)).app()
        self.app = slack_app(
            SlackSecrets(lambda: (folder / "secret", folder / "other")),
            bolt,
            bytes_at_once=MOST_BYTES + 1024,
            body_seconds=0.5,
        )
        self.port = free_port()
        self.people = People(slack, f"http://127.0.0.1:{self.port}{PATH}")

    def _halt(
        self, owners: OwnersFiles, access: SlackAccess, senders: SlackSenders
    ) -> Callable[[str], Awaitable[None]]:
        """Nothing of this asks Temporal, and there is none."""
        none: Any = None
        commands = SlackCommands(none, none, SlackAnswers(none, self.halting, none), none)
        whispering, identity = Whispering(access, self.slack.api), SlackIdentity(access)
        carrier = SlackCarrier(self.record, owners, identity, senders, commands, none, whispering)
        return SlackHaltsAtOnce(self.deliveries, carrier).carry_out

    async def _home(self, user: str) -> None:
        self.opened.append(user)

    async def post(self, body: bytes, kind: str = FORM, **headers: str) -> httpx.Response:
        usual = {"content-type": kind, **signed(body)}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(trust_env=False, timeout=30, verify=NO_TLS) as client:
            return await client.post(self.people.url, content=body, headers=usual | named)


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        server.channel("C0SHOP")
        server.user("U0ADA")
        yield server


@pytest_asyncio.fixture
async def here(tmp_path: Path, slack: Slack) -> AsyncIterator[Listening]:
    listening = Listening(tmp_path, slack)
    async with serving_on_port(listening.app, listening.port):
        yield listening


async def test_what_slack_did_not_sign_just_now_is_refused_in_words(here: Listening) -> None:
    body = here.people.body("slash_commands", here.people.a_command("U0ADA", "mend it"))
    now = str(int(time.time()))
    for sent, kind, headers, status, advice in (
        (body, FORM, signed(body, "guessed"), 401, "fits none of the secrets"),
        (body + b"&x=1", FORM, signed(body), 401, "fits none of the secrets"),
        (body, FORM, signed(body, at=time.time() - 400), 401, "older than five minutes"),
        (body, FORM, signed(body, at=time.time() + 400), 401, "is the clock right"),
        (body, FORM, {"x-slack-request-timestamp": now, "x-slack-signature": ""}, 401, "signature"),
        (body, FORM, {"x-slack-request-timestamp": "now", "x-slack-signature": "v0=1"}, 401, "signature"),
        (body, FORM, {"x-slack-request-timestamp": "9" * 400, "x-slack-signature": "v0=1"}, 401, "signature"),
        (b"\xff\xfe", FORM, signed(b"\xff\xfe"), 401, "signature"),
        (body, "text/plain", signed(body), 415, "application/json"),
        (b"[1]", JSON, signed(b"[1]"), 400, "no JSON object"),
        (b"[" * 100_000, JSON, signed(b"[" * 100_000), 400, "no JSON"),
        (b"payload=%7B", FORM, signed(b"payload=%7B"), 400, "no JSON"),
        (b"a=1&" * 60, FORM, signed(b"a=1&" * 60), 400, "no form"),
        (b" " * (MOST_BYTES + 1), JSON, signed(b" "), 413, "1 MiB"),
    ):
        answer = await here.post(sent, kind, **headers)
        assert (answer.status_code, advice in answer.text) == (status, True), (sent[:50], headers, answer.text)
    assert await here.deliveries.pending() == []
    assert here.taken == []


async def test_either_secret_counts_while_one_replaces_the_other(here: Listening) -> None:
    for secret in (SECRET, OTHER):
        sent = await People(here.slack, here.people.url, secret).command("U0ADA", "mend it")
        assert (sent.status, sent.body) == (200, "")
    assert len(await here.deliveries.pending()) == 2


async def test_slack_s_own_check_of_the_address_is_answered(here: Listening) -> None:
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "what it asks"}).encode()
    answer = await here.post(body, JSON)
    assert (answer.status_code, answer.json()) == (200, {"challenge": "what it asks"})
    forged = await here.post(body, JSON, **signed(body, "guessed"))
    assert forged.status_code == 401


async def test_a_command_is_on_record_once_it_is_acknowledged_although_slack_itself_is_down(here: Listening) -> None:
    for method in ("auth.test", "users.info", "chat.postMessage"):
        here.slack.fail(method, "internal_error", status=500, times=100)
    payload = here.people.a_command("U0ADA", "mend it")
    sent = await here.people.send("slash_commands", payload)
    assert (sent.status, sent.body) == (200, "") and sent.seconds < 1
    (digest,) = await here.deliveries.pending()
    assert here.taken == [digest]
    stored = await here.deliveries.read(digest)
    assert stored is not None
    heard = here.record.heard(stored)
    assert isinstance(heard, Commanded)
    assert (heard.user, heard.text, heard.trigger) == ("U0ADA", "mend it", payload["trigger_id"])
    assert here.slack.calls == []
    assert b"deprecated" not in stored.body, "no verification token is kept"


async def test_what_no_gateway_heard_is_not_carried_out(here: Listening, tmp_path: Path) -> None:
    await here.people.command("U0ADA", "mend it")
    (digest,) = await here.deliveries.pending()
    stored = await here.deliveries.read(digest)
    assert stored is not None
    changed = stored.body.replace(b"mend it", b"break it")
    other = StoredDelivery.model_validate({**stored.model_dump(), "body_base64": base64.b64encode(changed).decode()})
    with pytest.raises(Untrusted):
        here.record.heard(other)
    stranger = SigningKey.load_or_create(tmp_path / "elsewhere", "gateway")
    signature = f"{stranger.key_id}:{stranger.sign(b'journeyman slack' + bytes([10]) + stored.body)}"
    with pytest.raises(Untrusted):
        here.record.heard(stored.model_copy(update={"signature": signature}))
    assert read(stored.body) == here.record.heard(stored)


async def test_what_can_t_be_put_on_record_is_told_or_told_again_and_never_acknowledged_in_silence(
    here: Listening,
) -> None:
    shutil.rmtree(here.archive)
    here.archive.write_text("no folder")
    sent = await here.people.command("U0ADA", "mend it")
    assert sent.status == 200 and "nothing of it is done" in sent.body
    event = {"type": "app_mention", "user": "U0ADA", "text": "mend it", "ts": "1.000001", "channel": "C0SHOP"}
    sent = await here.people.send("events_api", here.people.an_event(event))
    assert sent.status == 503, "so Slack tells it again"
    pressed = await here.people.press("U0ADA", "approve", "{}")
    assert pressed.status == 503, "so Slack shows that it failed"


async def test_payloads_of_any_shape_are_answered_and_leave_nothing_behind(here: Listening) -> None:
    view = {"id": "V1", "callback_id": "new_task", "private_metadata": "{"}
    for kind, payload in (
        ("interactive", {"type": "view_submission", "user": {"id": "U0ADA"}, "team": {"id": "T0ACME"}, "view": view}),
        ("interactive", {"type": "view_submission", "user": {}, "view": {**view, "state": {"values": []}}}),
        ("interactive", {"type": "block_actions", "user": {"id": "u"}, "actions": [{"action_id": "approve"}]}),
        ("interactive", {"type": "block_actions", "user": 3, "actions": "approve"}),
        ("interactive", {"type": "block_actions", "user": {"id": "u"}, "actions": [{"action_id": "a link"}]}),
        ("events_api", here.people.an_event({"type": "app_mention", "user": "U0ADA", "ts": "<script>"})),
        ("events_api", here.people.an_event({"type": "app_mention", "user": {"id": 1}, "ts": "1.000001"})),
        ("slash_commands", here.people.a_command("u' OR 1=1", "mend it")),
        ("slash_commands", here.people.a_command("U0ADA", "x" * 50_000)),
    ):
        sent = await here.people.send(kind, payload)
        assert sent.status in {200, 400}, (payload, sent)
    assert await here.deliveries.pending() == []


async def test_a_form_that_holds_too_much_stays_open_and_says_where(here: Listening) -> None:
    view = {"id": "V1", "type": "modal", "callback_id": "new_task", "private_metadata": "{}"}
    filled: dict[tuple[str, str], Any] = {
        ("repository", "repository"): {"selected_option": {"value": "github:acme/shop"}},
        ("goal", "goal"): {"value": "mend add()"},
    }
    for block, text, advice in (
        ("acceptance", "\n".join(map(str, range(51))), "at most 50 entries"),
        ("scope", " ".join(map(str, range(51))), "at most 50 entries"),
        ("base", "b" * 256, "at most 255 characters"),
    ):
        sent = await here.people.submit("U0ADA", view, {**filled, (block, block): {"value": text}})
        assert sent.status == 200 and sent.told["response_action"] == "errors", sent.body
        assert sent.told["errors"].keys() == {block} and advice in sent.told["errors"][block]
    assert await here.deliveries.pending() == []


async def test_what_is_said_to_the_app_alone_is_heard_with_and_without_its_name(here: Listening) -> None:
    here.slack.channel("D0ADA", person="U0ADA")
    more = {"channel": "D0ADA", "channel_type": "im"}
    for text, thread in (("help", ""), ("cancel", "1.000001"), (f"<@{BOT}> cancel", "1.000001")):
        await here.people.say("U0ADA", text, thread_ts=thread, **more)
    found = [await here.deliveries.read(digest) for digest in await here.deliveries.pending()]
    heard = [here.record.heard(stored) for stored in found if stored is not None]
    assert sorted((one.thread_ts, one.text, one.bot) for one in heard if isinstance(one, Mentioned)) == [
        ("", "help", BOT),
        ("1.000001", f"<@{BOT}> cancel", BOT),
        ("1.000001", "cancel", BOT),
    ]
    for other in ({"bot_id": "B0AGENT"}, {"subtype": "message_changed"}, {"edited": {"user": "U0ADA", "ts": "2.0"}}):
        await here.people.say("U0ADA", "cancel", **more, **other)
    assert len(await here.deliveries.pending()) == 3


async def test_a_reply_that_the_whole_channel_is_told_of_is_heard_like_any_other(here: Listening) -> None:
    await here.intents.claim(["slack:T0ACME:C0SHOP:1.000001"])
    await here.people.say("U0ADA", "it should be 5", thread_ts="1.000001", subtype="thread_broadcast")
    assert len(await here.deliveries.pending()) == 1


async def test_a_command_of_three_thousand_characters_is_kept_whole(here: Listening) -> None:
    text = "ב🦆&lt;" * 500
    await here.people.command("U0ADA", text)
    (digest,) = await here.deliveries.pending()
    stored = await here.deliveries.read(digest)
    assert stored is not None
    heard = here.record.heard(stored)
    assert isinstance(heard, Commanded) and heard.text == text


async def test_a_hundred_commands_at_once_are_each_on_record_and_nobody_is_asked_before_they_are(
    here: Listening,
) -> None:
    sent = await asyncio.gather(*(here.people.command("U0ADA", f"mend {number}") for number in range(100)))
    assert {(one.status, one.body) for one in sent} == {(200, "")}
    assert len(await here.deliveries.pending()) == 100
    # How long it takes is measured by `make bench BENCH=slack`: a busy machine says nothing of it.
    assert here.slack.calls == []


async def test_a_halt_holds_although_there_is_no_temporal_and_by_whoever_may(here: Listening) -> None:
    sent = await here.people.command("U0EVE", "halt just so")
    assert (sent.status, sent.body) == (200, "")
    here.slack.user("U0EVE")
    await here.people.command("U0ADA", "halt something is wrong")
    async with asyncio.timeout(30):
        while not (lines := await here.halting.lines()):
            await asyncio.sleep(0.01)
    assert [(line.halted_by, line.reason) for line in lines] == [("ada", "something is wrong")]
    async with asyncio.timeout(30):
        while not any("halted" in text for text in here.slack.told_to("U0ADA")):
            await asyncio.sleep(0.01)
    assert here.taken == []
    here.slack.fail("users.info", "internal_error", status=500)
    await here.people.command("U0ADA", "halt once more")
    async with asyncio.timeout(30):
        while here.slack.faults:
            await asyncio.sleep(0.01)
    assert len(await here.deliveries.pending()) == 1, "it is left for when Slack answers"


async def test_whose_app_home_is_opened_is_told(here: Listening) -> None:
    await here.people.send(
        "events_api", here.people.an_event({"type": "app_home_opened", "user": "U0ADA", "tab": "home"})
    )
    await here.people.send(
        "events_api", here.people.an_event({"type": "app_home_opened", "user": "U0EVE", "tab": "messages"})
    )
    async with asyncio.timeout(30):
        while not here.opened:
            await asyncio.sleep(0.01)
    assert here.opened == ["U0ADA"]
