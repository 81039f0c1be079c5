"""What follows when refs move, whoever moved them: pull requests follow their branches, are closed, or are merged."""

from collections.abc import Iterable

from tests.support.github.accounts import Account, now
from tests.support.github.ref_change import RefChange
from tests.support.github.state import Move, Pull, Repository, State
from tests.support.github.webhooks import announce_pull, announce_push


def follow(github: State, repository: Repository, moved: Iterable[RefChange], by: Account) -> None:
    """Let the open pull requests follow refs that have moved."""
    for change in moved:
        repository.pushed = now()
        if change.branch is not None:
            repository.pushers[change.branch] = by
        _note(github, repository, change, by)
        announce_push(github, repository, change, by)
        for pull in repository.pulls:
            if pull.state == "open" and pull.fork is None and change.branch == pull.head:
                _head_moved(github, repository, pull, change.after, by)
            if pull.state == "open" and change.branch == pull.base:
                _base_moved(github, repository, pull, change.after, by)


def _note(github: State, repository: Repository, change: RefChange, by: Account) -> None:
    forced = bool(change.before and change.after and not repository.git.contains(change.after, change.before))
    repository.activity.append(Move(github.new_id(), change.ref, change.before, change.after, by, forced))


def _head_moved(github: State, repository: Repository, pull: Pull, after: str | None, by: Account) -> None:
    if after is None:
        pull.state, pull.closed, pull.updated = "closed", now(), now()
        announce_pull(github, repository, pull, "closed", by)
        return
    before = pull.head_sha
    pull.head_sha, pull.updated, pull.queued = after, now(), None
    pull.undecided_reads = github.undecided_reads
    repository.git.move(f"refs/pull/{pull.number}/head", after)
    rules = repository.protections.get(pull.base)
    if rules is not None and rules.dismiss_stale:
        for review in pull.reviews:
            review.state = "DISMISSED" if review.state == "APPROVED" else review.state
    announce_pull(github, repository, pull, "synchronize", by, {"before": before, "after": after})


def _base_moved(github: State, repository: Repository, pull: Pull, after: str | None, by: Account) -> None:
    """A base that has come to contain the head means merged, even where nobody asked for a merge."""
    if after is None:
        pull.state, pull.closed, pull.updated, pull.queued = "closed", now(), now(), None
        announce_pull(github, repository, pull, "closed", by)
    elif repository.git.contains(after, pull.head_sha):
        mark_merged(github, repository, pull, after, by)


def mark_merged(github: State, repository: Repository, pull: Pull, commit: str, by: Account) -> None:
    pull.state, pull.merged_by, pull.merge_commit, pull.queued = "closed", by, commit, None
    pull.merged = pull.closed = pull.updated = now()
    announce_pull(github, repository, pull, "closed", by)
