"""Issues, which pull requests are too: their comments and their labels."""

from tests.support.github.accounts import now
from tests.support.github.answers import issues as told
from tests.support.github.answers.pulls import label
from tests.support.github.issues import add_comment, labelled, open_issue, set_state
from tests.support.github.routing import Call, Refused, Reply, missing, paged, route
from tests.support.github.state import Comment, Issue


def _issue(call: Call) -> Issue:
    found = call.repository.issues.get(int(call.parameters["issue_number"]))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _comment(call: Call) -> tuple[Issue, Comment]:
    wanted = int(call.parameters["comment_id"])
    for issue in call.repository.issues.values():
        for comment in issue.comments:
            if comment.id == wanted:
                return issue, comment
    raise Refused(404, "Not Found")


@route("GET /repos/{owner}/{repo}/issues", "issues:read")
def list_issues(call: Call) -> Reply:
    state, labels = call.query.get("state", "open"), set(filter(None, call.query.get("labels", "").split(",")))
    found = [
        issue
        for issue in reversed(call.repository.issues.values())
        if state in ("all", issue.state) and labels <= {one.name for one in issue.labels}
    ]
    return paged(call, [told.issue(call.github, call.repository, issue) for issue in found])


@route("POST /repos/{owner}/{repo}/issues", "issues:write")
def create_issue(call: Call) -> Reply:
    if not call.body.get("title"):
        missing("Issue", "title")
    names = [one if isinstance(one, str) else one["name"] for one in call.body.get("labels", [])]
    made = open_issue(call.github, call.repository, call.account, str(call.body["title"]), call.body.get("body"), names)
    return Reply(201, told.issue(call.github, call.repository, made))


@route("GET /repos/{owner}/{repo}/issues/{issue_number}", "issues:read")
def get_issue(call: Call) -> Reply:
    return Reply(200, told.issue(call.github, call.repository, _issue(call)))


@route("PATCH /repos/{owner}/{repo}/issues/{issue_number}", "issues:write")
def update_issue(call: Call) -> Reply:
    issue, body = _issue(call), call.body
    issue.title, issue.body = body.get("title", issue.title), body.get("body", issue.body)
    if "labels" in body:
        issue.labels = []
        labelled(call.github, call.repository, issue, [str(name) for name in body["labels"]], call.account)
    if "state" in body:
        set_state(call.github, call.repository, issue, body["state"], call.account)
    issue.updated = now()
    return Reply(200, told.issue(call.github, call.repository, issue))


@route("GET /repos/{owner}/{repo}/issues/{issue_number}/comments", "issues:read")
def list_comments(call: Call) -> Reply:
    issue = _issue(call)
    return paged(call, [told.comment(call.github, call.repository, issue, one) for one in issue.comments])


@route("POST /repos/{owner}/{repo}/issues/{issue_number}/comments", "issues:write")
def create_comment(call: Call) -> Reply:
    issue, body = _issue(call), call.body.get("body")
    if not isinstance(body, str) or not body.strip():
        missing("IssueComment", "body")
    if len(body) > 65_536:
        raise Refused(422, "Validation Failed", [_too_long()])
    made = add_comment(call.github, call.repository, issue, call.account, body)
    return Reply(201, told.comment(call.github, call.repository, issue, made))


def _too_long() -> dict[str, str]:
    words = "body is too long (maximum is 65536 characters)"
    return {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": words}


@route("GET /repos/{owner}/{repo}/issues/comments/{comment_id}", "issues:read")
def get_comment(call: Call) -> Reply:
    return Reply(200, told.comment(call.github, call.repository, *_comment(call)))


@route("PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}", "issues:write")
def update_comment(call: Call) -> Reply:
    issue, comment = _comment(call)
    if comment.author is not call.account and not call.repository.may_write(call.account):
        raise Refused(403, "Resource not accessible by integration")
    body = call.body.get("body", "")
    if len(body) > 65_536:
        raise Refused(422, "Validation Failed", [_too_long()])
    comment.body, comment.updated = body, now()
    return Reply(200, told.comment(call.github, call.repository, issue, comment))


@route("DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}", "issues:write")
def delete_comment(call: Call) -> Reply:
    issue, comment = _comment(call)
    issue.comments.remove(comment)
    return Reply(204)


@route("GET /repos/{owner}/{repo}/issues/{issue_number}/events", "issues:read")
def list_issue_events(call: Call) -> Reply:
    return paged(call, [told.event(call.github, call.repository, one) for one in _issue(call).events])


@route("GET /repos/{owner}/{repo}/issues/{issue_number}/labels", "issues:read")
def list_issue_labels(call: Call) -> Reply:
    return paged(call, [label(call.github, call.repository, one) for one in _issue(call).labels])


@route("POST /repos/{owner}/{repo}/issues/{issue_number}/labels", "issues:write", bare_list="labels")
def add_labels(call: Call) -> Reply:
    issue = _issue(call)
    names = [one if isinstance(one, str) else one["name"] for one in call.body.get("labels", [])]
    labelled(call.github, call.repository, issue, names, call.account)
    return Reply(200, [label(call.github, call.repository, one) for one in issue.labels])


@route("DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}", "issues:write")
def remove_label(call: Call) -> Reply:
    issue = _issue(call)
    left = [one for one in issue.labels if one.name != call.parameters["name"]]
    if len(left) == len(issue.labels):
        raise Refused(404, "Label does not exist")
    issue.labels = left
    return Reply(200, [label(call.github, call.repository, one) for one in left])


@route("GET /repos/{owner}/{repo}/labels", "issues:read")
def list_labels(call: Call) -> Reply:
    return paged(call, [label(call.github, call.repository, one) for one in call.repository.labels.values()])


@route("POST /repos/{owner}/{repo}/labels", "issues:write")
def create_label(call: Call) -> Reply:
    name = call.body.get("name")
    if not name:
        missing("Label", "name")
    if name in call.repository.labels:
        raise Refused(422, "Validation Failed", [{"resource": "Label", "code": "already_exists", "field": "name"}])
    made = labelled(call.github, call.repository, None, [name])[0]
    made.color, made.description = call.body.get("color", made.color), call.body.get("description")
    return Reply(201, label(call.github, call.repository, made))
