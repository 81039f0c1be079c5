"""People see at the issue how its task stands: once, in its place, and never against what they did themselves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.policy.agent_tables import KeySource
from activities.policy.linear_table import LinearTable
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.issues import LinearIssues
from activities.tracker.linear.sessions import LinearSessions
from tests.support.linear.nodes import Node
from tests.support.linear.server import linear_server, operations
from tests.support.linear.stand_in import TOKEN, Fault, Linear
from tests.workflows.scripted import a_patch, a_task, sha
from workers.gateway.conversations import Look, PlaceAway
from workers.gateway.linear_presenter import LinearPresenter
from workers.gateway.linear_session_presenter import LinearSessionPresenter
from workers.gateway.messages import TaskView
from workflows.models.conversation import Place
from workflows.models.pull_request import PullRequest, RevertOutcome, RevertResult
from workflows.models.question import WORK, Question, QuestionKind
from workflows.models.status import Outcome, Stage, StageSpan, TaskStatus

URL = "https://github.com/acme/shop/pull/7"
BEGUN = datetime.now(UTC) - timedelta(minutes=5)
TASK = a_task()


class AtLinear:
    """A presenter, what it shows, and the notes that a conversation keeps for it."""

    def __init__(self, linear: Linear, folder: Path) -> None:
        (folder / "token").write_text(TOKEN)
        table = LinearTable(api=linear.api, token=KeySource(file=folder / "token"), teams={"ENG": "/srv/git/shop"})
        access = LinearAccess(lambda: table)
        actor = LinearActor(access)
        self.linear = linear
        self.grace = linear.person("Grace")
        self.team = linear.team("ENG")
        self.issue = linear.issue(self.team, self.grace, "It breaks")
        self.presenter = LinearPresenter(LinearIssues(access, actor), actor)
        self.of_sessions = LinearSessionPresenter(LinearSessions(access, actor), actor)
        self.notes: dict[str, str] = {}

    async def show(self, view: TaskView, notes: dict[str, str] | None = None) -> Look:
        place = Place(key=f"linear:{self.linear.organization['id']}:{self.issue['id']}")
        look = await self.presenter.show(place, self.notes if notes is None else notes, view)
        self.notes = look.notes
        return look

    async def show_session(self, session: Node, view: TaskView, notes: dict[str, str]) -> Look:
        place = Place(key=f"linear-session:{self.linear.organization['id']}:{session['id']}")
        return await self.of_sessions.show(place, notes, view)

    @property
    def state(self) -> str:
        return self.linear.state_of(self.issue)

    @property
    def moves(self) -> int:
        return len(operations(self.linear, "MoveIssue"))


@pytest.fixture
def at(tmp_path: Path) -> Iterator[AtLinear]:
    with linear_server() as linear:
        yield AtLinear(linear, tmp_path)


def a_view(stage: Stage, outcome: Outcome | None = None, *, is_back: bool = False, **more: Any) -> TaskView:
    spans = (StageSpan(stage=Stage.PREPARE, started=BEGUN),)
    reverts = (RevertResult(outcome=RevertOutcome.REVERTED),) if is_back else ()
    status = TaskStatus(task=TASK, stage=stage, outcome=outcome, spans=spans).model_copy(update=more)
    return TaskView(status=status, live=outcome is None, reverts=reverts)


def proposed(stage: Stage = Stage.REVIEW, outcome: Outcome | None = None, **more: Any) -> TaskView:
    pull = PullRequest(number=7, url=URL, head="journeyman/t", base="main", title="Mend add()")
    return a_view(stage, outcome, **{"pull_request": pull, **more})


async def test_an_issue_goes_along_with_its_task_to_the_end_and_back(at: AtLinear) -> None:
    seen = []
    for view in (
        a_view(Stage.RUN),
        proposed(),
        a_view(Stage.RUN),
        proposed(Stage.APPROVED),
        proposed(Stage.ENDED, Outcome.MERGED),
        proposed(Stage.ENDED, Outcome.MERGED, is_back=True),
    ):
        look = await at.show(view)
        assert not look.why_not
        seen.append(at.state)
    assert seen == ["In Progress", "In Review", "In Progress", "In Review", "Done", "Todo"]
    assert (len(at.linear.said(at.issue)), look.is_over) == (1, True)
    (attached,) = at.linear.attachments
    assert (attached["url"], attached["subtitle"]) == (URL, "was merged, and has been taken back")
    assert "/agent revert" not in at.linear.said(at.issue)[0]


async def test_whoever_sees_a_bad_merge_reads_how_it_is_taken_back(at: AtLinear) -> None:
    view = proposed(Stage.ENDED, Outcome.MERGED)
    await at.show(view)
    assert "`/agent revert` takes it back" in at.linear.said(at.issue)[0]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.REJECTED, Outcome.NO_CHANGES])
async def test_what_came_to_nothing_goes_back_with_the_reason(at: AtLinear, outcome: Outcome) -> None:
    await at.show(a_view(Stage.RUN))
    look = await at.show(a_view(Stage.ENDED, outcome, message="it went wrong\n# Heading `x`"))
    assert (at.state, look.is_over) == ("Todo", True)
    (text,) = at.linear.said(at.issue)
    assert f"**{outcome}**" in text and "`it went wrong # Heading 'x'`" in text and "`/agent again`" in text


async def test_what_a_person_moved_meanwhile_stays_where_they_put_it(at: AtLinear) -> None:
    await at.show(a_view(Stage.RUN))
    at.linear.move(at.issue, at.grace, "Canceled")
    for view in (proposed(), a_view(Stage.RUN), proposed(Stage.ENDED, Outcome.MERGED)):
        await at.show(view)
        assert at.state == "Canceled"
    # Also when what was remembered is lost.
    await at.show(proposed(), notes={})
    assert at.state == "Canceled"
    assert len(at.linear.said(at.issue)) == 1


async def test_an_issue_that_was_done_before_its_task_began_is_not_opened_again(at: AtLinear) -> None:
    at.linear.move(at.issue, at.grace, "Done")
    at.issue["changes"].clear()
    await at.show(a_view(Stage.RUN))
    assert at.state == "Done"


async def test_nothing_is_written_twice_when_answers_and_notes_are_lost(at: AtLinear) -> None:
    at.linear.faults = [Fault(operation, "lost") for operation in ("CreateComment", "AttachLink", "MoveIssue")]
    for _ in range(3):
        with pytest.raises(PlaceAway):
            await at.show(proposed(), notes={})
    await at.show(proposed(), notes={})
    assert not at.linear.faults
    assert (at.state, at.moves) == ("In Review", 1)
    assert (len(at.linear.said(at.issue)), len(at.linear.attachments)) == (1, 1)
    # The answer to a move was lost, and the task went on: it is not taken for a person's move.
    at.linear.faults = [Fault("MoveIssue", "lost")]
    with pytest.raises(PlaceAway):
        await at.show(a_view(Stage.RUN))
    await at.show(proposed(Stage.ENDED, Outcome.MERGED))
    assert at.state == "Done"


async def test_what_did_not_change_is_not_asked_to_be_written(at: AtLinear) -> None:
    await at.show(proposed())
    before = [name for name, _ in at.linear.asked]
    await at.show(proposed())
    again = [name for name, _ in at.linear.asked[len(before) :]]
    assert not {"CreateComment", "UpdateComment", "AttachLink", "MoveIssue"} & set(again)


async def test_a_comment_that_somebody_deleted_is_there_again_with_the_next_news(at: AtLinear) -> None:
    await at.show(a_view(Stage.RUN))
    at.linear.delete_comment(at.notes["comment"])
    await at.show(proposed())
    (text,) = at.linear.said(at.issue)
    assert "waits for a review" in text


async def test_a_deleted_issue_and_an_archived_team_end_the_showing_and_nothing_else(at: AtLinear) -> None:
    at.linear.delete(at.issue, at.grace)
    look = await at.show(proposed())
    assert look.is_over and "gone" in look.why_not
    at.issue.update(trashed=None, archivedAt=None)
    at.team["archivedAt"] = "2026-01-01T00:00:00Z"
    assert "archived" in (await at.show(proposed())).why_not
    other = Place(key=f"linear:another-workspace:{at.issue['id']}")
    assert "another workspace" in (await at.presenter.show(other, {}, proposed())).why_not
    assert at.linear.said(at.issue) == []


async def test_a_revoked_token_and_a_limit_are_waited_for(at: AtLinear) -> None:
    at.linear.faults = [Fault("Issues", "ratelimited")]
    with pytest.raises(PlaceAway) as limited:
        await at.show(proposed())
    assert limited.value.again_in is not None
    at.linear.tokens.clear()
    with pytest.raises(PlaceAway, match="write another"):
        await at.show(proposed())
    at.linear.tokens.add(TOKEN)
    assert not (await at.show(proposed())).why_not


async def test_no_text_of_others_mentions_anybody_or_poses_as_anything(at: AtLinear) -> None:
    text = "`@grace` [click](https://evil.example) ![x](https://evil.example/x.png)\n/agent merge\n# Merged\n@grace"
    question = Question(
        id="q1", kind=QuestionKind.LIMIT, text=text, choices=WORK, asked_at=BEGUN, expires_at=datetime.now(UTC)
    )
    await at.show(a_view(Stage.QUESTION, question=question))
    (shown,) = at.linear.said(at.issue)
    outside = "".join(part for number, part in enumerate(shown.split("`")) if number % 2 == 0)
    assert not any(one in outside for one in ("@grace", "evil.example", "# Merged", "/agent merge"))
    assert "`/agent continue`" in shown
    pull = PullRequest(number=7, url="https://x.example/) @grace [a](b", head="h", base="main", title="t")
    await at.show(a_view(Stage.REVIEW, pull_request=pull))
    (shown,) = at.linear.said(at.issue)
    assert "`https://x.example/) @grace [a](b`" in shown


async def test_the_commit_to_approve_is_the_one_that_was_judged(at: AtLinear) -> None:
    await at.show(proposed(patch=a_patch("head")))
    assert f"`/agent approve {sha('head')[:12]}`" in at.linear.said(at.issue)[0]


async def test_a_session_hears_each_thing_once_and_how_it_ended(at: AtLinear) -> None:
    session = at.linear.session(at.issue, at.grace)
    question = Question(
        id="q1", kind=QuestionKind.LIMIT, text="more?", choices=WORK, asked_at=BEGUN, expires_at=datetime.now(UTC)
    )
    views = (
        a_view(Stage.RUN),
        a_view(Stage.QUESTION, question=question),
        proposed(),
        proposed(Stage.ENDED, Outcome.MERGED),
    )
    for view in views:
        for notes in ({}, {"last": "something else"}):
            look = await at.show_session(session, view, dict(notes))
    kinds = [kind for kind, _ in at.linear.told(session)]
    assert kinds == ["action", "elicitation", "elicitation", "response"]
    assert session["status"] == "complete" and not look.why_not
    assert {one["url"] for one in session["urls"]} == {URL}
    asked = next(one for one in at.linear.activities.values() if one["content"]["type"] == "elicitation")
    assert [one["value"] for one in asked["signalMetadata"]["options"]] == [choice.value for choice in WORK]
    await at.show_session(session, a_view(Stage.ENDED, Outcome.FAILED), {})
    assert at.linear.told(session)[-1][0] == "error"


async def test_a_session_that_is_worked_for_is_never_silent_for_long(at: AtLinear) -> None:
    session = at.linear.session(at.issue, at.grace)
    look = await at.show_session(session, a_view(Stage.RUN), {})
    assert look.look_at is not None
    assert look.look_at - datetime.now(UTC) < timedelta(minutes=30)
