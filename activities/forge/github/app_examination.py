"""Whether a GitHub App asks for all that is needed, and whether what GitHub tells by webhook arrives."""

from collections.abc import Mapping
from typing import Any

from github import GithubIntegration

from activities.forge.github.access import GitHubAccess
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused
from activities.forge.github.looked import Looked, Steps, lacking, look
from activities.policy.github_table import GitHubTable

NEEDED = {"contents": "write", "pull_requests": "write", "checks": "write", "metadata": "read"}
"""Permissions without which work does not land."""
EVENTS = (
    "check_suite",
    "issue_comment",
    "issues",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "workflow_run",
)
"""What the App has to be told by webhook."""
PATH = "/webhooks/github"
"""Of the gateway's address."""
MEND = "set app_id and private_key of [github] in journeyman.toml: both are on the App's page; then run this again"
_HOOK, _DELIVERIES = "/app/hook/config", "/app/hook/deliveries"
_UNAUTHORIZED, _NOT_FOUND = 401, 404


def needed(table: GitHubTable) -> dict[str, str]:
    """The permissions that this configuration needs."""
    found = dict(NEEDED)
    if table.webhooks is not None:
        found["issues"] = "write"
        if table.webhooks.teams:
            found["members"] = "read"
    return found


class AppExamination:
    """Of the App of one configuration. Every method blocks, and raises GitHubRefused or GitHubUnavailable."""

    def __init__(self, table: GitHubTable, access: GitHubAccess) -> None:
        self._table = table
        self._access = access

    def steps(self) -> Steps:
        """The App, its webhook, and what came of what GitHub told."""
        with self._access.app() as integration, translated("reading the App"):
            told = integration.get_app().raw_data
            hook = _hook_of(integration)
        page = self._page(told)
        missing = lacking(told.get("permissions") or {}, needed(self._table))
        yield Looked(
            "App", not missing, missing or f"{told['slug']} asks for all that is needed", f"{page}/permissions"
        )
        yield from self._hook(hook, set(told.get("events") or ()), page)
        if self._table.webhooks is None or not hook.get("url"):
            return
        yield from look("deliveries", lambda: self._deliveries(page))
        if self._table.webhooks.mend_base:
            owner = str((told.get("owner") or {}).get("login", ""))
            yield from look("installations", lambda: self._installations(owner, page))

    def _page(self, told: Mapping[str, Any]) -> str:
        owner = told.get("owner") or {}
        whose = f"/organizations/{owner['login']}" if owner.get("type") == "Organization" else ""
        return f"{self._table.web}{whose}/settings/apps/{told['slug']}"

    def _hook(self, hook: Mapping[str, Any], events: set[str], page: str) -> Steps:
        listens = self._table.webhooks is not None
        mend = f"{page}   # Webhook, and Permissions & events"
        if not hook.get("url"):
            detail = "the App has no webhook, so news of CI and people come by polling"
            yield Looked("webhook", not listens, detail, f"{mend}: the address ends in {PATH}")
            return
        wrong = []
        if listens and not str(hook["url"]).endswith(PATH):
            wrong.append(f"its address {hook['url']} does not end in {PATH}")
        if not hook.get("secret"):
            wrong.append("it has no secret, so anybody could forge what it tells")
        if hook.get("content_type") != "json":
            wrong.append("its content type is not application/json")
        if str(hook.get("insecure_ssl", "0")) != "0":
            wrong.append("it does not verify certificates")
        if missing := sorted(set(EVENTS) - events):
            wrong.append(f"it is not told of {', '.join(missing)}")
        yield Looked("webhook", not wrong, "; ".join(wrong) or f"tells {hook['url']}", mend)

    def _deliveries(self, page: str) -> Steps:
        """Whether the newest that GitHub tried arrived."""
        with self._access.app() as integration, translated("listing the App's deliveries"):
            _, listed = integration.requester.requestJsonAndCheck("GET", _DELIVERIES, parameters={"per_page": 1})
        if not listed:
            yield Looked("deliveries", True, "GitHub has told nothing yet")
            return
        status, at = int(listed[0]["status_code"]), str(listed[0]["delivered_at"])[:19]
        if 200 <= status < 300:
            yield Looked("deliveries", True, f"the newest arrived ({at})")
            return
        said = f"GitHub says {str(listed[0]['status'])[:100]!r}"
        mend = f"{page}/advanced   # shows what was answered; is the gateway running, and does {PATH} lead to it?"
        if status == _UNAUTHORIZED:
            mend = f"{page}   # Webhook, Secret: write there what a file of [github.webhooks] `secrets` holds"
        yield Looked("deliveries", False, f"the newest did not arrive ({at}): {said}", mend)

    def _installations(self, owner: str, page: str) -> Steps:
        """Who else has it: what is red in a repository of theirs would be mended here."""
        with self._access.app() as integration, translated("listing the App's installations"):
            accounts = [one.raw_data["account"]["login"] for one in integration.get_installations()]
        others = sorted({str(login) for login in accounts if str(login).lower() != owner.lower()})
        detail = f"only {owner} has the App"
        if others:
            whose = f"{', '.join(others[:5])}{' and more' if others[5:] else ''}"
            detail = f"{whose} has the App, too, and with mend_base what is red there becomes tasks here"
        yield Looked("installations", not others, detail, f"{page}/advanced   # Make private, or leave out mend_base")


def _hook_of(integration: GithubIntegration) -> dict[str, Any]:
    """The webhook as the App has it; empty if it has none."""
    try:
        with translated("reading the App's webhook"):
            _, hook = integration.requester.requestJsonAndCheck("GET", _HOOK)
    except GitHubRefused as refused:
        if refused.status != _NOT_FOUND:
            raise
        return {}
    # PyGithub puts the address that was asked where the answer has none.
    return {} if hook.get("url", "").endswith(_HOOK) else dict(hook)
