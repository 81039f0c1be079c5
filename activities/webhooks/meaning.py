"""What a delivery means: a pure function of its event and its body, before anybody is asked anything.

Most of what GitHub tells means nothing here; it is passed over for a reason that is stated.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from activities.forge.github.discussion import OUR_MARK
from activities.webhooks.commands import Command, command
from activities.webhooks.payloads import Comment, Issue, Payload, Pull, Repository, Run, User

_TASK_BRANCH = re.compile(r"journeyman/([a-z2-7]{10})")
_JOB = re.compile(r"[^A-Za-z0-9._/ -]")
_GOOD, _BAD = frozenset({"success"}), frozenset({"failure", "timed_out", "startup_failure"})
_OF_BASE = frozenset({"push", "schedule", "workflow_dispatch", "merge_group", ""})
"""What runs of workflows on base are for, if they say whether base is good; a suite of checks does not tell it."""
_FORK = "it comes from a fork: what is there has no say here, and no agent works on it"


@dataclass(frozen=True)
class Ignored:
    """There is nothing to do."""

    reason: str


@dataclass(frozen=True)
class TaskWanted:
    """An issue was labelled or assigned so that it becomes a task."""

    repository: str
    """Full name on GitHub."""
    issue: Issue
    by: User
    how: Literal["labeled", "assigned"]
    to: str
    """The label's name, or whom it was assigned to."""


@dataclass(frozen=True)
class Commanded:
    """Somebody wrote a command below an issue or a pull request."""

    repository: str
    number: int
    issue: Issue | None
    """None on a line of a pull request."""
    command: Command
    by: User
    comment_id: int

    @property
    def on_pull(self) -> bool:
        """Whether it is about a pull request."""
        return self.issue is None or self.issue.pull_request is not None


@dataclass(frozen=True)
class Reviewed:
    """A person's review of a task's pull request, or its dismissal; what it is about, GitHub is asked."""

    repository: str
    number: int
    task_id: str
    review_id: int
    state: Literal["approved", "changes_requested", "dismissed"]
    reviewer: User


@dataclass(frozen=True)
class PullChanged:
    """A task's pull request is not as it was left: closed, merged, pushed to, or led elsewhere."""

    repository: str
    number: int
    task_id: str


@dataclass(frozen=True)
class CiEnded:
    """A workflow of GitHub's, or an app's checks, came to an end on base or on a task's branch."""

    repository: str
    branch: str
    task_id: str
    """Of a task's branch; empty on base."""
    commit: str
    job: str
    """Its name, without characters that could pose as something else."""
    conclusion: str
    link: str
    run_id: int
    is_suite: bool
    """Whether it is a suite of an app's checks, and no run of a workflow."""

    @property
    def good(self) -> bool:
        """Whether the code is good by it; there is no third way to end here."""
        return self.conclusion in _GOOD


Meaning = Ignored | TaskWanted | Commanded | Reviewed | PullChanged | CiEnded


@dataclass(frozen=True)
class Terms:
    """What the platform's owner wants to be told by issues."""

    label: str = ""
    assignee: str = ""
    accounts: tuple[str, ...] = ()
    """Whose repositories count; empty is everybody's."""


def meaning(event: str, body: dict[str, Any], terms: Terms) -> Meaning:
    """What it means; never raises for what a body holds."""
    reading = _READINGS.get(event)
    if reading is None:
        return Ignored(f"nothing is done about {event[:60]!r} events")
    try:
        payload = Payload.model_validate(body)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        return Ignored(f"{where} is not as GitHub describes it")
    if payload.repository is None or payload.sender is None:
        return Ignored("it names no repository, or nobody who did it")
    name = payload.repository.full_name
    if terms.accounts and name.partition("/")[0].lower() not in {account.lower() for account in terms.accounts}:
        return Ignored("it is about a repository of none of the accounts that are heard")
    return reading(payload, name, payload.sender, terms)


def _issues(payload: Payload, repository: str, by: User, terms: Terms) -> Meaning:
    issue = payload.issue
    if issue is None:
        return Ignored("it has no issue")
    label, assignee = payload.label, payload.assignee
    how: Literal["labeled", "assigned"]
    if payload.action == "labeled":
        how, to = "labeled", terms.label
        if label is None or not terms.label or label.name.lower() != terms.label.lower():
            return Ignored(f"the label is not {terms.label!r}")
    elif payload.action == "assigned":
        how, to = "assigned", terms.assignee
        if assignee is None or not terms.assignee or assignee.login.lower() != terms.assignee.lower():
            return Ignored("it is not assigned to an agent")
    else:
        return Ignored(f"nothing is done about issues that are {payload.action or 'changed'}")
    if issue.state != "open":
        return Ignored("the issue is closed")
    return _unless_bot(by) or TaskWanted(repository, issue, by, how, to)


def _issue_comment(payload: Payload, repository: str, by: User, _: Terms) -> Meaning:
    issue, comment = payload.issue, payload.comment
    if issue is None or comment is None:
        return Ignored("it has no comment on an issue")
    if payload.action != "created":
        return Ignored(f"a comment that is {payload.action} commands nothing: write another")
    wanted = command_in(comment)
    if wanted is None:
        return Ignored("the comment has no command")
    return _unless_bot(by) or Commanded(repository, issue.number, issue, wanted, by, comment.id)


