"""What a merge that GitHub refused still lacks, said thing by thing: GitHub itself names one at a time.

It is what GitHub tells of base's rules and of the pull request right after the refusal. Where that can't be read,
GitHub's own words have to do.
"""

from collections.abc import Iterator
from itertools import islice

from github.PullRequest import PullRequest as GitHubPull
from github.Repository import Repository as GitHubRepository

from activities.forge.github.base_rules import BaseRules
from activities.forge.github.ci import CiReader
from activities.forge.github.conditional import Conditional
from activities.forge.github.errors import translated
from workflows.models.ci import CiOutcome, CiReport

_MOST_REVIEWS = 300
_MOST_NAMED = 10


def what_is_missing(repository: GitHubRepository, number: int, rules: BaseRules) -> str:
    """For people; empty if nothing is found. Blocks. Raises GitHubRefused or GitHubUnavailable."""
    with translated(f"looking at what pull request {number} lacks"):
        pull = repository.get_pull(number)
        found = [*_of_pull(pull), *_reviews(pull, rules)]
    # Our own check is one that base may demand, so nobody's is left out.
    ci = CiReader(repository, Conditional(), app_id=None).read(pull.head.sha, logs=False)
    found += _checks(ci, rules)
    return "; ".join(found[:_MOST_NAMED])


def _of_pull(pull: GitHubPull) -> Iterator[str]:
    if pull.draft:
        yield "it is a draft: mark it ready for review"
    match pull.mergeable_state:
        case "dirty":
            yield "it conflicts with base: request changes, and the agent lays it onto base as it is now"
        case "behind":
            yield "it is not up to date with base: merge again, and it is judged on base as it is now"


def _reviews(pull: GitHubPull, rules: BaseRules) -> Iterator[str]:
    newest: dict[str, str] = {}
    for review in islice(pull.get_reviews(), _MOST_REVIEWS):
        if review.user is not None and review.state in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}:
            newest[review.user.login] = review.state
    if against := sorted(login for login, state in newest.items() if state == "CHANGES_REQUESTED"):
        yield f"{', '.join(against)} requested changes on GitHub: they have to approve, or somebody dismisses that"
    given = sum(state == "APPROVED" for state in newest.values())
    if given < rules.approvals:
        yield (
            f"{given} of {rules.approvals} approving reviews on GitHub: people with write access give them there, "
            "or an App of its own, by [github.reviews]: none can approve its own pull request"
        )


def _checks(ci: CiReport, rules: BaseRules) -> Iterator[str]:
    outcomes = {check.name: check.outcome for check in ci.checks}
    for name in rules.checks:
        match outcomes.get(name):
            case None:
                yield f"the required check {name!r} has not been reported"
            case CiOutcome.PENDING:
                yield f"the required check {name!r} is not done"
            case CiOutcome.FAILED:
                yield f"the required check {name!r} fails"
            case CiOutcome.PASSED:
                continue
