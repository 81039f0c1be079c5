"""Merging one pull request on GitHub: at exactly one head, directly, or by base's merge queue where there is one.

REST tells nothing of merge queues, and takes no pull request into one, so that part is GraphQL.
"""

from dataclasses import dataclass
from typing import Any

from github.PullRequest import PullRequest as GitHubPull
from github.Repository import Repository as GitHubRepository

from activities.forge.github.base_rules import base_rules
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused, GitHubUnavailable
from activities.forge.github.missing import what_is_missing

_QUEUE = """
query Queue($owner: String!, $name: String!, $branch: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    mergeQueue(branch: $branch) { id }
    pullRequest(number: $number) { isInMergeQueue mergeQueueEntry { position state headCommit { oid } } }
  }
}
"""
_BAD_REQUEST = 400
"""How PyGithub tells errors of GraphQL, which come with a status of 200."""


@dataclass(frozen=True)
class Queue:
    """Base's merge queue, as one pull request sees it."""

    exists: bool = False
    has_it: bool = False
    """Whether the pull request waits there."""
    position: int = 0
    commit: str = ""
    """What the queue has checks run on: base with this pull request and those before it."""


class Merging:
    """Of one repository. Every method blocks, and raises GitHubRefused or GitHubUnavailable."""

    def __init__(self, repository: GitHubRepository, method: str) -> None:
        """`method`: the wanted one; another where the repository does not allow it."""
        self._repository = repository
        self._wanted = method

    def merge(self, pull: GitHubPull, head: str, message: str) -> str:
        """The commit that a merge of exactly this head made. Raises GitHubRefused in GitHub's words."""
        title, _, body = message.partition("\n")
        with translated(f"merging pull request {pull.number}"):
            status = pull.merge(commit_title=title, commit_message=body.strip(), merge_method=self._method(), sha=head)
        return status.sha

    def queue(self, base: str, number: int) -> Queue:
        """Whether base has one; an older GitHub Enterprise knows nothing of them."""
        owner, name = self._repository.owner.login, self._repository.name
        asked = {"owner": owner, "name": name, "branch": base, "number": number}
        try:
            with translated(f"looking at the merge queue of {base}"):
                _, told = self._repository.requester.graphql_query(_QUEUE, asked)
        except GitHubRefused as refused:
            if refused.status != _BAD_REQUEST:
                raise
            return Queue()
        found: dict[str, Any] = told["data"]["repository"] or {}
        entry = (found.get("pullRequest") or {}).get("mergeQueueEntry") or {}
        return Queue(
            exists=found.get("mergeQueue") is not None,
            has_it=bool(entry),
            position=entry.get("position", 0),
            commit=(entry.get("headCommit") or {}).get("oid", ""),
        )

    def enqueue(self, pull: GitHubPull, head: str) -> None:
        """Have base's queue merge exactly this head. Raises GitHubRefused in GitHub's words."""
        self._mutate("enqueuePullRequest", {"pullRequestId": pull.node_id, "expectedHeadOid": head}, "putting", pull)

    def leave_queue(self, pull: GitHubPull) -> None:
        """Take it out of base's queue, if it is there."""
        if self.queue(pull.base.ref, pull.number).has_it:
            self._mutate("dequeuePullRequest", {"id": pull.node_id}, "taking", pull)

    def statement(self, pull: GitHubPull, refused: GitHubRefused) -> str:
        """A refusal with all that is missing, as far as it can be found out; GitHub's own words come last."""
        try:
            missing = what_is_missing(self._repository, pull.number, base_rules(self._repository, pull.base.ref, ""))
        except (GitHubRefused, GitHubUnavailable):
            return str(refused)
        return f"base's protection lacks: {missing} ({refused})" if missing else str(refused)

    def _mutate(self, name: str, values: dict[str, str], what: str, pull: GitHubPull) -> None:
        with translated(f"{what} pull request {pull.number} in or out of the merge queue"):
            self._repository.requester.graphql_named_mutation(name, values, "clientMutationId")

    def _method(self) -> str:
        allowed = {
            "merge": self._repository.allow_merge_commit,
            "squash": self._repository.allow_squash_merge,
            "rebase": self._repository.allow_rebase_merge,
        }
        # Who may not read the repository's settings is told nothing of them: then GitHub itself refuses.
        return next((method for method in (self._wanted, *allowed) if allowed[method]), self._wanted)
