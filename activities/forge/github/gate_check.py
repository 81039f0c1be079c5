"""The gate as a check run on GitHub, so that a protected base can demand it: `journeyman/gate`.

A head passes by `success` alone, and only while it is approved. GitHub lets `neutral` and `skipped` pass a required
check too, so whatever is not approved is never concluded by either.
"""

from typing import Any

from github.CheckRun import CheckRun
from github.Repository import Repository as GitHubRepository

from activities.forge.github.conditional import Conditional
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused
from workflows.models.standing import GateCheck, GateState

NAME = "journeyman/gate"
_CONCLUSION = {GateState.PASSED: "success", GateState.FAILED: "failure"}
_COMPLETED = "completed"
_FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE = 403, 404, 422
_LONGEST_TITLE, _LONGEST_SUMMARY = 250, 60_000
NO_PERMISSION = "the GitHub App may write no check runs: give it `checks: write`, and accept that on its installation"


class GateChecks:
    """The check runs of that name of one App in one repository; every method asks GitHub."""

    def __init__(self, repository: GitHubRepository, known: Conditional, app_id: int, about: str) -> None:
        """`about`: the task's id, kept beside the check run."""
        self._repository = repository
        self._known = known
        self._app_id = app_id
        self._about = about

    def show(self, check: GateCheck) -> str:
        """Write what the gate says of a head. Returns why that can't be, for people; empty if it was done."""
        try:
            with translated(f"showing the gate's check on {check.head[:12]}"):
                self._write(check)
        except GitHubRefused as refused:
            if refused.status == _FORBIDDEN:
                return NO_PERMISSION
            if refused.status not in {_NOT_FOUND, _UNPROCESSABLE}:
                raise
            # A head that was never proposed passes nowhere, so nothing is missing where it may not.
            return "" if check.state is GateState.FAILED else str(refused)
        return ""

    def withdraw(self, head: str, why: str) -> None:
        """Let a head pass no more, if anything says that it does or may; a head that GitHub does not have never did."""
        try:
            with translated(f"withdrawing the gate's check on {head[:12]}"):
                run = self._newest(head)
                if run is not None and (run.status != _COMPLETED or run.conclusion == "success"):
                    run.edit(status=_COMPLETED, conclusion="cancelled", output=_output(why, ""))
        except GitHubRefused as refused:
            if refused.status not in {_FORBIDDEN, _NOT_FOUND, _UNPROCESSABLE}:
                raise

    def _write(self, check: GateCheck) -> None:
        run, told = self._newest(check.head), _told(check)
        if run is not None and _says(run, told):
            return
        if run is not None and run.status == _COMPLETED and check.state is GateState.WAITING:
            # GitHub documents no way back from a conclusion: what passed is taken back first, then it begins anew.
            self.withdraw(check.head, "it is looked at again")
            run = None
        if run is None:
            self._repository.create_check_run(NAME, check.head, external_id=self._about, **told)
        else:
            run.edit(**told)

    def _newest(self, head: str) -> CheckRun | None:
        """The one that counts: GitHub lists the latest of each App by name."""
        requester = self._repository.requester
        url = f"{self._repository.url}/commits/{head}/check-runs"
        for told in self._known.get(requester, url, check_name=NAME, per_page=100)["check_runs"]:
            # Of an App that is gone GitHub tells nothing.
            if (told.get("app") or {}).get("id") == self._app_id:
                return CheckRun(requester, {}, told, completed=True)
        return None


def _told(check: GateCheck) -> dict[str, Any]:
    told: dict[str, Any] = {"output": _output(check.title, check.details)}
    if check.state is GateState.WAITING:
        return told | {"status": "in_progress"}
    return told | {"status": _COMPLETED, "conclusion": _CONCLUSION[check.state]}


def _output(title: str, details: str) -> dict[str, str]:
    return {"title": title[:_LONGEST_TITLE], "summary": details[:_LONGEST_SUMMARY] or title[:_LONGEST_TITLE]}


def _says(run: CheckRun, told: dict[str, Any]) -> bool:
    said = (run.status, run.conclusion, run.output.title, run.output.summary)
    return said == (told["status"], told.get("conclusion"), told["output"]["title"], told["output"]["summary"])
