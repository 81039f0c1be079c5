"""Taking a merged pull request back, by another pull request that GitHub writes."""

from tests.support.github.accounts import Account
from tests.support.github.following import follow
from tests.support.github.pull_requests import open_pull
from tests.support.github.ref_change import RefChange
from tests.support.github.routing import Refused
from tests.support.github.state import Pull, Repository, State


def revert_pull(
    github: State,
    repository: Repository,
    pull: Pull,
    by: Account,
    *,
    title: str | None = None,
    body: str | None = None,
    draft: bool = False,
) -> Pull:
    """Open the pull request that takes another back. Raises Refused where that can't be done."""
    git = repository.git
    tip = git.branch(pull.base)
    if pull.merged is None or pull.merge_commit is None or tip is None:
        raise Refused(422, "Pull request is not merged")
    branch = f"revert-{pull.number}-{pull.head}"
    if git.branch(branch) is not None:
        raise Refused(422, "Pull request could not be reverted. It may have been reverted already.")
    commit = git.reverted(tip, _landed(repository, pull))
    if commit is None or commit == tip:
        raise Refused(422, "Pull request could not be reverted automatically. It conflicts with later changes.")
    git.move(f"refs/heads/{branch}", commit)
    follow(github, repository, [RefChange(f"refs/heads/{branch}", None, commit)], by)
    return open_pull(
        github,
        repository,
        by,
        head=branch,
        base=pull.base,
        title=title or f'Revert "{pull.title}"',
        body=body or f"Reverts {repository.full_name}#{pull.number}",
        draft=draft,
    )


def _landed(repository: Repository, pull: Pull) -> list[str]:
    """The commits on the base's own line that a merge brought, oldest first."""
    assert pull.merge_commit is not None
    told = repository.git.git("rev-list", "--reverse", "--first-parent", f"{pull.base_sha}..{pull.merge_commit}")
    return told.split()
