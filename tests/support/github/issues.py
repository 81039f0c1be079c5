"""Issues and the conversation on them and on pull requests."""

from collections.abc import Sequence

from tests.support.github.accounts import Account, now
from tests.support.github.answers import issues as told
from tests.support.github.answers.people import user
from tests.support.github.answers.pulls import label as told_label
from tests.support.github.state import Comment, Issue, IssueEvent, Label, Pull, Repository, State
from tests.support.github.webhooks import announce, announce_pull


def open_issue(
    github: State, repository: Repository, author: Account, title: str, body: str | None, labels: Sequence[str] = ()
) -> Issue:
    made = Issue(github.new_id(), max(repository.issues, default=0) + 1, author, title, body)
    repository.issues[made.number] = made
    labelled(github, repository, made, labels, author)
    _announce(github, repository, made, "opened", author)
    return made


def set_state(github: State, repository: Repository, issue: Issue, state: str, by: Account) -> None:
    """Close an issue or a pull request, or open it again."""
    if state == issue.state:
        return
    issue.state, issue.closed = ("closed", now()) if state == "closed" else ("open", None)
    issue.updated = now()
    _announce(github, repository, issue, "closed" if state == "closed" else "reopened", by)


def add_comment(github: State, repository: Repository, issue: Issue, author: Account, body: str) -> Comment:
    made = Comment(github.new_id(), author, body)
    issue.comments.append(made)
    event = {
        "action": "created",
        "issue": told.issue(github, repository, issue),
        "comment": told.comment(github, repository, issue, made),
    }
    announce(github, repository, "issue_comment", event, author)
    return made


def labelled(
    github: State, repository: Repository, issue: Issue | None, names: Sequence[str], by: Account | None = None
) -> list[Label]:
    """Labels of these names, made where there are none, and put on an issue."""
    found = []
    for name in names:
        if name not in repository.labels:
            repository.labels[name] = Label(github.new_id(), name)
        found.append(repository.labels[name])
    if issue is not None:
        new = [label for label in found if label not in issue.labels]
        issue.labels += new
        if by is not None:
            issue.events += [IssueEvent(github.new_id(), "labeled", by, label) for label in new]
    return found


def label_issue(github: State, repository: Repository, issue: Issue, name: str, by: Account) -> None:
    """Put one label on an issue, and tell of it."""
    (label,) = labelled(github, repository, issue, [name], by)
    issue.updated = now()
    body = {
        "action": "labeled",
        "issue": told.issue(github, repository, issue),
        "label": told_label(github, repository, label),
    }
    announce(github, repository, "issues", body, by)


def assign_issue(github: State, repository: Repository, issue: Issue, to: Account, by: Account) -> None:
    """Assign an issue to one more, and tell of it."""
    issue.assignees.append(to)
    issue.events.append(IssueEvent(github.new_id(), "assigned", by, assignee=to))
    issue.updated = now()
    body = {"action": "assigned", "issue": told.issue(github, repository, issue), "assignee": user(github, to)}
    announce(github, repository, "issues", body, by)


def _announce(github: State, repository: Repository, issue: Issue, action: str, by: Account) -> None:
    if isinstance(issue, Pull):
        announce_pull(github, repository, issue, action, by)
    else:
        body = {"action": action, "issue": told.issue(github, repository, issue)}
        announce(github, repository, "issues", body, by)
