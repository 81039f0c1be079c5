"""Reviews of pull requests, and requests for them."""

from tests.support.github.answers.people import team, user
from tests.support.github.answers.pulls import line_comment, review, simple_pull
from tests.support.github.reviews import dismiss_review, request_reviews, submit_review
from tests.support.github.routing import Call, Refused, Reply, paged, route
from tests.support.github.state import Review


def _review(call: Call) -> Review:
    wanted = int(call.parameters["review_id"])
    for one in call.pull.reviews:
        if one.id == wanted:
            return one
    raise Refused(404, "Not Found")


@route("GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews", "pull_requests:read")
def list_reviews(call: Call) -> Reply:
    return paged(call, [review(call.github, call.repository, call.pull, one) for one in call.pull.reviews])


@route("POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews", "pull_requests:write")
def create_review(call: Call) -> Reply:
    body = call.body
    made = submit_review(
        call.github,
        call.repository,
        call.pull,
        call.account,
        body.get("event", "COMMENT"),
        body.get("body", ""),
        body.get("commit_id"),
    )
    return Reply(200, review(call.github, call.repository, call.pull, made))


@route("GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments", "pull_requests:read")
def list_review_comments(call: Call) -> Reply:
    one = _review(call)
    return paged(call, [line_comment(call.github, call.repository, call.pull, one, said) for said in one.lines])


@route("GET /repos/{owner}/{repo}/pulls/comments/{comment_id}", "pull_requests:read")
def get_line_comment(call: Call) -> Reply:
    wanted = int(call.parameters["comment_id"])
    for pull in call.repository.pulls:
        for one in pull.reviews:
            for said in one.lines:
                if said[0] == wanted:
                    return Reply(200, line_comment(call.github, call.repository, pull, one, said))
    raise Refused(404, "Not Found")


@route("GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}", "pull_requests:read")
def get_review(call: Call) -> Reply:
    return Reply(200, review(call.github, call.repository, call.pull, _review(call)))


@route("PUT /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/dismissals", "pull_requests:write")
def dismiss(call: Call) -> Reply:
    dismissed = _review(call)
    dismiss_review(call.github, call.repository, call.pull, dismissed, call.account)
    return Reply(200, review(call.github, call.repository, call.pull, dismissed))


@route("GET /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", "pull_requests:read")
def list_requested(call: Call) -> Reply:
    users = [user(call.github, person) for person in call.pull.reviewers]
    return Reply(200, {"users": users, "teams": [team(call.github, one) for one in call.pull.teams]})


@route("POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", "pull_requests:write")
def request(call: Call) -> Reply:
    reviewers, teams = call.body.get("reviewers", []), call.body.get("team_reviewers", [])
    request_reviews(call.github, call.repository, call.pull, reviewers, teams)
    return Reply(201, simple_pull(call.github, call.repository, call.pull))


@route("DELETE /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", "pull_requests:write")
def remove_request(call: Call) -> Reply:
    pull = call.pull
    pull.reviewers = [person for person in pull.reviewers if person.login not in call.body.get("reviewers", [])]
    pull.teams = [team for team in pull.teams if team.slug not in call.body.get("team_reviewers", [])]
    return Reply(200, simple_pull(call.github, call.repository, pull))
