"""GitHub begins tasks and tells of them by webhook: real deliveries by a stand-in, and everything else real."""

import asyncio
import functools
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.webhooks.stored import Deliveries, digest_of
from tests.support.github.webhooks import signature
from tests.workers.hooked import SECRET, Hooked, hooked, said, shows_standing
from tests.workers.terminal import typed
from workflows import queues
from workflows.delivery import Delivery
from workflows.models.decision import Action
from workflows.models.delivery import DeliveryOrder, DeliveryResult, Taken, delivery_workflow_id
from workflows.models.intent import task_id
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("webhooks")


@pytest_asyncio.fixture(scope="module")
async def at(place: Path) -> AsyncIterator[Hooked]:
    async with hooked(place) as both:
        yield both


async def test_a_labelled_issue_becomes_one_task_of_whoever_labelled_it(at: Hooked) -> None:
    name = "acme/labelled"
    issue, task = await at.asked(name)
    assert task == task_id(f"github:{name}#{issue.number}")
    view = await at.here.reaches(task, Stage.REVIEW, Stage.ENDED)
    assert view.status.pull_request is not None, view.status.message
    healthy = (await typed(at.here.settings.state, "doctor")).out
    assert "listens for GitHub" in healthy and "1 secret" in healthy
    assert view.status.task.requester.id == "ada"
    assert view.status.task.requester.account == "github:ada"
    assert view.status.task.intent.link == f"{at.github.web}/{name}/issues/{issue.number}"
    assert "should return 5" in view.status.task.goal
    assert any(task in text for text in said(issue))
    (again,) = await at.carried_out(lambda: at.github.label(name, issue.number, "grace", "Journeyman"))
    assert (again.outcome, again.task_id) == (Taken.IGNORED, task)
    await shows_standing(at.github.pull(name, view.status.pull_request.number))
    await at.here.decide(task, Action.REJECT)
    assert (await at.here.reaches(task, Stage.ENDED)).status.outcome is Outcome.REJECTED
    (told,) = [one.body for one in at.github.pull(name, view.status.pull_request.number).comments]
    assert "**Ended** without a merge" in told and "journeyman approve" not in told
    async with asyncio.timeout(30):
        while "**rejected**" not in said(issue)[-1]:
            await asyncio.sleep(0.05)
    assert [view.status.pull_request.url in text for text in said(issue)] == [False, True, False, True]


async def test_what_a_vague_issue_means_is_asked_and_answered_there(at: Hooked) -> None:
    name = at.shop("acme/vague")
    issue = at.github.issue(name, "ada", "Fix it")
    mark = hashlib.sha256(f"{task_id(f'github:{name}#{issue.number}')}-proposed".encode()).hexdigest()[:24]
    at.github.comment(name, issue.number, "mallory", f"<!-- journeyman {mark} -->")
    (begun,) = await at.carried_out(lambda: at.github.label(name, issue.number, "ada", "journeyman"))
    await at.here.reaches(begun.task_id, Stage.QUESTION)
    async with asyncio.timeout(30):
        while not any("asks:" in text for text in said(issue)):
            await asyncio.sleep(0.05)
    answered, *_ = await at.carried_out(
        lambda: at.github.comment(name, issue.number, "ada", "/agent add() in calc.py has to add")
    )
    assert answered.outcome is Taken.DONE, answered.detail
    view = await at.here.reaches(begun.task_id, Stage.REVIEW, Stage.ENDED)
    assert view.status.stage is Stage.REVIEW, view.status.message
    # Whoever writes our mark first keeps nobody from hearing of it.
    async with asyncio.timeout(30):
        while not any("waits for a review" in text for text in said(issue)):
            await asyncio.sleep(0.05)
    await at.here.decide(begun.task_id, Action.CANCEL)


