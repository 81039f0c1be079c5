"""One place that says of each failure of GitHub's whether to try again, when, and what people should know."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import requests
from github import GithubException, RateLimitExceededException
from github.GithubException import IncompletableObject

from activities.forge.github.failed import GitHubRefused, GitHubUnavailable

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TIMED_OUT, _TOO_MANY, _SERVER_ERROR = 401, 403, 404, 408, 429, 500
_LONGEST_WAIT = 15 * 60.0
_SECONDARY_WAIT = 60.0
"""What GitHub asks for at least where it states no time."""


@contextlib.contextmanager
def translated(purpose: str) -> Iterator[None]:
    """Raises GitHubRefused or GitHubUnavailable for whatever PyGithub raises; `purpose` begins the message."""
    try:
        yield
    except GithubException as error:
        raise _of_answer(purpose, error) from None
    except (requests.RequestException, IncompletableObject, ValueError) as error:
        # Whether it was done meanwhile, the next try finds out first. What is no JSON is a ValueError.
        raise GitHubUnavailable(f"{purpose}: GitHub did not answer ({type(error).__name__})") from None


def _of_answer(purpose: str, error: GithubException) -> Exception:
    said, status = _said(error), error.status
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if isinstance(error, RateLimitExceededException) or status == _TOO_MANY:
        wait = _wait(headers)
        return GitHubUnavailable(f"{purpose}: GitHub's limit on requests is reached for {wait:.0f} s more", wait)
    if status == _FORBIDDEN and "retry-after" in headers:
        return GitHubUnavailable(f"{purpose}: {said}", _wait(headers))
    if status >= _SERVER_ERROR or status == _TIMED_OUT:
        return GitHubUnavailable(f"{purpose}: GitHub failed with status {status}")
    if status == _UNAUTHORIZED:
        said = "GitHub takes this credential no more: check [github] in journeyman.toml, and whether it was revoked"
    if status == _NOT_FOUND:
        said = "GitHub says that there is nothing like that, or not for this installation: is the App installed there?"
    return GitHubRefused(status, f"{purpose}: {said}")


def _said(error: GithubException) -> str:
    """In GitHub's words, with the details that it names."""
    data = error.data if isinstance(error.data, dict) else {}
    words = [str(data.get("message") or error.message or f"status {error.status}")]
    for detail in data.get("errors") or ():
        words.append(str(detail.get("message") or detail.get("code")) if isinstance(detail, dict) else str(detail))
    return "; ".join(dict.fromkeys(words))[:1000]


def _wait(headers: dict[str, str]) -> float:
    """Seconds until GitHub wants to be asked again: `Retry-After` before the reset of the limit."""
    if (after := headers.get("retry-after", "")).isdigit():
        return min(float(after), _LONGEST_WAIT)
    if headers.get("x-ratelimit-remaining") == "0" and (reset := headers.get("x-ratelimit-reset", "")).isdigit():
        # One second more: it is not said when in that second.
        left = datetime.fromtimestamp(int(reset), UTC).timestamp() - time.time() + 1
        return max(1.0, min(left, _LONGEST_WAIT))
    return _SECONDARY_WAIT
