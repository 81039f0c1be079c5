"""What protects a branch on GitHub, by both of its ways, and whether whoever asks may push past it.

Rulesets may be read by anybody who reads the repository, and each says of the caller whether it binds him. The older
branch protection shows itself to `administration: read` alone; without that permission only some of it is known.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from github.Repository import Repository as GitHubRepository

from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused

_FORBIDDEN, _NOT_FOUND = 403, 404
_STOPS_A_PUSH = frozenset(
    {
        *("pull_request", "required_status_checks", "merge_queue", "update", "required_signatures"),
        *("required_deployments", "workflows", "code_scanning", "code_quality"),
        *("commit_message_pattern", "commit_author_email_pattern", "committer_email_pattern"),
    }
)
"""Types of rules that a commit of ours, pushed straight onto the branch, may run into."""
_PASSES = frozenset({"always", "exempt"})


@dataclass
class BaseRules:
    """Of one branch, as far as the caller may know."""

    checks: dict[str, int | None] = field(default_factory=dict)
    """Required check runs or statuses, with the id of the App that has to write it; None: anybody may."""
    strict: bool = False
    """Whether a head has to contain base's newest commit."""
    approvals: int = 0
    """Of people, for a pull request."""
    dismisses: bool = False
    """Whether a push takes approving reviews back."""
    queue: bool = False
    """Whether pull requests merge through a merge queue."""
    stopping: list[str] = field(default_factory=list)
    """What stops the caller from pushing onto the branch: names of rulesets and rules."""
    unknown: str = ""
    """What the caller may not look at, and what it would take."""

    @property
    def protects(self) -> bool:
        """Whether there is any rule that a merge has to fulfil."""
        return bool(self.checks or self.approvals or self.queue)


def base_rules(repository: GitHubRepository, branch: str, app_slug: str) -> BaseRules:
    """Ask GitHub. `app_slug`: of the App that asks; empty for a user. Raises GitHubRefused or GitHubUnavailable."""
    rules = BaseRules()
    with translated(f"reading what protects {branch}"):
        _add_rulesets(rules, repository, branch)
    with translated(f"reading how {branch} is protected"):
        _add_protection(rules, repository, branch, app_slug)
    return rules


def _add_rulesets(rules: BaseRules, repository: GitHubRepository, branch: str) -> None:
    stopping: dict[int, set[str]] = {}
    page = 1
    while found := _get(repository, f"rules/branches/{quote(branch, safe='')}", per_page=100, page=page):
        for rule in found:
            _add_rule(rules, rule["type"], rule.get("parameters") or {})
            if rule["type"] in _STOPS_A_PUSH:
                stopping.setdefault(rule["ruleset_id"], set()).add(rule["type"])
        if len(found) < 100:
            break
        page += 1
    for number, types in sorted(stopping.items()):
        ruleset = _get(repository, f"rulesets/{number}")
        if ruleset.get("current_user_can_bypass") not in _PASSES:
            rules.stopping.append(f"ruleset {ruleset['name']!r} ({', '.join(sorted(types))})")


def _add_rule(rules: BaseRules, kind: str, parameters: dict[str, Any]) -> None:
    if kind == "required_status_checks":
        for check in parameters["required_status_checks"]:
            _require(rules, check["context"], check.get("integration_id"))
        rules.strict = rules.strict or parameters["strict_required_status_checks_policy"]
    elif kind == "pull_request":
        rules.approvals = max(rules.approvals, parameters["required_approving_review_count"])
        rules.dismisses = rules.dismisses or bool(parameters.get("dismiss_stale_reviews_on_push"))
    elif kind == "merge_queue":
        rules.queue = True


def _add_protection(rules: BaseRules, repository: GitHubRepository, branch: str, app_slug: str) -> None:
    name = quote(branch, safe="")
    try:
        with translated("reading branch protection"):
            told = _get(repository, f"branches/{name}/protection")
    except GitHubRefused as refused:
        if refused.status == _NOT_FOUND:
            return
        if refused.status != _FORBIDDEN:
            raise
        summary = _get(repository, f"branches/{name}").get("protection") or {}
        if summary.get("enabled"):
            for check in (summary.get("required_status_checks") or {}).get("checks") or ():
                _require(rules, check["context"], check.get("app_id"))
            rules.stopping.append(f"protection of {branch}, of which nothing more may be read")
            rules.unknown = "how it is protected beside its checks: give the App `administration: read`"
        return
    checks, reviews = told.get("required_status_checks"), told.get("required_pull_request_reviews")
    for check in (checks or {}).get("checks") or ():
        _require(rules, check["context"], check.get("app_id"))
    rules.strict = rules.strict or bool((checks or {}).get("strict"))
    if checks:
        # However it is set up: an App is never excepted from these.
        rules.stopping.append(f"protection of {branch} (required status checks)")
    if reviews is not None:
        rules.approvals = max(rules.approvals, reviews.get("required_approving_review_count") or 0)
        rules.dismisses = rules.dismisses or bool(reviews.get("dismiss_stale_reviews"))
        if app_slug not in _slugs(reviews.get("bypass_pull_request_allowances")):
            rules.stopping.append(f"protection of {branch} (pull requests)")
    if told.get("restrictions") is not None and app_slug not in _slugs(told["restrictions"]):
        rules.stopping.append(f"protection of {branch} (who may push)")
    for key, what in (("required_signatures", "signed commits"), ("lock_branch", "locked")):
        if (told.get(key) or {}).get("enabled"):
            rules.stopping.append(f"protection of {branch} ({what})")


def _require(rules: BaseRules, name: str, app: int | None) -> None:
    # Some of GitHub's answers have -1 for any App.
    bound = app if app is not None and app > 0 else None
    rules.checks[name] = bound if bound is not None else rules.checks.get(name)


def _slugs(allowed: dict[str, Any] | None) -> set[str]:
    return {app["slug"] for app in (allowed or {}).get("apps") or ()}


def _get(repository: GitHubRepository, path: str, **query: Any) -> Any:
    _, told = repository.requester.requestJsonAndCheck("GET", f"{repository.url}/{path}", parameters=query)
    return told
