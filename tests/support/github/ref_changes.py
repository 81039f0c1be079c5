"""What follows when refs move, whoever moved them: pull requests follow their branches, are closed, or are merged."""

from dataclasses import dataclass

from tests.support.github.state import Account, Pull, Repository, now


@dataclass(frozen=True)
class RefChange:
    """One ref, before and after; None is not there."""

    ref: str
    before: str | None
    after: str | None

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None


def changes(before: dict[str, str], after: dict[str, str]) -> list[RefChange]:
    """What differs between two listings of refs."""
    return [
        RefChange(ref, before.get(ref), after.get(ref))
        for ref in sorted(before.keys() | after.keys())
        if before.get(ref) != after.get(ref)
    ]


def follow(repository: Repository, moved: list[RefChange], by: Account) -> None:
    """Let the open pull requests follow refs that have moved."""
    for change in moved:
        repository.pushed = now()
        for pull in repository.pulls:
            if pull.state == "open" and change.branch == pull.head:
                _head_moved(repository, pull, change.after)
            if pull.state == "open" and change.branch == pull.base and change.after is not None:
                _base_moved(repository, pull, change.after, by)


def _head_moved(repository: Repository, pull: Pull, after: str | None) -> None:
    if after is None:
        pull.state, pull.closed, pull.updated = "closed", now(), now()
        return
    pull.head_sha, pull.updated, pull.queued = after, now(), None
    repository.git.move(f"refs/pull/{pull.number}/head", after)
    rules = repository.protections.get(pull.base)
    if rules is not None and rules.dismiss_stale:
        for review in pull.reviews:
            review.state = "DISMISSED" if review.state == "APPROVED" else review.state


def _base_moved(repository: Repository, pull: Pull, after: str, by: Account) -> None:
    """A base that has come to contain the head means merged, even where nobody asked for a merge."""
    if repository.git.contains(after, pull.head_sha):
        mark_merged(pull, after, by)


def mark_merged(pull: Pull, commit: str, by: Account) -> None:
    pull.state, pull.merged_by, pull.merge_commit, pull.queued = "closed", by, commit, None
    pull.merged = pull.closed = pull.updated = now()
