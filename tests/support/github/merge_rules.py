"""Whether a pull request may be merged: what its base's protection finds missing, in GitHub's words."""

from typing import Literal

from tests.support.github.accounts import Account
from tests.support.github.protection import Protection
from tests.support.github.state import CheckRun, Pull, Repository, Review, Status

Found = Literal["success", "pending", "failure"]
_GOOD = ("success", "neutral", "skipped")


def objections(repository: Repository, pull: Pull, method: str | None, acting: frozenset[str]) -> list[str]:
    """What stands against a merge, the first being what GitHub says; nothing for whoever may bypass the rules."""
    rules = repository.protections.get(pull.base)
    if rules is None or rules.bypass & acting:
        return []
    said = []
    if rules.queue:
        said.append("Changes must be made through the merge queue")
    if method == "merge" and rules.linear:
        said.append("This branch must not contain merge commits.")
    if _behind(repository, pull, rules):
        # However green the checks of an older base are, GitHub counts them as not there.
        said += _expected(list(rules.checks), len(rules.checks))
    else:
        said += _about_checks(repository, pull.head_sha, rules.checks)
    if any(review.state == "CHANGES_REQUESTED" for review in latest(pull)):
        said.append("Changes have been requested on this pull request by a reviewer with write access.")
    elif len(_approvers(repository, pull)) < rules.approvals:
        plural = "review is" if rules.approvals == 1 else "reviews are"
        said.append(f"At least {rules.approvals} approving {plural} required by reviewers with write access.")
    pusher = repository.pushers.get(pull.head)
    if rules.last_push_approval and not _approvers(repository, pull) - {pusher}:
        login = pusher.login if pusher is not None else pull.author.login
        said.append(f"New changes require approval from someone other than {login} because they were the last pusher.")
    return said


def _about_checks(repository: Repository, sha: str, required: dict[str, int | None]) -> list[str]:
    found = {name: outcome(repository, sha, name, app) for name, app in required.items()}
    absent = [name for name, result in found.items() if result is None]
    if len(absent) > 1:
        return _expected(absent, len(required))
    words = {None: "is expected", "pending": "is in progress", "failure": "is failing"}
    return [f'Required status check "{name}" {words[result]}.' for name, result in found.items() if result in words]


def _expected(absent: list[str], of: int) -> list[str]:
    if len(absent) == 1:
        return [f'Required status check "{absent[0]}" is expected.']
    return [f"{len(absent)} of {of} required status checks are expected."]


def _behind(repository: Repository, pull: Pull, rules: Protection) -> bool:
    """Whether a head lacks what its base has by now, where that counts: with a required check at least."""
    tip = repository.base_of(pull)
    return rules.strict and bool(rules.checks) and not repository.git.contains(pull.head_sha, tip)


def outcome(repository: Repository, sha: str, name: str, app: int | None = None) -> Found | None:
    """What the newest check run or status of a name says of a commit; of one app's only, where it is named."""
    runs = [
        run
        for run in repository.checks
        if run.suite.sha == sha and run.name == name and app in (None, run.suite.app.id)
    ]
    if runs:
        return run_outcome(runs[-1])
    statuses = [one for one in repository.statuses if one.sha == sha and one.context == name and app is None]
    return status_outcome(statuses[-1]) if statuses else None


def run_outcome(run: CheckRun) -> Found:
    if run.status != "completed":
        return "pending"
    return "success" if run.conclusion in _GOOD else "failure"


def status_outcome(status: Status) -> Found:
    if status.state in ("success", "pending"):
        return "success" if status.state == "success" else "pending"
    return "failure"


def latest(pull: Pull) -> list[Review]:
    """The review of each person that counts: the newest that isn't a mere comment."""
    newest = {review.author.login: review for review in pull.reviews if review.state != "COMMENTED"}
    return list(newest.values())


def _approvers(repository: Repository, pull: Pull) -> set[Account | None]:
    """Who approves and has write access."""
    approving = [review.author for review in latest(pull) if review.state == "APPROVED"]
    return {by for by in approving if (repository.may_write(by) or by.writes) and by is not pull.author}


def mergeability(repository: Repository, pull: Pull) -> tuple[bool | None, str]:
    """`mergeable` and `mergeable_state`, as a read of the pull request tells them."""
    if pull.state != "open":
        return None, "unknown"
    base = repository.git.branch(pull.base)
    if base is None or repository.git.merged_tree(base, pull.head_sha) is None:
        return False, "dirty"
    if pull.draft:
        return True, "draft"
    rules = repository.protections.get(pull.base)
    if rules is not None and _behind(repository, pull, rules):
        return True, "behind"
    if objections(repository, pull, None, frozenset()):
        return True, "blocked"
    names = {run.name for run in repository.checks if run.suite.sha == pull.head_sha}
    names |= {status.context for status in repository.statuses if status.sha == pull.head_sha}
    found = {outcome(repository, pull.head_sha, name) for name in names}
    return True, "unstable" if found - {"success", None} else "clean"
