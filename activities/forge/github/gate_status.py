"""The gate as a commit status on GitHub, for who asks with a user's token: GitHub takes check runs of Apps alone.

Unlike a check run's, a protection can't say whose status counts: anybody who may write there can set one of that name.
"""

from github.Repository import Repository as GitHubRepository

from activities.forge.github.conditional import Conditional
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused
from activities.forge.github.gate_check import NAME
from workflows.models.standing import GateCheck, GateState

_STATE = {GateState.WAITING: "pending", GateState.PASSED: "success", GateState.FAILED: "failure"}
_FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE = 403, 404, 422
_LONGEST = 140
"""GitHub takes no more of a status's description."""
NO_PERMISSION = "the token of [github] may write no commit statuses: give it `statuses: write`"


class GateStatuses:
    """The statuses of that name by one account in one repository; every method asks GitHub."""

    def __init__(self, repository: GitHubRepository, known: Conditional, login: str) -> None:
        """`login`: whose statuses are ours."""
        self._repository = repository
        self._known = known
        self._login = login

    def show(self, check: GateCheck) -> str:
        """Write what the gate says of a head. Returns why that can't be, for people; empty if it was done."""
        try:
            with translated(f"showing the gate's status on {check.head[:12]}"):
                self._write(check.head, _STATE[check.state], check.title)
        except GitHubRefused as refused:
            if refused.status == _FORBIDDEN:
                return NO_PERMISSION
            if refused.status not in {_NOT_FOUND, _UNPROCESSABLE}:
                raise
            # A head that was never proposed passes nowhere, so nothing is missing where it may not.
            return "" if check.state is GateState.FAILED else str(refused)
        return ""

    def withdraw(self, head: str, why: str) -> None:
        """Let a head pass no more, if it does or may; a head that GitHub does not have never did."""
        try:
            with translated(f"withdrawing the gate's status on {head[:12]}"):
                if self._newest(head)[0] in {"success", "pending"}:
                    self._write(head, "error", why)
        except GitHubRefused as refused:
            if refused.status not in {_FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE}:
                raise

    def _write(self, head: str, state: str, told: str) -> None:
        # GitHub takes a thousand of one name on a commit, and no more: what is said already is not said again.
        told = told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"
        if self._newest(head) != (state, told):
            self._repository.get_commit(head).create_status(state, description=told, context=NAME)

    def _newest(self, head: str) -> tuple[str, str]:
        """State and description; empty if there is none of ours."""
        url = f"{self._repository.url}/commits/{head}/statuses"
        for told in self._known.get(self._repository.requester, url, per_page=100):
            if told["context"] == NAME and (told.get("creator") or {}).get("login") == self._login:
                return told["state"], told.get("description") or ""
        return "", ""
