"""Whether a GitHub installation has all that Journeyman does there: looked at step by step, as far as GitHub tells.

Each step says what is right, or what is missing and how to mend it; one that can't be looked at says why, and the
others are looked at all the same. Nothing is written on GitHub.
"""

from collections.abc import Callable
from itertools import islice

from github.Repository import Repository as GitHubRepository

from activities.forge.github.access import GitHubAccess
from activities.forge.github.app_examination import MEND, AppExamination, needed
from activities.forge.github.base_rules import BaseRules
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused, GitHubUnavailable
from activities.forge.github.gate_check import NAME
from activities.forge.github.looked import AGAIN, Looked, Steps, grants, lacking, look
from activities.forge.github.reverts import HOW, pushing_onto_base
from activities.policy.github_table import GitHubTable

WANTED = {
    "statuses": "CI that reports by commit statuses is not read",
    "actions": "logs of failing jobs are not read, nor how workflows ended",
    "administration": "branch protection is not known beside its checks",
}
"""Permissions to read, and what is not done without each."""
REVIEWS = {"pull_requests": "write", "contents": "write", "metadata": "read"}
"""Permissions by which an App's review counts."""
_NOT_FOUND = 404
_MOST_PULLS = 30


class Examination:
    """Of one configuration, and of one repository if one is named. Every method blocks."""

    def __init__(
        self, table: GitHubTable, access: GitHubAccess, reverting: GitHubAccess, reviewing: GitHubAccess | None
    ) -> None:
        """`reviewing`: None where nobody reviews."""
        self._reviewing = reviewing
        self._table = table
        self._access = access
        self._reverting = reverting

    def steps(self, url: str = "") -> list[Looked]:
        """All of them; `url` of a repository on this GitHub, or empty."""
        found = [*look("App", self._app, MEND)]
        if not url:
            return found
        try:
            repository = self._access.blocking_repository(url)
        except (GitHubRefused, GitHubUnavailable) as error:
            return [*found, Looked("repository", False, str(error), self._opening(error))]
        kind = "private" if repository.private else "public"
        found.append(Looked("repository", True, f"{repository.full_name} ({kind}), base {repository.default_branch}"))
        looks: dict[str, Callable[[], Steps]] = {
            "permissions": lambda: self._installation(url),
            "merge methods": lambda: self._methods(repository),
            "base": lambda: self._base(url),
            "CI on pushes": lambda: self._workflows(repository),
            "reverts": lambda: self._reverts(url),
            "reviews": lambda: self._reviews(url),
        }
        for name, steps in looks.items():
            found += look(name, steps)
        return found

    def _opening(self, error: GitHubRefused | GitHubUnavailable) -> str:
        """How a repository that can't be opened is had."""
        if not isinstance(error, GitHubRefused) or error.status != _NOT_FOUND:
            return AGAIN
        if self._table.app_id is None:
            return "let the token's user write there, and the token have that repository"
        return "install the App on it, in the App's settings"

    def _app(self) -> Steps:
        if self._table.app_id is None:
            detail = "a user's token: what it does is that user's, it shows no check runs, and somebody else approves"
            yield Looked("App", True, detail)
            return
        yield from AppExamination(self._table, self._access).steps()

    def _installation(self, url: str) -> Steps:
        if self._table.app_id is None:
            return
        owner, _, name = url.removeprefix(f"{self._table.web}/").partition("/")
        with self._access.app() as integration, translated("reading the App's installation"):
            installation = integration.get_repo_installation(owner, name)
            granted = installation.raw_data["permissions"]
        mend = f"{installation.raw_data['html_url']}   # an owner accepts new permissions there"
        missing = lacking(granted, needed(self._table))
        yield Looked("permissions", not missing, missing or "all that is needed is granted", mend)
        for name, without in WANTED.items():
            if not grants(granted, name, "read"):
                yield Looked(f"{name}: read", False, f"not granted, so {without}", mend)

    def _methods(self, repository: GitHubRepository) -> Steps:
        allowed = [
            name
            for name, held in (
                ("merge", repository.allow_merge_commit),
                ("squash", repository.allow_squash_merge),
                ("rebase", repository.allow_rebase_merge),
            )
            if held
        ]
        wanted = self._table.merge_method
        told = f"{wanted}, as `merge_method` has it" if wanted in allowed else f"{' or '.join(allowed)}, not {wanted}"
        mend = f"{repository.html_url}/settings   # Pull Requests"
        yield Looked("merge methods", bool(allowed), f"by {told}" if allowed else "none is allowed", mend)

    def _base(self, url: str) -> Steps:
        pushing = pushing_onto_base(self._access, url)
        rules, mend = pushing.rules, f"{url}/settings/rules"
        if rules.unknown:
            yield Looked("base", False, f"it is not known {rules.unknown}", mend)
        if self._table.app_id is not None:
            yield _gate_is_required(rules, self._table.app_id, pushing.branch, mend)
        up_to_date = rules.strict or rules.queue
        told = "in the moment between two requests a merge may land on a base that was not judged"
        yield Looked(
            "up to date",
            up_to_date,
            "branches have to be up to date with base"
            if up_to_date
            else f"they need not be up to date with base: {told}",
            f"{mend}   # Require branches to be up to date before merging",
        )
        if rules.approvals and self._reviewing is None:
            told = f"{rules.approvals} on GitHub, by people: only an App of its own could, by [github.reviews]"
            yield Looked("reviews", True, told)

    def _workflows(self, repository: GitHubRepository) -> Steps:
        """What GitHub's own actions, or another App, made of the newest head that Journeyman has pushed."""
        with translated("looking for Journeyman's pull requests"):
            pulls = repository.get_pulls(state="all", sort="created", direction="desc")
            ours = (one for one in islice(pulls, _MOST_PULLS) if one.head.ref.startswith("journeyman/"))
            pull = next(ours, None)
            if pull is None:
                detail = "not known before Journeyman has opened a pull request: run this again then"
                yield Looked("CI on pushes", True, detail)
                return
            _, told = repository.requester.requestJsonAndCheck(
                "GET", f"{repository.url}/commits/{pull.head.sha}/check-suites"
            )
        others = {suite["app"]["slug"] for suite in told["check_suites"] if suite["app"]["id"] != self._table.app_id}
        seen = f"on pull request {pull.number}"
        if others:
            yield Looked("CI on pushes", True, f"{', '.join(sorted(others))} {seen}")
        else:
            mend = f"{repository.html_url}/settings/actions   # and have a workflow run on: push or pull_request"
            yield Looked("CI on pushes", False, f"no App checked what Journeyman pushed {seen}", mend)

    def _reviews(self, url: str) -> Steps:
        if self._reviewing is None:
            return
        owner, _, name = url.removeprefix(f"{self._table.web}/").partition("/")
        with self._reviewing.app() as integration, translated("reading the installation of the App that reviews"):
            installation = integration.get_repo_installation(owner, name)
        missing = lacking(installation.raw_data["permissions"], REVIEWS)
        slug, page = installation.raw_data["app_slug"], installation.raw_data["html_url"]
        mend = f"{page}   # GitHub counts no review of who may not write"
        yield Looked("reviews", not missing, f"App {slug} {missing or 'may give reviews that count'}", mend)
        rules = pushing_onto_base(self._access, url).rules
        if rules.approvals and not rules.dismisses and NAME not in rules.checks:
            detail = "a review counts for what is pushed afterwards, until it is taken back a moment later"
            mend = f"{url}/settings/rules   # dismiss stale approvals when new commits are pushed, or require {NAME}"
            yield Looked("stale reviews", False, detail, mend)

    def _reverts(self, url: str) -> Steps:
        pushing = pushing_onto_base(self._reverting, url)
        stopped = "; ".join(pushing.rules.stopping)
        if stopped:
            told = f"{pushing.who} may not push onto {pushing.branch} past {stopped}"
            detail = f"{told}: a revert is a pull request within two minutes, and nothing there gets into phase 3"
            yield Looked("reverts", False, detail, HOW)
        else:
            yield Looked("reverts", True, f"{pushing.who} may push them onto {pushing.branch}")
        if self._table.app_id is None or not pushing.rules.protects or stopped:
            return
        if self._table.reverts is None:
            detail = f"{pushing.who} does all the work, and may pass what protects base"
            yield Looked("bypass", False, detail, "make an App for reverts alone: [github.reverts] in journeyman.toml")
            return
        main = pushing_onto_base(self._access, url)
        told = f"{main.who}, which does all other work, may pass what protects base"
        kept = "the App for reverts alone may pass what protects base"
        mend = f"{url}/settings/rules   # take it from the bypass list"
        yield Looked("bypass", bool(main.rules.stopping), kept if main.rules.stopping else told, mend)


def _gate_is_required(rules: BaseRules, app_id: int, branch: str, mend: str) -> Looked:
    if NAME not in rules.checks:
        detail = f"{branch} does not require {NAME}, so people may merge there what is not approved here"
    elif rules.checks[NAME] is None:
        detail = f"{branch} takes {NAME} from anybody who may write checks: bind it to this App"
    elif rules.checks[NAME] != app_id:
        detail = f"{branch} takes {NAME} from App {rules.checks[NAME]}, and this one is {app_id}"
    else:
        return Looked("gate", True, f"{branch} requires {NAME} of this App")
    return Looked("gate", False, detail, f"{mend}   # Require status checks: {NAME}, source: this App")
