"""The gate as a review on GitHub, where base demands one: by an App of its own, since nobody reviews their own work.

GitHub counts reviews of who may write there, Apps among them (docs.github.com, Approving a pull request with required
reviews). One of an earlier commit goes on counting unless protection dismisses it, so each is taken back by itself.
"""

from itertools import islice, takewhile

from github.PullRequest import PullRequest as GitHubPull
from github.PullRequestReview import PullRequestReview
from github.Repository import Repository as GitHubRepository

from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused
from workflows.models.standing import GateCheck, GateState

_MOST_REVIEWS = 3000
_LONGEST = 60_000
_FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE = 403, 404, 422


class GateReviews:
    """The reviews of that App on one pull request; every method asks GitHub."""

    def __init__(self, repository: GitHubRepository, login: str, number: int) -> None:
        """`repository`: as that App asks; `login`: of its bot; `number`: of the pull request."""
        self._repository = repository
        self._login = login
        self._number = number

    def show(self, check: GateCheck, base: str) -> str:
        """Approve a head while the gate lets it pass onto `base`, and nowhere else.

        Returns why that can't be, for people; empty if it was done, or this leads elsewhere.
        """
        try:
            with translated(f"reviewing pull request {self._number}"):
                if check.state is GateState.PASSED:
                    self._approve(check, base)
                else:
                    self.withdraw(check.head, check.title)
        except GitHubRefused as refused:
            if refused.status not in {_FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE}:
                raise
            return f"the App of [github.reviews] could not review it: {refused}"
        return ""

    def withdraw(self, head: str, why: str) -> None:
        """Have no review of ours say any more that a head is approved."""
        with translated(f"taking back the review of {head[:12]}"):
            pull = self._repository.get_pull(self._number)
            ours, is_all = self._ours(pull)
            # An approval before the opposite was said counts no more.
            since = takewhile(lambda one: one.state != "CHANGES_REQUESTED", ours)
            approving = [one for one in since if (one.state, one.commit_id) == ("APPROVED", head)]
            if all([self._dismissed(one, why) for one in approving]) and (ours or is_all):  # noqa: C419  each of them
                return
            if pull.state == "open":
                pull.create_review(body=why, event="REQUEST_CHANGES")

    def _approve(self, check: GateCheck, base: str) -> None:
        pull = self._repository.get_pull(self._number)
        if (pull.state, pull.head.sha, pull.base.ref) != ("open", check.head, base):
            # As of a merge queue's own commit, of a head that somebody pushed over, or of one that leads elsewhere.
            self.withdraw(check.head, "it is approved for another branch, or at another head")
            return
        ours, _ = self._ours(pull)
        if ours and (ours[0].state, ours[0].commit_id) == ("APPROVED", check.head):
            return
        body = f"{check.title}\n\n{check.details}"[:_LONGEST].strip()
        pull.create_review(commit=self._repository.get_commit(check.head), body=body, event="APPROVE")
        if self._repository.get_pull(self._number).head.sha != check.head:
            # GitHub lets a review of an earlier commit count where protection does not dismiss it.
            self.withdraw(check.head, "somebody pushed to the branch in the same moment")

    def _dismissed(self, review: PullRequestReview, why: str) -> bool:
        """Protection may say who dismisses reviews; whoever gave one can always say the opposite."""
        try:
            with translated(f"dismissing the review of {review.commit_id[:12]}"):
                review.dismiss(why)
        except GitHubRefused as refused:
            if refused.status not in {_FORBIDDEN, _UNPROCESSABLE}:
                raise
            return False
        return True

    def _ours(self, pull: GitHubPull) -> tuple[list[PullRequestReview], bool]:
        """Those that say something, the newest first, and whether that is all: anybody may write more than are read."""
        read, ours = 0, []
        for review in islice(pull.get_reviews().reversed, _MOST_REVIEWS):
            read += 1
            if review.user is not None and review.user.login == self._login and review.state != "COMMENTED":
                ours.append(review)
        return ours, read < _MOST_REVIEWS
