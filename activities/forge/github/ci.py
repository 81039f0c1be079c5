"""Reading what GitHub's CI says of a commit: check runs, commit statuses, and the end of failing jobs' logs.

Names, words and logs are whoever's code ran there, so they are cut to a length, redacted and shown as untrusted.
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from github.Repository import Repository as GitHubRepository

from activities.agents.plain_text import plain
from activities.forge.github.conditional import Conditional
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused, GitHubUnavailable
from activities.forge.github.gate_check import NAME
from activities.redaction.redactor import Redactor
from workflows.models.ci import CiCheck, CiOutcome, CiReport

ACTIONS = "github-actions"
_PAGE, _MOST_PAGES = 100, 3
_MOST_CHECKS, _MOST_LOGS = 100, 3
_LONGEST_NAME, _LONGEST_DETAIL, _LONGEST_LINK, _LOG_CHARS = 200, 300, 500, 4000
_LOG_BYTES, _LOG_SECONDS, _CHUNK = 64 * 1024 * 1024, 20.0, 64 * 1024
"""Of a log that are looked at for its end."""
_TAIL_BYTES = 64 * 1024
_GOOD = frozenset({"success", "neutral", "skipped"})
_BAD = frozenset({"failure", "timed_out", "startup_failure"})
_FORBIDDEN = 403
_ORDER = (CiOutcome.FAILED, CiOutcome.PENDING, CiOutcome.PASSED)
_REDACTOR = Redactor()


class CiReader:
    """Of one repository. Every method blocks, and raises GitHubUnavailable or GitHubRefused."""

    def __init__(self, repository: GitHubRepository, known: Conditional, app_id: int | None) -> None:
        """`app_id`: whose check runs are our own, and say nothing of the commit."""
        self._repository = repository
        self._known = known
        self._app_id = app_id

    def read(self, commit: str, *, logs: bool) -> CiReport:
        """Everything that is said of a commit. `logs`: with the end of the logs of failing jobs."""
        unread: list[str] = []
        runs = self._readable("checks: read", unread, lambda: list(self._check_runs(commit)))
        statuses = self._readable("statuses: read", unread, lambda: list(self._statuses(commit)))
        found = [*runs, *statuses]
        if logs:
            found = [*self._with_logs(found, unread)]
        found.sort(key=lambda pair: (_ORDER.index(pair[0].outcome), pair[0].name))
        checks = tuple(check for check, _ in found[:_MOST_CHECKS])
        return CiReport(commit=commit, checks=checks, unread="; ".join(dict.fromkeys(unread)))

    def _readable(self, permission: str, unread: list[str], read: Any) -> Any:
        try:
            with translated("reading CI"):
                return read()
        except GitHubRefused as refused:
            if refused.status != _FORBIDDEN:
                raise
            unread.append(f"give the GitHub App `{permission}`, to read CI")
            return []

    def _check_runs(self, commit: str) -> Iterator[tuple[CiCheck, int]]:
        for told in self._pages(f"commits/{commit}/check-runs", "check_runs"):
            app = told.get("app") or {}
            outcome = _of_run(told)
            if (self._app_id is not None and app.get("id") == self._app_id) or outcome is None:
                continue
            output = told.get("output") or {}
            words = ": ".join(filter(None, (told.get("conclusion") or told["status"], output.get("title"))))
            check = CiCheck(
                name=_cut(told["name"], _LONGEST_NAME) or "-",
                outcome=outcome,
                detail=_cut(words, _LONGEST_DETAIL),
                link=(told.get("html_url") or "")[:_LONGEST_LINK],
                finished_at=_moment(told.get("completed_at")) if outcome is not CiOutcome.PENDING else None,
                log=_tail(output.get("text") or output.get("summary") or "") if outcome is CiOutcome.FAILED else "",
            )
            yield check, told["id"] if app.get("slug") == ACTIONS else 0

    def _statuses(self, commit: str) -> Iterator[tuple[CiCheck, int]]:
        for told in self._pages(f"commits/{commit}/status", "statuses"):
            if told["context"] == NAME:
                # The gate's own, where it is no check run.
                continue
            outcome = {"success": CiOutcome.PASSED, "pending": CiOutcome.PENDING}.get(told["state"], CiOutcome.FAILED)
            check = CiCheck(
                name=_cut(told["context"], _LONGEST_NAME) or "-",
                outcome=outcome,
                detail=_cut(": ".join(filter(None, (told["state"], told.get("description")))), _LONGEST_DETAIL),
                link=(told.get("target_url") or "")[:_LONGEST_LINK],
                finished_at=_moment(told.get("updated_at")) if outcome is not CiOutcome.PENDING else None,
            )
            yield check, 0

    def _with_logs(self, found: list[tuple[CiCheck, int]], unread: list[str]) -> Iterator[tuple[CiCheck, int]]:
        left = _MOST_LOGS
        for check, job in found:
            if check.outcome is CiOutcome.FAILED and job and left:
                left -= 1
                try:
                    yield check.model_copy(update={"log": self._log(job) or check.log}), job
                    continue
                except GitHubRefused as refused:
                    needs = "give the GitHub App `actions: read`, to read logs"
                    unread.append(needs if refused.status == _FORBIDDEN else str(refused))
                except GitHubUnavailable as error:
                    # That it failed is known: nobody waits for what it wrote.
                    unread.append(str(error))
            yield check, job

    def _log(self, job: int) -> str:
        """The end of a job's log. GitHub answers with a place that takes no credential, for some minutes."""
        with translated(f"reading the log of job {job}"):
            headers, _ = self._repository.requester.requestBlobAndCheck(
                "GET", f"{self._repository.url}/actions/jobs/{job}/logs"
            )
            place = headers.get("location", "")
            if urlsplit(place).scheme != urlsplit(self._repository.url).scheme:
                return ""
            return _tail(_end_of(place))

    def _pages(self, path: str, items: str) -> Iterator[dict[str, Any]]:
        for page in range(1, _MOST_PAGES + 1):
            url = f"{self._repository.url}/{path}"
            found = self._known.get(self._repository.requester, url, per_page=_PAGE, page=page)[items]
            yield from found
            if len(found) < _PAGE:
                return


def _end_of(place: str) -> str:
    kept, seen, until = b"", 0, time.monotonic() + _LOG_SECONDS
    with contextlib.closing(requests.get(place, stream=True, timeout=_LOG_SECONDS, allow_redirects=False)) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_content(_CHUNK):
            seen += len(chunk)
            kept = (kept + chunk)[-_TAIL_BYTES:]
            if seen > _LOG_BYTES or time.monotonic() > until:
                return kept.decode("utf-8", "replace") + "\n(the log goes on; no more of it was read)"
    return kept.decode("utf-8", "replace")


def _of_run(told: dict[str, Any]) -> CiOutcome | None:
    """None where it says nothing of the commit: a run that somebody or something stopped before its end."""
    if told["status"] != "completed" or told.get("conclusion") == "action_required":
        return CiOutcome.PENDING
    if told.get("conclusion") in _GOOD:
        return CiOutcome.PASSED
    return CiOutcome.FAILED if told.get("conclusion") in _BAD else None


def _tail(text: str) -> str:
    redacted = _REDACTOR.text(plain(text[-_TAIL_BYTES:], _TAIL_BYTES))
    return redacted if len(redacted) <= _LOG_CHARS else f"[…] {redacted[-_LOG_CHARS:]}"


def _cut(text: str, most: int) -> str:
    return _REDACTOR.text(" ".join(plain(text, 4 * most).split()))[:most]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
