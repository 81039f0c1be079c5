"""Check runs and statuses written by apps, and suites that come of them."""

from tests.support.github.accounts import Account, App, now
from tests.support.github.answers import checks as told
from tests.support.github.state import CheckRun, CheckSuite, Json, Repository, State, Status
from tests.support.github.webhooks import announce


def start_check(github: State, repository: Repository, app: App, sha: str, name: str) -> CheckRun:
    """A new check run of an app on a commit. Several of one name may be; the newest counts."""
    suite = next((one for one in repository.suites if one.app is app and one.sha == sha), None)
    if suite is None:
        suite = CheckSuite(github.new_id(), app, sha)
        repository.suites.append(suite)
    run = CheckRun(github.new_id(), suite, name)
    repository.checks.append(run)
    return run


def set_check(github: State, repository: Repository, run: CheckRun, values: Json) -> None:
    """Write what a caller says of a check run; a conclusion completes it."""
    for field in ("name", "external_id", "details_url", "status", "conclusion"):
        if field in values:
            setattr(run, field, values[field])
    run.output |= values.get("output", {})
    if values.get("conclusion") is not None:
        run.status, run.completed = "completed", now()
    elif run.status != "completed":
        run.conclusion = run.completed = None
    suite = run.suite
    if run.status == "completed" and told.suite_outcome(repository, suite)[0] == "completed":
        body = {"action": "completed", "check_suite": told.check_suite(github, repository, suite)}
        announce(github, repository, "check_suite", body, suite.app.bot)


def set_status(
    github: State,
    repository: Repository,
    author: Account,
    sha: str,
    state: str,
    context: str = "default",
    description: str | None = None,
    target_url: str | None = None,
) -> Status:
    """One more status on a commit; the newest of a context counts."""
    made = Status(github.new_id(), author, sha, context, state, description, target_url)
    repository.statuses.append(made)
    return made
