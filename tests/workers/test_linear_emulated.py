"""Against a Linear that others wrote, `emulate` of Vercel Labs: not our word against our own.

It takes part where it has what Linear has: whose the token is, the states of a team, moving an issue, and the signing
of webhooks. It lacks filters by parts of an issue, histories, attachments and ids of one's own choice, and its sessions
have other fields than Linear declares; for those there is tests/support/linear, which a test holds against Linear's own
client.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from activities.archive.objects import Objects
from activities.policy.agent_tables import KeySource
from activities.policy.linear_table import LinearTable
from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.issue import state_of
from activities.tracker.linear.meaning import Terms
from activities.webhooks.signature import WebhookSecrets
from activities.webhooks.stored import Deliveries
from tests.support.emulated.tracker import APP_TOKEN, PERSON_TOKEN, emulated_linear
from workers.embedded.temporal_server import free_port
from workers.gateway.linear_webhooks import linear_app
from workers.gateway.server import serving_on_port

SECRET = "a secret of the webhook's"


@pytest.fixture(scope="module")
def api(place: Path) -> Iterator[str]:
    with emulated_linear(place / "linear") as address:
        yield address


async def asked(api: str, document: str, **variables: object) -> dict[str, Any]:
    """As a person with a client of their own."""
    async with httpx.AsyncClient(trust_env=False, headers={"authorization": PERSON_TOKEN}) as client:
        answer = (await client.post(api, json={"query": document, "variables": variables})).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


async def test_the_app_is_known_by_its_token_and_moves_an_issue_through_its_team_s_states(
    api: str, place: Path
) -> None:
    (place / "token").write_text(APP_TOKEN)
    table = LinearTable(api=api, token=KeySource(file=place / "token"), teams={"ENG": "/srv/git/shop"})
    access = LinearAccess(lambda: table)
    me = await LinearActor(access).me()
    assert (me.is_app, me.workspace) == (True, "acme")
    issue, *_ = (await asked(api, "{ issues { nodes { id team { id } } } }"))["issues"]["nodes"]
    answer = await access.ask(documents.STATES, id=issue["team"]["id"])
    states = sorted((state_of(node) for node in answer["team"]["states"]["nodes"]), key=lambda one: one.position)
    started = next(one for one in states if one.type == "started")
    await access.ask(documents.MOVE, id=issue["id"], state=started.id)
    now = await asked(api, "query($id: String!) { issue(id: $id) { state { id } } }", id=issue["id"])
    assert now["issue"]["state"]["id"] == started.id


async def test_what_others_sign_as_linear_does_is_taken_for_linear_s_word(api: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    secrets = WebhookSecrets(lambda: (tmp_path / "secret",))
    deliveries = Deliveries(Objects.open(str(tmp_path / "archive")))
    app = linear_app(secrets, deliveries, lambda: Terms(frozenset({"ENG"}), "journeyman"), lambda _: None)
    heard: asyncio.Queue[tuple[int, dict[str, Any]]] = asyncio.Queue()

    async def passed_on(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            headers = {name: value for name, value in request.headers.items() if name.startswith(("linear", "content"))}
            answer = await client.post(request.url.path, content=body, headers=headers)
        heard.put_nowait((answer.status_code, answer.json()))
        await JSONResponse({})(scope, receive, send)

    port = free_port()
    async with serving_on_port(passed_on, port), asyncio.timeout(30):
        hook = {"url": f"http://127.0.0.1:{port}/webhooks/linear", "resourceTypes": ["Issue"], "secret": SECRET}
        made = "mutation($input: WebhookCreateInput!) { webhookCreate(input: $input) { success } }"
        await asked(api, made, input={**hook, "allPublicTeams": True, "enabled": True})
        issue, *_ = (await asked(api, "{ issues { nodes { id } } }"))["issues"]["nodes"]
        change = "mutation($id: String, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }"
        await asked(api, change, id=issue["id"], input={"title": "It still breaks"})
        status, told = await heard.get()
        assert (status, told["outcome"]) == (200, "ignored"), told
        (tmp_path / "secret").write_text("another secret of the webhook's")
        await asked(api, change, id=issue["id"], input={"title": "It broke"})
        status, told = await heard.get()
        assert (status, "fits none" in told["detail"]) == (401, True)