async def test_a_review_on_github_is_the_approval_and_a_comment_has_it_merged(at: Hooked) -> None:
    name = "acme/reviewed"
    _, task, view, number = await at.proposed(name)
    (own,) = await at.carried_out(lambda: at.github.review(name, number, "ada"))
    assert own.outcome is Taken.REFUSED and "another person" in own.detail
    assert own.detail in "\n".join(said(at.github.pull(name, number)))
    (stranger,) = await at.carried_out(lambda: at.github.review(name, number, "nobody"))
    assert stranger.outcome is Taken.REFUSED and "no person is known" in stranger.detail
    (reader,) = await at.carried_out(lambda: at.github.review(name, number, "mallory"))
    assert reader.outcome is Taken.REFUSED and "no write access" in reader.detail
    assert (await at.here.view(task)).status.stage is Stage.REVIEW

    untold, at.app.app.hook_url = at.app.app.hook_url, ""
    for _ in range(301):
        at.github.review(name, number, "mallory", "COMMENT")
    at.app.app.hook_url = untold

    def both() -> None:
        at.github.review(name, number, "grace")
        at.github.review(name, number, "linus")

    results = await at.carried_out(both)
    assert Taken.DONE in {one.outcome for one in results}
    assert {one.outcome for one in results} <= {Taken.DONE, Taken.IGNORED, Taken.REFUSED}
    status = (await at.here.reaches(task, Stage.APPROVED)).status
    assert len(status.approved_by) == 1
    (decision,) = [signed.decision for signed in status.decisions]
    assert view.status.patch is not None
    assert decision.head == view.status.patch.head
    assert decision.person.account in {"github:grace", "github:linus"}
    (dismissed,) = await at.carried_out(lambda: at.github.dismiss(name, number, status.approved_by[0], "ada"))
    assert dismissed.outcome is Taken.DONE
    assert (await at.here.view(task)).status.approved_by == ()
    (approved, *_) = await at.carried_out(lambda: at.github.review(name, number, "linus"))
    assert approved.outcome is Taken.DONE, approved.detail
    assert (await at.here.view(task)).status.approved_by == ("linus",)
    # Whoever has the secret takes nothing back for others, and gives nothing back that they took.
    told = next(one.payload for one in reversed(at.github.deliveries) if one.event == "pull_request_review")
    forged = await at.sent("pull_request_review", {**told, "action": "dismissed"})
    assert (forged.outcome, "was dismissed" in forged.detail) == (Taken.IGNORED, True), forged.detail
    assert (await at.here.view(task)).status.approved_by == ("linus",)
    await at.here.decide(task, Action.WITHDRAW, "linus")
    again = await at.sent("pull_request_review", {**told, "installation": {"id": 1}})
    assert (again.outcome, "another delivery" in again.detail) == (Taken.IGNORED, True), again.detail
    assert (await at.here.view(task)).status.approved_by == ()
    await at.here.decide(task, Action.APPROVE, "linus")
    (early, *_) = await at.carried_out(lambda: at.github.comment(name, number, "grace", "/agent revert"))
    assert (early.outcome, "no merge to take back" in early.detail) == (Taken.REFUSED, True), early.detail
    results = await at.carried_out(lambda: at.github.comment(name, number, "grace", "/agent merge"))
    assert results[0].outcome is Taken.DONE, results[0].detail
    assert (await at.here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED


MINE = "def add(a, b):\n    total = a + b\n    return total\n\n\ndef double(a):\n    return a * 2\n"


async def test_what_a_person_pushes_to_the_branch_is_judged_and_somebody_else_approves_it(at: Hooked) -> None:
    name = "acme/pushed-on"
    _, task, _, number = await at.proposed(name)
    branch, git = f"journeyman/{task}", at.github.repositories[name].git
    await at.carried_out(lambda: at.github.commit(name, branch, {"calc.py": MINE}, "Name the sum", login="grace"))
    pushed = str(git.branch(branch))
    status = await at.shows(task, pushed)
    assert git.branch(branch) == pushed, "their commits stay as they are"
    assert status.evaluation is not None
    assert [one.message for one in status.evaluation.findings if one.rule == "pushed-by-people"] == [
        "grace pushed commits of their own to the task's branch: somebody else has to look at them"
    ]
    assert "grace pushed" in status.message
    (own,) = await at.carried_out(functools.partial(at.github.review, name, number, "grace"))
    assert own.outcome is Taken.REFUSED
    assert "somebody else approves it" in own.detail
    (approved,) = await at.carried_out(functools.partial(at.github.review, name, number, "linus"))
    assert approved.outcome is Taken.DONE, approved.detail
    (merged,) = await at.carried_out(lambda: at.github.comment(name, number, "linus", "/agent merge"))
    assert merged.outcome is Taken.DONE, merged.detail
    ended = (await at.here.reaches(task, Stage.ENDED)).status
    assert ended.outcome is Outcome.MERGED
    assert git.git("show", "main:calc.py") == MINE.strip()


async def test_an_approval_of_another_commit_counts_nothing_whichever_comes_first(at: Hooked) -> None:
    name = "acme/pushed"
    _, task, view, number = await at.proposed(name)
    assert view.status.patch is not None
    judged, branch = view.status.patch.head, f"journeyman/{task}"

    def approve_and_push() -> None:
        at.github.review(name, number, "grace")
        at.github.commit(name, branch, {"calc.py": MINE}, login="grace")

    await at.carried_out(approve_and_push)
    pushed = at.github.repositories[name].git.branch(branch)
    await at.shows(task, str(pushed))
    (again,) = await at.carried_out(functools.partial(at.github.review, name, number, "linus", commit=judged))
    assert again.outcome is Taken.REFUSED
    assert "does not count" in again.detail or "look at it again" in again.detail
    assert (await at.here.view(task)).status.approved_by == ()

    def in_the_wrong_order() -> None:
        at.github.hold_deliveries()
        at.github.review(name, number, "grace", "REQUEST_CHANGES", "Please keep it short.")
        at.github.dismiss(name, number, "grace", "ada")
        at.github.release_deliveries(newest_first=True)

    (late, later) = await at.carried_out(in_the_wrong_order)
    assert {late.outcome, later.outcome} == {Taken.IGNORED}
    said = [("calc.py", 2, "One line is enough."), ("calc.py", 1, "Name it better.")]
    wish = functools.partial(at.github.review, name, number, "grace", "REQUEST_CHANGES", "Please keep it short.")
    await at.carried_out(functools.partial(wish, lines=said))
    rounds = (await at.here.reaches(task, Stage.RUN, Stage.EXPORT, Stage.EVALUATE, Stage.REVIEW)).status
    assert rounds.decisions[-1].decision.message == (
        "Please keep it short.\n\ncalc.py:2: One line is enough.\n\ncalc.py:1: Name it better."
    )
    await at.here.reaches(task, Stage.REVIEW)
    assert at.github.repositories[name].git.branch(branch) != judged
    (closed, *_) = await at.carried_out(lambda: at.github.close(name, number, "mallory"))
    assert closed.outcome is Taken.DONE
    ended = (await at.here.reaches(task, Stage.ENDED)).status
    assert ended.outcome is Outcome.CANCELLED
    assert "was closed" in ended.message


async def test_what_a_person_merges_on_github_ends_the_task_and_can_be_taken_back(at: Hooked) -> None:
    name = "acme/merged"
    _, task, _, number = await at.proposed(name)
    await shows_standing(at.github.pull(name, number))
    await at.carried_out(lambda: at.github.merge(name, number, "grace"))
    status = (await at.here.reaches(task, Stage.ENDED)).status
    assert (status.outcome, status.merged_outside) == (Outcome.MERGED, True)
    assert "by grace" in status.message
    assert status.merge_commit == at.github.repositories[name].git.branch("main")
    (told,) = [one.body for one in at.github.pull(name, number).comments]
    assert f"journeyman revert {task}" in told and "journeyman merge" not in told
    words = "/agent revert\n\nIt breaks the till."
    (back, *_) = await at.carried_out(lambda: at.github.comment(name, number, "ada", words))
    assert (back.outcome, "is taken back" in back.detail) == (Taken.DONE, True), back.detail
    assert (await at.here.view(task)).reverts[0].outcome.is_back
    assert "return a - b" in at.github.repositories[name].git.git("show", "main:calc.py")


async def test_nobody_has_a_delivery_carried_out_that_github_did_not_sign(at: Hooked) -> None:
    """Whoever writes to the archive and reaches Temporal's port has everything but the secret."""
    name = "acme/forged"
    _, task, view, number = await at.proposed(name)
    assert view.status.patch is not None
    shop = {"id": at.github.repositories[name].id, "full_name": name}
    review = {"id": 1, "user": {"login": "grace"}, "state": "approved", "commit_id": view.status.patch.head}
    pull = {"number": number, "head": {"ref": f"journeyman/{task}", "repo": shop}}
    told = {"action": "submitted", "review": review, "pull_request": pull, "repository": shop, "sender": {"login": "x"}}
    stored, body = Deliveries(at.here.parts.shared.objects), json.dumps(told).encode()

    async def carried_out(secret: str, body: bytes) -> DeliveryResult:
        await stored.keep("pull_request_review", "a-guid-of-theirs", signature(secret, body), body)
        return await at.temporal.execute_workflow(
            Delivery.run,
            DeliveryOrder(digest=digest_of(body)),
            id=delivery_workflow_id(digest_of(body)),
            task_queue=queues.ORCHESTRATE,
        )

    forged = await carried_out("not the webhook's secret", body)
    assert (forged.outcome, "signature" in forged.detail) == (Taken.REFUSED, True)
    # Also with the secret nobody approves for somebody else: GitHub knows of no such review.
    leaked = await carried_out(SECRET, body + b" ")
    assert (leaked.outcome, "a later review" in leaked.detail) == (Taken.IGNORED, True)
    nothing = DeliveryOrder(digest=digest_of(b"never told"))
    unknown = await at.temporal.execute_workflow(
        Delivery.run, nothing, id=delivery_workflow_id(nothing.digest), task_queue=queues.ORCHESTRATE
    )
    assert (unknown.outcome, "no such delivery" in unknown.detail) == (Taken.REFUSED, True)
    assert (await at.here.view(task)).status.approved_by == ()
