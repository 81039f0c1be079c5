"""How issues and the comments on them are told."""

from tests.support.github.answers.people import time, time_or_none, user
from tests.support.github.answers.pulls import association, label, reactions
from tests.support.github.answers.repositories import repository_url
from tests.support.github.state import Comment, Issue, IssueEvent, Json, Pull, Repository, State, node_id


def issue(github: State, told: Repository, one: Issue) -> Json:
    """An issue; a pull request is one too, and says so."""
    url = f"{repository_url(github, told)}/issues/{one.number}"
    kind = "pull" if isinstance(one, Pull) else "issues"
    answer: Json = {
        "id": one.id,
        "node_id": node_id("I", one.id),
        "number": one.number,
        "url": url,
        "repository_url": repository_url(github, told),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": f"{github.web}/{told.full_name}/{kind}/{one.number}",
        "title": one.title,
        "body": one.body,
        "user": user(github, one.author),
        "labels": [label(github, told, each) for each in one.labels],
        "state": one.state,
        "state_reason": "completed" if one.state == "closed" else None,
        "locked": False,
        "active_lock_reason": None,
        "assignee": user(github, one.assignees[0]) if one.assignees else None,
        "assignees": [user(github, each) for each in one.assignees],
        "milestone": None,
        "comments": len(one.comments),
        "created_at": time(one.created),
        "updated_at": time(one.updated),
        "closed_at": time_or_none(one.closed),
        "author_association": association(told, one.author),
        "performed_via_github_app": None,
        "reactions": reactions(url),
    }
    if isinstance(one, Pull):
        pull = f"{repository_url(github, told)}/pulls/{one.number}"
        web = answer["html_url"]
        answer["draft"] = one.draft
        answer["pull_request"] = {
            "url": pull,
            "html_url": web,
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            "merged_at": time_or_none(one.merged),
        }
    return answer


def comment(github: State, told: Repository, on: Issue, one: Comment) -> Json:
    url = f"{repository_url(github, told)}/issues/comments/{one.id}"
    return {
        "id": one.id,
        "node_id": node_id("IC", one.id),
        "url": url,
        "issue_url": f"{repository_url(github, told)}/issues/{on.number}",
        "html_url": f"{github.web}/{told.full_name}/issues/{on.number}#issuecomment-{one.id}",
        "user": user(github, one.author),
        "body": one.body,
        "created_at": time(one.created),
        "updated_at": time(one.updated),
        "author_association": association(told, one.author),
        "performed_via_github_app": None,
        "reactions": reactions(url),
    }


def event(github: State, told: Repository, one: IssueEvent) -> Json:
    """As `labeled-issue-event` or `assigned-issue-event`."""
    answer: Json = {
        "id": one.id,
        "node_id": node_id("LE", one.id),
        "url": f"{repository_url(github, told)}/issues/events/{one.id}",
        "actor": user(github, one.by),
        "event": one.kind,
        "commit_id": None,
        "commit_url": None,
        "created_at": time(one.created),
        "performed_via_github_app": None,
    }
    if one.label is not None:
        answer["label"] = {"name": one.label.name, "color": one.label.color}
    if one.assignee is not None:
        # Who did it is told beside the actor, who may be the one who was assigned.
        assigned = user(github, one.assignee)
        answer |= {"actor": assigned, "assignee": assigned, "assigner": user(github, one.by)}
    return answer
