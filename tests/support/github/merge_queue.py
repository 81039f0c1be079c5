"""A branch's merge queue: pull requests join it, and land one after another when their turn comes."""

from tests.support.github.accounts import Account, now
from tests.support.github.merge_rules import mergeability, objections
from tests.support.github.pull_requests import land, merge_commit
from tests.support.github.routing import Refused
from tests.support.github.state import Pull, Repository, State
from tests.support.github.webhooks import announce_pull


def enqueue(github: State, repository: Repository, pull: Pull, by: Account, expected_head: str | None) -> int:
    """Put a pull request at the end of its base's queue, and give its place in it, from 1. Raises Refused."""
    rules = repository.protections.get(pull.base)
    if rules is None or not rules.queue:
        raise Refused(422, "Pull request The base branch has no merge queue.")
    if expected_head is not None and expected_head != pull.head_sha:
        raise Refused(422, "Pull request Head sha does not match the expected head.")
    if pull.queued is not None:
        raise Refused(422, "Pull request is already queued to merge.")
    mergeable, state = mergeability(repository, pull)
    missing = [said for said in objections(repository, pull, None, frozenset()) if "merge queue" not in said]
    if not mergeable or missing or state in ("dirty", "draft"):
        raise Refused(422, f"Pull request {missing[0]}" if missing else f"Pull request is in {state} status")
    pull.queued = now()
    announce_pull(github, repository, pull, "enqueued", by)
    return place(repository, pull)


def queue(repository: Repository, base: str) -> list[Pull]:
    """What waits for a branch, first come first."""
    waiting = [pull for pull in repository.pulls if pull.queued is not None and pull.base == base]
    return sorted(waiting, key=lambda pull: (pull.queued, pull.number))


def place(repository: Repository, pull: Pull) -> int:
    return queue(repository, pull.base).index(pull) + 1


def land_next(github: State, repository: Repository, base: str, by: Account) -> Pull | None:
    """Merge the first of a queue, or put it out where it conflicts by now; None where nothing waits."""
    waiting = queue(repository, base)
    if not waiting:
        return None
    pull, tip = waiting[0], repository.git.branch(base)
    assert tip is not None
    commit = merge_commit(repository, pull, by, tip, "merge")
    if commit is None:
        pull.queued = None
        announce_pull(github, repository, pull, "dequeued", by, {"reason": "MERGE_CONFLICT"})
    else:
        land(github, repository, pull, by, tip, commit)
    return pull
