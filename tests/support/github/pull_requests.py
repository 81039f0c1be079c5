"""Opening pull requests and merging them, really done in the bare repository."""

from typing import get_args

from tests.support.github.accounts import Account
from tests.support.github.bare_repository import Author, GitFailed
from tests.support.github.following import follow, mark_merged
from tests.support.github.merge_rules import objections
from tests.support.github.ref_change import RefChange
from tests.support.github.routing import Refused, invalid
from tests.support.github.state import Method, Pull, Repository, State
from tests.support.github.webhooks import announce_pull

_METHOD_NAMES = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}


def open_pull(
    github: State,
    repository: Repository,
    author: Account,
    *,
    head: str,
    base: str,
    title: str,
    body: str | None,
    draft: bool = False,
) -> Pull:
    """Open a pull request between two branches of one repository, or from a fork's. Raises Refused."""
    owner, _, branch = head.rpartition(":")
    fork = github.forks.get((owner.lower(), repository.full_name.lower()))
    base_sha, head_sha = repository.git.branch(base), (fork or repository).git.branch(branch)
    if base_sha is None:
        raise Refused(422, "Validation Failed", [{"resource": "PullRequest", "field": "base", "code": "invalid"}])
    if head_sha is None or (fork is None and owner.lower() not in ("", repository.owner.login.lower())):
        raise Refused(422, "Validation Failed", [{"resource": "PullRequest", "field": "head", "code": "invalid"}])
    if any(
        pull.state == "open" and (pull.head, pull.base, pull.fork) == (branch, base, fork) for pull in repository.pulls
    ):
        invalid("PullRequest", f"A pull request already exists for {(fork or repository).owner.login}:{branch}.")
    if fork is not None:
        repository.git.git("fetch", "--quiet", str(fork.git.path.resolve()), head_sha)
    if not repository.git.between(base_sha, head_sha):
        invalid("PullRequest", f"No commits between {base} and {branch}")
    pull = Pull(
        id=github.new_id(),
        number=max(repository.issues, default=0) + 1,
        author=author,
        title=title,
        body=body,
        head=branch,
        head_sha=head_sha,
        fork=fork,
        base=base,
        base_sha=base_sha,
        draft=draft,
        undecided_reads=github.undecided_reads,
    )
    repository.issues[pull.number] = pull
    repository.git.move(f"refs/pull/{pull.number}/head", head_sha)
    announce_pull(github, repository, pull, "opened", author)
    return pull


def merge_pull(
    github: State,
    repository: Repository,
    pull: Pull,
    by: Account,
    *,
    method: str = "merge",
    sha: str | None = None,
    title: str | None = None,
    message: str | None = None,
    bypasses: frozenset[str] = frozenset(),
) -> str:
    """Merge a pull request and give the commit that the base has come to.

    `sha` pins the head, `bypasses` is who it is done as, for rules with exceptions. Raises Refused, in GitHub's words.
    """
    if pull.state != "open":
        raise Refused(405, "Pull Request is not mergeable")
    if sha is not None and sha != pull.head_sha:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    if method not in get_args(Method):
        raise Refused(422, "Invalid request.", [f"{method} is not a member of ['merge', 'squash', 'rebase']."])
    if method not in repository.methods:
        raise Refused(405, f"{_METHOD_NAMES[method]} are not allowed on this repository.")
    if pull.draft:
        raise Refused(405, "Pull Request is still a draft")
    said = objections(repository, pull, method, bypasses)
    if said:
        rules = repository.protections[pull.base]
        raise Refused(405, "\n\n".join(("Repository rule violations found", *said, "")) if rules.ruleset else said[0])
    base = repository.git.branch(pull.base)
    assert base is not None, "a pull request's base can not be deleted without closing it"
    commit = merge_commit(repository, pull, by, base, method, title, message)
    if commit is None:
        raise Refused(405, "Pull Request is not mergeable")
    land(github, repository, pull, by, base, commit)
    return commit


def land(github: State, repository: Repository, pull: Pull, by: Account, base: str, commit: str) -> None:
    """Move the base to a merge's commit, and close what that closes. Raises Refused."""
    try:
        repository.git.move(f"refs/heads/{pull.base}", commit, base)
    except GitFailed as failure:
        raise Refused(405, "Base branch was modified. Review and try the merge again.") from failure
    pull.base_sha = base
    mark_merged(github, repository, pull, commit, by)
    follow(github, repository, [RefChange(f"refs/heads/{pull.base}", base, commit)], by)
    if repository.delete_merged and pull.fork is None:
        repository.git.delete(f"refs/heads/{pull.head}")
        follow(github, repository, [RefChange(f"refs/heads/{pull.head}", pull.head_sha, None)], by)


def try_merge(repository: Repository, pull: Pull) -> None:
    """Merge an open pull request beside its base, as GitHub does to find out whether it can be."""
    base, git = repository.base_of(pull), repository.git
    if pull.test_merge is not None and git.run("rev-parse", f"{pull.test_merge}^@").stdout.split() == [
        base,
        pull.head_sha,
    ]:
        return
    tree = git.merged_tree(base, pull.head_sha)
    pull.test_merge = tree and git.commit_tree(
        tree, [base, pull.head_sha], f"Merge {pull.head_sha} into {base}\n", author_of(pull.author)
    )
    if pull.test_merge is not None:
        git.move(f"refs/pull/{pull.number}/merge", pull.test_merge)


def author_of(account: Account) -> Author:
    """The name and address that GitHub gives an account's commits."""
    return Author(account.login, f"{account.id}+{account.login}@users.noreply.github.com")


def merge_commit(
    repository: Repository,
    pull: Pull,
    by: Account,
    base: str,
    method: str,
    title: str | None = None,
    message: str | None = None,
) -> str | None:
    """The commit that a merge makes, in GitHub's words unless others are given; None where it conflicts."""
    git = repository.git
    tree = git.merged_tree(base, pull.head_sha)
    if tree is None:
        return None
    if method == "rebase":
        return git.rebased(base, pull.head_sha)
    if method == "squash":
        subjects = [git.git("log", "-1", "--format=%s", commit) for commit in git.between(base, pull.head_sha)]
        alone = len(subjects) == 1
        title = title or f"{subjects[0] if alone else pull.title} (#{pull.number})"
        message = ("" if alone else "\n\n".join(f"* {one}" for one in subjects)) if message is None else message
        parents, author = [base], author_of(pull.author)
    else:
        title = title or f"Merge pull request #{pull.number} from {repository.head_owner(pull).login}/{pull.head}"
        message = pull.title if message is None else message
        parents, author = [base, pull.head_sha], author_of(by)
    return git.commit_tree(tree, parents, f"{title}\n\n{message}".strip() + "\n", author)
