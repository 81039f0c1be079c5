"""How pull requests and their reviews are told."""

from urllib.parse import quote

from tests.support.github.accounts import Account
from tests.support.github.answers.commits import changed_files
from tests.support.github.answers.people import team, time, time_or_none, user, user_or_none
from tests.support.github.answers.repositories import repository, repository_url
from tests.support.github.state import Json, Label, Pull, Repository, Review, State, node_id


def label(github: State, told: Repository, one: Label) -> Json:
    return {
        "id": one.id,
        "node_id": node_id("LA", one.id),
        "url": f"{repository_url(github, told)}/labels/{quote(one.name)}",
        "name": one.name,
        "color": one.color,
        "default": False,
        "description": one.description or "",
    }


def association(told: Repository, account: Account) -> str:
    """What an author is to the repository."""
    if account is told.owner:
        return "OWNER"
    return "NONE" if told.level(account) == "none" else "COLLABORATOR"


def _side(github: State, told: Repository, branch: str, sha: str) -> Json:
    """The head or the base of a pull request, in the repository that holds it."""
    return {
        "label": f"{told.owner.login}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": user(github, told.owner),
        "repo": repository(github, told),
    }


def simple_pull(github: State, told: Repository, pull: Pull) -> Json:
    """As `pull-request-simple`: what lists hold."""
    url = f"{repository_url(github, told)}/pulls/{pull.number}"
    issue = f"{repository_url(github, told)}/issues/{pull.number}"
    web = f"{github.web}/{told.full_name}/pull/{pull.number}"
    statuses = f"{repository_url(github, told)}/statuses/{pull.head_sha}"
    links = {
        "self": url,
        "html": web,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{repository_url(github, told)}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": statuses,
    }
    return {
        "id": pull.id,
        "node_id": node_id("PR", pull.id),
        "number": pull.number,
        "url": url,
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "issue_url": issue,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": statuses,
        "state": pull.state,
        "active_lock_reason": None,
        "locked": False,
        "title": pull.title,
        "user": user(github, pull.author),
        "body": pull.body,
        "created_at": time(pull.created),
        "updated_at": time(pull.updated),
        "closed_at": time_or_none(pull.closed),
        "merged_at": time_or_none(pull.merged),
        "merge_commit_sha": pull.merge_commit or pull.test_merge,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [user(github, person) for person in pull.reviewers],
        "requested_teams": [team(github, one) for one in pull.teams],
        "labels": [label(github, told, one) for one in pull.labels],
        "milestone": None,
        "draft": pull.draft,
        "head": _side(github, pull.fork or told, pull.head, pull.head_sha),
        "base": _side(github, told, pull.base, pull.base_sha),
        "_links": {name: {"href": address} for name, address in links.items()},
        "author_association": association(told, pull.author),
        "auto_merge": None,
    }


def full_pull(github: State, told: Repository, pull: Pull, mergeable: bool | None, mergeable_state: str) -> Json:
    """As `pull-request`: with its size, and whether it can be merged."""
    base = told.base_of(pull)
    fork = told.git.merge_base(base, pull.head_sha)
    files = changed_files(github, told, fork, pull.head_sha)
    return {
        **simple_pull(github, told, pull),
        "merged": pull.merged is not None,
        "merged_by": user_or_none(github, pull.merged_by),
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": mergeable_state,
        "comments": len(pull.comments),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(told.git.between(base, pull.head_sha)),
        "additions": sum(file["additions"] for file in files),
        "deletions": sum(file["deletions"] for file in files),
        "changed_files": len(files),
    }


def review(github: State, told: Repository, pull: Pull, one: Review) -> Json:
    url = f"{repository_url(github, told)}/pulls/{pull.number}"
    web = f"{github.web}/{told.full_name}/pull/{pull.number}#pullrequestreview-{one.id}"
    return {
        "id": one.id,
        "node_id": node_id("PRR", one.id),
        "user": user(github, one.author),
        "body": one.body,
        "state": one.state,
        "commit_id": one.commit,
        "html_url": web,
        "pull_request_url": url,
        "_links": {"html": {"href": web}, "pull_request": {"href": url}},
        "submitted_at": time(one.submitted),
        "author_association": association(told, one.author),
    }


def line_comment(github: State, told: Repository, pull: Pull, one: Review, said: tuple[int, str, int, str]) -> Json:
    """As `review-comment`: what a review says of one line."""
    number, path, line, words = said
    url = f"{repository_url(github, told)}/pulls/{pull.number}"
    own = f"{repository_url(github, told)}/pulls/comments/{number}"
    web = f"{github.web}/{told.full_name}/pull/{pull.number}#discussion_r{number}"
    return {
        "id": number,
        "node_id": node_id("PRRC", number),
        "url": own,
        "pull_request_review_id": one.id,
        "body": words,
        "diff_hunk": "@@ -1 +1 @@",
        "path": path,
        "position": 1,
        "original_position": 1,
        "line": line,
        "original_line": line,
        **dict.fromkeys(("start_line", "original_start_line", "start_side")),
        "side": "RIGHT",
        "commit_id": one.commit,
        "original_commit_id": one.commit,
        "user": user(github, one.author),
        "created_at": time(one.submitted),
        "updated_at": time(one.submitted),
        "html_url": web,
        "pull_request_url": url,
        "reactions": reactions(own),
        "_links": {"self": {"href": own}, "html": {"href": web}, "pull_request": {"href": url}},
        "author_association": association(told, one.author),
    }


def reactions(url: str) -> Json:
    """None at all."""
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(kinds, 0)}
