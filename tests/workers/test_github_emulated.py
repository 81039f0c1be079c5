"""The main job against a GitHub that others wrote, `emulate` of Vercel Labs: not our word against our own.

PyGithub, git and all of Journeyman are real; the App asks by tokens of its installation, and the emulator itself signs
what it tells. It lacks these steps, which the stand-in of ours has (`test_github_*.py`, `test_webhooks_job.py`):
- The head of a pull request stays where it was when it was made, whatever is pushed to its branch. So the task that
  gets feedback is followed until CI is green on what it pushed then, and another one is reviewed and merged.
- Below a pull request its `issue_comment` looks like one below an issue, so `/agent merge` can't be told there.
- `check_suite` and `workflow_run` never end, so a test has the task look at CI.
- It merges onto base as that was when the pull request was made, and finds no conflicts.
- GraphQL (drafts, merge queues), commit statuses, rulesets, an App's deliveries.
- It refuses neither unknown tokens, nor a second pull request of a branch, nor approvals of one's own.
What is answered in its stead, tests/support/emulated/front.py says.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from github.Repository import Repository

from activities.forge.github.ci import CiReader
from activities.forge.github.conditional import Conditional
from tests.support.emulated.emulator import APP, PEOPLE, Emulated, emulated_github
from tests.workers.installation import FILES, Installation, installed
from tests.workers.on_github import proposed
from workers.embedded.temporal_server import free_port
from workers.gateway.messages import TaskView
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.intent import task_id, task_workflow_id
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("github-emulated")
SECRET = "a secret of the webhook's"
LABELLED, MERGED, REWORKED = "acme/labelled", "acme/merged", "acme/reworked"
BOT = f"{APP['slug']}[bot]"


@pytest.fixture(scope="module")
def hook_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def github(place: Path, hook_port: int) -> Iterator[Emulated]:
    hook = f"http://127.0.0.1:{hook_port}/webhooks/github"
    with emulated_github(place / "github", (LABELLED, MERGED, REWORKED), FILES, hook, SECRET) as running:
        yield running
    # There are no rules in the repositories, a branch may be gone before it is tidied up, and whether deliveries failed
    # is asked every few minutes.
    usual = ("/contents/.journeyman/", "/git/ref/heads/journeyman/", "/app/hook/deliveries")
    refused = [one for one in running.front.answered if one.status >= 400 and not any(w in one.path for w in usual)]
    assert not refused, "it was asked what it does not have, or refuses"


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, github: Emulated, hook_port: int) -> AsyncIterator[Installation]:
    (place / "app.pem").write_text(github.private_key)
    (place / "secret").write_text(f"{SECRET}\n")
    hooks = f'webhooks = {{ address = "127.0.0.1:{hook_port}", secrets = ["{place / "secret"}"] }}'
    whose = f'api = "{github.web}", app_id = {APP["id"]}, private_key = "{place / "app.pem"}"'
    people = ", ".join(f'{name} = {{ github = "{name}" }}' for name in PEOPLE)
    table = f'github = {{ web = "{github.web}", {whose}, {hooks} }}\npeople = {{ {people} }}'
    async with installed(place, configuration=table) as one:
        yield one


async def eventually(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(look):
            await asyncio.sleep(0.1)


async def labelled(here: Installation, repository: Repository) -> tuple[int, str]:
    """The number of an issue that a person labelled, and the task that it becomes."""
    text = "add(2, 3) in calc.py returns -1, and should return 5."
    issue = await asyncio.to_thread(repository.create_issue, "add() subtracts", text)
    await asyncio.to_thread(issue.add_to_labels, "journeyman")
    task = task_id(f"github:{LABELLED}#{issue.number}")
    gateway = here.gateway("ada")
    await eventually(lambda: task in {line.task_id for line in gateway.tasks()})
    return issue.number, task


async def looks_at_ci(here: Installation, task: str) -> None:
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    await client.get_workflow_handle(task_workflow_id(task)).signal("observed")


def head_of(view: TaskView) -> str:
    assert view.status.patch is not None, view.status.message
    return view.status.patch.head


def number_of(view: TaskView) -> int:
    assert view.status.pull_request is not None, view.status.message
    return view.status.pull_request.number


def ours(repository: Repository, number: int) -> list[str]:
    """What the App says below an issue or a pull request."""
    return [one.body for one in repository.get_issue(number).get_comments() if one.user.login == BOT]


def calc(github: Emulated, name: str) -> str:
    return github.bare(name).git("show", "main:calc.py")


async def test_a_label_becomes_a_pull_request_that_ci_and_a_reviewer_let_pass_and_that_is_taken_back(
    here: Installation, github: Emulated
) -> None:
    by_ada, by_grace = github.by("ada", LABELLED), github.by("grace", LABELLED)
    issue, task = await labelled(here, by_ada)
    view = await here.reaches(task, Stage.REVIEW, Stage.ENDED)
    number, head = number_of(view), head_of(view)
    pull = by_grace.get_pull(number)
    assert (pull.user.login, pull.head.sha, pull.base.ref, pull.draft) == (BOT, head, "main", False)
    assert pull.body is not None and "## The agent's reasoning" in pull.body
    # What somebody else calls by our name counts nowhere.
    by_ada.create_check_run("journeyman/gate", head, status="completed", conclusion="success")
    by_ada.create_check_run("unit", head, status="completed", conclusion="success")
    await looks_at_ci(here, task)
    await eventually(lambda: f"CI passes on {head[:12]}" in "".join(ours(by_ada, number)))
    await asyncio.to_thread(pull.create_review, event="APPROVE")
    (signed,) = (await here.reaches(task, Stage.APPROVED)).status.decisions
    assert (signed.decision.person.account, signed.decision.head) == ("github:grace", head)

    def gate() -> list[str]:
        runs = by_ada.get_commit(head).get_check_runs(check_name="journeyman/gate")
        return [run.output.title for run in runs if run.app is not None and run.app.id == APP["id"]]

    await eventually(lambda: gate() == ["approved by grace"])
    await here.decide(task, Action.MERGE)
    view = await here.reaches(task, Stage.ENDED)
    assert view.status.outcome is Outcome.MERGED, view.status.message
    pull = by_grace.get_pull(number)
    assert (pull.merged, pull.merged_by.login, pull.merge_commit_sha) == (True, BOT, view.status.merge_commit)
    assert [label.name for label in pull.labels] == ["journeyman", "journeyman: bug-fix"]
    assert len(ours(by_ada, number)) == 1
    await eventually(lambda: "**merged**" in ours(by_ada, issue)[-1])
    assert "return a + b" in calc(github, LABELLED)
    assert f"Journeyman-Task: {task}" in github.bare(LABELLED).git("log", "-1", "--format=%B", "main")
    assert (await here.revert(task)).outcome is RevertOutcome.REVERTED
    assert "return a - b" in calc(github, LABELLED)
    assert by_ada.get_git_ref("heads/main").object.sha == github.bare(LABELLED).branch("main")


async def test_what_a_person_merges_on_github_ends_the_task_and_can_be_taken_back(
    here: Installation, github: Emulated
) -> None:
    view = await proposed(here, MERGED)
    task, number = view.status.task.id, number_of(view)
    await asyncio.to_thread(github.by("grace", MERGED).get_pull(number).merge, sha=head_of(view))
    status = (await here.reaches(task, Stage.ENDED)).status
    assert (status.outcome, status.merged_outside) == (Outcome.MERGED, True)
    assert "by grace" in status.message and "return a + b" in calc(github, MERGED)
    assert status.merge_commit == github.bare(MERGED).branch("main")
    assert (await here.revert(task)).outcome is RevertOutcome.REVERTED
    assert "return a - b" in calc(github, MERGED)


async def test_a_red_ci_is_shown_and_a_review_has_the_agent_push_again_until_it_is_green(
    here: Installation, github: Emulated
) -> None:
    by_ada, by_grace = github.by("ada", REWORKED), github.by("grace", REWORKED)
    view = await proposed(here, REWORKED, "listener")
    task, number, first = view.status.task.id, number_of(view), head_of(view)
    by_ada.create_check_run(
        "unit",
        first,
        status="completed",
        conclusion="failure",
        output={"title": "1 failed", "summary": "test_double failed"},
    )
    # The emulator names no App for it. That makes it nobody's own, also where a user's token asks.
    assert CiReader(by_ada, Conditional(), app_id=None).read(first, logs=False).failed == ("unit",)
    await looks_at_ci(here, task)
    await eventually(lambda: f"CI fails on {first[:12]}" in "".join(ours(by_ada, number)))
    assert "> test_double failed" in ours(by_ada, number)[0]
    pull = by_grace.get_pull(number)
    await asyncio.to_thread(pull.create_review, event="REQUEST_CHANGES", body="also say why")
    branch = f"journeyman/{task}"
    await eventually(lambda: github.bare(REWORKED).branch(branch) != first)
    view = await here.reaches(task, Stage.REVIEW)
    second = head_of(view)
    assert view.status.decisions[-1].decision.message == "also say why"
    assert "# why" in github.bare(REWORKED).git("show", f"{branch}:calc.py")
    assert by_ada.get_git_ref(f"heads/{branch}").object.sha == second
    by_ada.create_check_run("unit", second, status="completed", conclusion="success")
    await looks_at_ci(here, task)
    await eventually(lambda: f"CI passes on {second[:12]}" in "".join(ours(by_ada, number)))
    assert (len(ours(by_ada, number)), [one.number for one in by_ada.get_pulls(state="all")]) == (1, [number])
    await asyncio.to_thread(pull.edit, state="closed")
    status = (await here.reaches(task, Stage.ENDED)).status
    assert (status.outcome, "was closed" in status.message) == (Outcome.CANCELLED, True)
