"""Asking Linear: whatever goes wrong there is told as what it is, and never taken for an answer."""

from pathlib import Path

import pytest

from activities.policy.agent_tables import KeySource
from activities.policy.linear_table import LinearTable
from activities.tracker.linear import documents
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.failed import LinearAway, LinearRefused
from activities.tracker.linear.issue import issue_of
from activities.tracker.linear.issues import LinearIssues
from tests.support.linear.stand_in import TOKEN, Fault, Linear


async def test_the_actor_and_its_workspace_are_known(linear: Linear, access: LinearAccess) -> None:
    me = await LinearActor(access).me()
    assert (me.id, me.is_app, me.workspace) == (linear.app["id"], True, "acme")
    assert me.names == ("journeyman", "Journeyman")


async def test_the_token_that_counts_is_the_one_that_is_written_now(
    linear: Linear, access: LinearAccess, token: Path
) -> None:
    linear.tokens = {"lin_oauth_another"}
    with pytest.raises(LinearAway, match=r"does not take the token.*linear\.token"):
        await access.ask(documents.VIEWER)
    token.write_text("lin_oauth_another\n")
    await access.ask(documents.VIEWER)
    token.unlink()
    with pytest.raises(LinearAway, match="can't be read"):
        await access.ask(documents.VIEWER)


async def test_the_key_of_a_person_is_sent_as_it_is(linear: Linear, access: LinearAccess, token: Path) -> None:
    linear.tokens = {"lin_api_of-ada"}
    token.write_text("lin_api_of-ada")
    await access.ask(documents.VIEWER)


async def test_a_limit_is_waited_for_as_long_as_linear_says(linear: Linear, access: LinearAccess) -> None:
    linear.faults = [Fault("Viewer", "ratelimited")]
    with pytest.raises(LinearAway, match="limit on requests") as told:
        await access.ask(documents.VIEWER)
    assert told.value.again_in is not None
    assert 0 < told.value.again_in.total_seconds() <= 2


async def test_an_answer_with_errors_is_no_answer_although_its_status_is_200(
    linear: Linear, access: LinearAccess
) -> None:
    linear.faults = [Fault("Viewer", "errors")]
    with pytest.raises(LinearRefused, match="Viewer: Argument Validation Error") as told:
        await access.ask(documents.VIEWER)
    assert told.value.code == "INVALID_INPUT"


@pytest.mark.parametrize("kind", ["down", "lost", "garbage"])
async def test_what_is_no_answer_is_asked_for_again_later(linear: Linear, access: LinearAccess, kind: str) -> None:
    linear.faults = [Fault("Viewer", kind)]
    with pytest.raises(LinearAway) as told:
        await access.ask(documents.VIEWER)
    assert TOKEN not in str(told.value)
    assert (told.value.again_in is not None) == (kind == "down")


async def test_where_nobody_listens_linear_is_away(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    table = LinearTable(
        api="http://127.0.0.1:1/graphql", token=KeySource(file=tmp_path / "token"), teams={"ENG": "/srv/git/shop"}
    )
    with pytest.raises(LinearAway, match="does not answer Viewer"):
        await LinearAccess(lambda: table).ask(documents.VIEWER)
    with pytest.raises(LinearAway, match=r"no \[linear\]"):
        await LinearAccess(lambda: None).ask(documents.VIEWER)


async def test_every_page_is_read_and_no_more_than_asked_for(linear: Linear, access: LinearAccess) -> None:
    team, ada = linear.team("ENG"), linear.person("Ada")
    for number in range(120):
        linear.issue(team, ada, f"issue {number}")

    async def count(most: int) -> int:
        nodes = access.pages(documents.ISSUES, most, filter={"team": {"key": {"eq": "ENG"}}}, archived=False)
        return len({issue_of(node).id async for node in nodes})

    assert (await count(1000), await count(70)) == (120, 70)


async def test_an_answer_that_lacks_what_it_should_have_is_no_answer(linear: Linear, access: LinearAccess) -> None:
    linear.organization.pop("urlKey")
    with pytest.raises(LinearRefused):
        await LinearActor(access).me()


async def test_a_comment_is_there_once_whatever_answer_is_lost(linear: Linear, access: LinearAccess) -> None:
    issues = LinearIssues(access, LinearActor(access))
    issue = linear.issue(linear.team("ENG"), linear.person("Ada"), "It breaks")
    linear.faults = [Fault("CreateComment", "lost")]
    with pytest.raises(LinearAway):
        await issues.say(issue["id"], "it begins", "task")
    first = await issues.say(issue["id"], "it begins", "task")
    assert first == await issues.say(issue["id"], "it begins", "task")
    assert linear.said(issue) == ["it begins"]
    # A person deleted it: its id is used up, and what people have to know is said anew.
    linear.delete_comment(first)
    assert await issues.say(issue["id"], "it ends", "task") != first
    assert linear.said(issue) == ["it ends"]


async def test_somebody_who_took_the_id_of_a_comment_keeps_nobody_from_being_told(
    linear: Linear, access: LinearAccess
) -> None:
    issues = LinearIssues(access, LinearActor(access))
    mallory = linear.person("Mallory")
    issue = linear.issue(linear.team("ENG"), mallory, "It breaks")
    other = linear.issue(linear.team("OPS"), mallory, "It breaks")
    first = await issues.say(other["id"], "it begins", "task")
    linear.comments[first]["user"] = mallory
    second = await issues.say(other["id"], "it begins", "task")
    assert second != first and linear.said(other) == ["it begins"]
    assert linear.said(issue) == []