def _line_comment(payload: Payload, repository: str, by: User, _: Terms) -> Meaning:
    pull, comment = payload.pull_request, payload.comment
    if pull is None or comment is None:
        return Ignored("it has no comment on a pull request")
    if payload.action != "created":
        return Ignored(f"a comment that is {payload.action} commands nothing: write another")
    wanted = command_in(comment)
    if wanted is None:
        return Ignored("the comment has no command")
    if refused := _unless_bot(by) or _unless_own(pull, payload):
        return refused
    return Commanded(repository, pull.number, None, wanted, by, comment.id)


def _review(payload: Payload, repository: str, _: User, __: Terms) -> Meaning:
    pull, review = payload.pull_request, payload.review
    if pull is None or review is None or review.user is None:
        return Ignored("it has no review by anybody")
    state = review.state.lower() if payload.action == "submitted" else payload.action
    if state not in {"approved", "changes_requested", "dismissed"}:
        return Ignored(f"nothing is done about reviews that are {state}")
    if refused := _unless_bot(review.user) or _unless_own(pull, payload):
        return refused
    task = _TASK_BRANCH.fullmatch(pull.head.ref)
    if task is None:
        return Ignored("it is not the pull request of a task")
    return Reviewed(
        repository,
        pull.number,
        task[1],
        review.id,
        state,  # type: ignore[arg-type]
        review.user,
    )


def _pull_request(payload: Payload, repository: str, by: User, _: Terms) -> Meaning:
    pull = payload.pull_request
    if pull is None:
        return Ignored("it has no pull request")
    if payload.action not in {"closed", "synchronize", "edited"}:
        return Ignored(f"nothing is done about pull requests that are {payload.action or 'changed'}")
    if payload.action == "edited" and payload.changes.get("base") is None:
        return Ignored("its base is what it was")
    if refused := _unless_own(pull, payload):
        return refused
    task = _TASK_BRANCH.fullmatch(pull.head.ref)
    if task is None:
        return Ignored("it is not the pull request of a task")
    return PullChanged(repository, pull.number, task[1])


def _workflow_run(payload: Payload, repository: str, _: User, __: Terms) -> Meaning:
    run = payload.workflow_run
    return _ci(payload, run, repository, run.name if run is not None else None)


def _check_suite(payload: Payload, repository: str, _: User, __: Terms) -> Meaning:
    suite = payload.check_suite
    if suite is not None and suite.app is not None and suite.app.slug == "github-actions":
        return Ignored("of GitHub's own workflows each run is told, too")
    return _ci(payload, suite, repository, suite.maker if suite is not None else None)


def _ci(payload: Payload, run: Run | None, repository: str, name: str | None) -> Meaning:
    if payload.action != "completed" or run is None:
        return Ignored("only checks that have ended say something")
    assert payload.repository is not None, "looked at before"
    return ended(run, payload.repository, name, is_suite=run is payload.check_suite)


def ended(run: Run, repository: Repository, name: str | None, *, is_suite: bool) -> Ignored | CiEnded:
    """What it means that a run, or a suite, of this name ended so."""
    if run.conclusion not in _GOOD | _BAD:
        return Ignored(f"checks that end as {run.conclusion} say nothing of the code")
    if run.head_repository is not None and run.head_repository.id != repository.id:
        return Ignored(_FORK)
    branch = run.head_branch or ""
    task = _TASK_BRANCH.fullmatch(branch)
    if task is None and (not branch or branch != repository.default_branch):
        return Ignored("it is neither about base nor about a task's branch")
    if task is None and run.event not in _OF_BASE:
        # Anybody can have workflows run there that answer comments or pull requests, and have them fail.
        return Ignored(f"it ran on base for {run.event[:40]}, which says nothing of base")
    return CiEnded(
        repository.full_name,
        branch,
        task[1] if task is not None else "",
        run.head_sha,
        _JOB.sub("-", name or "")[:70].strip(" ./-_") or "ci",
        run.conclusion,
        run.html_url,
        run.id,
        is_suite,
    )


def command_in(comment: Comment) -> Command | None:
    """What a comment commands.

    None in what Journeyman writes itself, which is by a person's account where it has a token, and quotes others.
    """
    body = comment.body or ""
    return None if OUR_MARK in body else command(body)


def _unless_bot(by: User) -> Ignored | None:
    """Bots command nobody: two that answer each other would never end."""
    return Ignored("a bot did it, and bots command no agents") if by.is_bot else None


def _unless_own(pull: Pull, payload: Payload) -> Ignored | None:
    assert payload.repository is not None, "looked at before"
    return Ignored(_FORK) if pull.head.repo is None or pull.head.repo.id != payload.repository.id else None


_READINGS = {
    "issues": _issues,
    "issue_comment": _issue_comment,
    "pull_request_review_comment": _line_comment,
    "pull_request_review": _review,
    "pull_request": _pull_request,
    "workflow_run": _workflow_run,
    "check_suite": _check_suite,
}
