"""Check runs, check suites and commit statuses."""

from tests.support.github.answers import checks as told
from tests.support.github.checks import set_check, set_status, start_check
from tests.support.github.routing import Call, Refused, Reply, missing, paged, route
from tests.support.github.state import CheckRun


def _commit(call: Call, name: str) -> str:
    """The full hash that a path names by a ref or a hash. Raises Refused."""
    named = call.parameters[name]
    git = call.repository.git
    found = git.branch(named) or git.commit_of(named)
    if found is None:
        raise Refused(422, f"No commit found for SHA: {named}")
    return found


def _run(call: Call) -> CheckRun:
    wanted = int(call.parameters["check_run_id"])
    for run in call.repository.checks:
        if run.id == wanted:
            return run
    raise Refused(404, "Not Found")


@route("POST /repos/{owner}/{repo}/check-runs", "checks:write")
def create_check_run(call: Call) -> Reply:
    app, body = call.acting_app, call.body
    for name in ("name", "head_sha"):
        if not body.get(name):
            missing("CheckRun", name)
    if call.repository.git.commit_of(body["head_sha"]) != body["head_sha"]:
        raise Refused(422, f"No commit found for SHA: {body['head_sha']}")
    _check_conclusion(call)
    run = start_check(call.github, call.repository, app, body["head_sha"], body["name"])
    set_check(call.github, call.repository, run, body)
    return Reply(201, told.check_run(call.github, call.repository, run))


@route("PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}", "checks:write")
def update_check_run(call: Call) -> Reply:
    run = _run(call)
    if run.suite.app is not call.acting_app:
        raise Refused(403, "Resource not accessible by integration")
    _check_conclusion(call)
    set_check(call.github, call.repository, run, call.body)
    return Reply(200, told.check_run(call.github, call.repository, run))


def _check_conclusion(call: Call) -> None:
    if call.body.get("status") == "completed" and not call.body.get("conclusion"):
        missing("CheckRun", "conclusion")


@route("GET /repos/{owner}/{repo}/check-runs/{check_run_id}", "checks:read")
def get_check_run(call: Call) -> Reply:
    return Reply(200, told.check_run(call.github, call.repository, _run(call)))


@route("GET /repos/{owner}/{repo}/commits/{ref}/check-runs", "checks:read")
def list_check_runs(call: Call) -> Reply:
    sha, query = _commit(call, "ref"), call.query
    runs = [run for run in reversed(call.repository.checks) if run.suite.sha == sha]
    if "check_name" in query:
        runs = [run for run in runs if run.name == query["check_name"]]
    if "app_id" in query:
        runs = [run for run in runs if str(run.suite.app.id) == query["app_id"]]
    if "status" in query:
        runs = [run for run in runs if run.status == query["status"]]
    if query.get("filter", "latest") == "latest":
        # Runs are newest first; of each app's checks of one name, the first counts.
        runs = list({(run.suite.app.id, run.name): run for run in reversed(runs)}.values())
    answered = [told.check_run(call.github, call.repository, run) for run in runs]
    return paged(call, answered, lambda page: {"total_count": len(answered), "check_runs": page})


@route("GET /repos/{owner}/{repo}/check-suites/{check_suite_id}", "checks:read")
def get_check_suite(call: Call) -> Reply:
    wanted = int(call.parameters["check_suite_id"])
    for suite in call.repository.suites:
        if suite.id == wanted:
            return Reply(200, told.check_suite(call.github, call.repository, suite))
    raise Refused(404, "Not Found")


@route("GET /repos/{owner}/{repo}/actions/runs/{run_id}", "actions:read")
def get_workflow_run(call: Call) -> Reply:
    found = call.repository.runs.get(int(call.parameters["run_id"]))
    if found is None:
        raise Refused(404, "Not Found")
    return Reply(200, found)


@route("GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs", "actions:read")
def get_job_log(call: Call) -> Reply:
    """Where the log is, for a minute: without a credential, and away from the API."""
    job = call.parameters["job_id"]
    if not any(str(run.id) == job and run.log for run in call.repository.checks):
        raise Refused(404, "Not Found")
    return Reply(302, None, {"Location": f"{call.github.web}/-/logs/{call.repository.id}/{job}"})


@route("GET /repos/{owner}/{repo}/commits/{ref}/check-suites", "checks:read")
def list_check_suites(call: Call) -> Reply:
    sha = _commit(call, "ref")
    suites = [suite for suite in call.repository.suites if suite.sha == sha]
    answered = [told.check_suite(call.github, call.repository, suite) for suite in suites]
    return paged(call, answered, lambda page: {"total_count": len(answered), "check_suites": page})


@route("POST /repos/{owner}/{repo}/statuses/{sha}", "statuses:write")
def create_status(call: Call) -> Reply:
    body, sha = call.body, call.parameters["sha"]
    if call.repository.git.commit_of(sha) != sha:
        raise Refused(422, f"No commit found for SHA: {sha}")
    if body.get("state") not in ("error", "failure", "pending", "success"):
        raise Refused(422, "Validation Failed", [{"resource": "Status", "field": "state", "code": "invalid"}])
    made = set_status(
        call.github,
        call.repository,
        call.account,
        sha,
        body["state"],
        body.get("context") or "default",
        body.get("description"),
        body.get("target_url"),
    )
    return Reply(201, told.status(call.github, call.repository, made))


# PyGithub asks by the older path, which GitHub still answers.
@route("GET /repos/{owner}/{repo}/commits/{ref}/statuses", "statuses:read", also="/repos/{owner}/{repo}/statuses/{ref}")
def list_statuses(call: Call) -> Reply:
    sha = _commit(call, "ref")
    found = [one for one in reversed(call.repository.statuses) if one.sha == sha]
    return paged(call, [told.status(call.github, call.repository, one) for one in found])


@route("GET /repos/{owner}/{repo}/commits/{ref}/status", "statuses:read")
def get_combined_status(call: Call) -> Reply:
    return Reply(200, told.combined_status(call.github, call.repository, _commit(call, "ref")))
