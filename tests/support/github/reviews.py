"""Reviews of pull requests: who may give which, and what becomes of those who were asked."""

from collections.abc import Sequence
from typing import Literal

from tests.support.github.accounts import Account
from tests.support.github.answers.pulls import line_comment, simple_pull
from tests.support.github.answers.pulls import review as told_review
from tests.support.github.routing import Refused
from tests.support.github.state import Pull, Repository, Review, State
from tests.support.github.webhooks import announce

Verdict = Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"]
_STATES: dict[str, Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED"]] = {
    "APPROVE": "APPROVED",
    "REQUEST_CHANGES": "CHANGES_REQUESTED",
    "COMMENT": "COMMENTED",
}


def submit_review(
    github: State,
    repository: Repository,
    pull: Pull,
    by: Account,
    verdict: str,
    body: str = "",
    commit: str | None = None,
    lines: Sequence[tuple[str, int, str]] = (),
) -> Review:
    """Review a pull request as somebody. Raises Refused, in GitHub's words."""
    if verdict not in _STATES:
        raise Refused(422, "Unprocessable Entity", [f"Variable $event was provided invalid value {verdict}"])
    if by is pull.author and verdict != "COMMENT":
        what = "approve" if verdict == "APPROVE" else "request changes on"
        raise Refused(422, "Unprocessable Entity", [f"Can not {what} your own pull request"])
    if verdict != "APPROVE" and not body:
        raise Refused(422, "Unprocessable Entity", ["Body can't be blank"])
    if commit is not None and commit not in (
        pull.head_sha,
        *repository.git.between(repository.base_of(pull), pull.head_sha),
    ):
        raise Refused(422, "Unprocessable Entity", ["The commit is not part of the pull request"])
    made = Review(github.new_id(), by, _STATES[verdict], body, commit or pull.head_sha)
    made.lines = [(github.new_id(), path, line, words) for path, line, words in lines]
    pull.reviews.append(made)
    pull.reviewers = [person for person in pull.reviewers if person is not by]
    _announce(github, repository, pull, made, "submitted", by)
    for said in made.lines:
        event = {
            "action": "created",
            "comment": line_comment(github, repository, pull, made, said),
            "pull_request": simple_pull(github, repository, pull),
        }
        announce(github, repository, "pull_request_review_comment", event, by)
    return made


def dismiss_review(github: State, repository: Repository, pull: Pull, dismissed: Review, by: Account) -> None:
    """Have a review count no more. Raises Refused, in GitHub's words."""
    if dismissed.state == "COMMENTED":
        raise Refused(422, "Unprocessable Entity", ["Can not dismiss a commented pull request review"])
    dismissed.state = "DISMISSED"
    _announce(github, repository, pull, dismissed, "dismissed", by)


def _announce(github: State, repository: Repository, pull: Pull, made: Review, action: str, by: Account) -> None:
    told = told_review(github, repository, pull, made)
    event = {
        "action": action,
        "review": {**told, "state": made.state.lower()},
        "pull_request": simple_pull(github, repository, pull),
    }
    announce(github, repository, "pull_request_review", event, by)


def request_reviews(github: State, repository: Repository, pull: Pull, logins: list[str], teams: list[str]) -> None:
    """Ask people and teams for a review: collaborators only, and never the author. Raises Refused."""
    people = [github.accounts.get(login.lower()) for login in logins]
    if pull.author in people:
        raise Refused(422, "Review cannot be requested from pull request author.")
    known = [person for person in people if person is not None and repository.level(person) != "none"]
    asked = [team for team in github.teams if team.organization is repository.owner and team.slug in teams]
    if len(known) < len(logins) or len(asked) < len(teams):
        raise Refused(
            422,
            "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not "
            f"a collaborator of the {repository.full_name} repository.",
        )
    pull.reviewers += [person for person in known if person not in pull.reviewers]
    pull.teams += [team for team in asked if team not in pull.teams]
