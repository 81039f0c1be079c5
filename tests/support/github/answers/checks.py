"""How check runs, check suites and commit statuses are told."""

from tests.support.github.answers import people
from tests.support.github.answers.commits import simple_commit
from tests.support.github.answers.people import time, time_or_none, user
from tests.support.github.answers.repositories import repository, repository_url
from tests.support.github.state import CheckRun, CheckSuite, Json, Pull, Repository, State, Status, node_id

_WORST_FIRST = ("failure", "timed_out", "cancelled", "action_required", "stale", "success", "neutral", "skipped")


def minimal_pull(github: State, told: Repository, pull: Pull) -> Json:
    """As `pull-request-minimal`."""
    repo = {"id": told.id, "url": repository_url(github, told), "name": told.name}
    return {
        "id": pull.id,
        "number": pull.number,
        "url": f"{repository_url(github, told)}/pulls/{pull.number}",
        "head": {"ref": pull.head, "sha": pull.head_sha, "repo": repo},
        "base": {"ref": pull.base, "sha": pull.base_sha, "repo": repo},
    }


def pulls_of(github: State, told: Repository, sha: str) -> list[Json]:
    """The open pull requests of a commit; those of forks are not told here."""
    return [
        minimal_pull(github, told, pull)
        for pull in told.pulls
        if pull.state == "open" and pull.head_sha == sha and pull.fork is None
    ]


def check_run(github: State, told: Repository, run: CheckRun) -> Json:
    url = f"{repository_url(github, told)}/check-runs/{run.id}"
    web = f"{github.web}/{told.full_name}/runs/{run.id}"
    return {
        "id": run.id,
        "node_id": node_id("CR", run.id),
        "name": run.name,
        "head_sha": run.suite.sha,
        "external_id": run.external_id,
        "url": url,
        "html_url": web,
        "details_url": run.details_url or web,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": time(run.started),
        "completed_at": time_or_none(run.completed),
        "output": {
            "title": run.output.get("title"),
            "summary": run.output.get("summary"),
            "text": run.output.get("text"),
            "annotations_count": len(run.output.get("annotations", [])),
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": run.suite.id},
        "app": people.app(github, run.suite.app),
        "pull_requests": pulls_of(github, told, run.suite.sha),
    }


def suite_outcome(told: Repository, suite: CheckSuite) -> tuple[str, str | None]:
    """A suite's status and conclusion: those of its runs together, the worst of them."""
    runs = [run for run in told.checks if run.suite is suite]
    if not runs or any(run.status != "completed" for run in runs):
        begun = any(run.status in ("in_progress", "completed") for run in runs)
        return ("in_progress" if begun else "queued"), None
    conclusions = {run.conclusion for run in runs}
    return "completed", next((worst for worst in _WORST_FIRST if worst in conclusions), None)


def check_suite(github: State, told: Repository, suite: CheckSuite) -> Json:
    url = f"{repository_url(github, told)}/check-suites/{suite.id}"
    status, conclusion = suite_outcome(told, suite)
    heads = [pull.head for pull in told.pulls if pull.head_sha == suite.sha]
    if told.git.branch(told.default_branch) == suite.sha:
        heads.insert(0, told.default_branch)
    return {
        "id": suite.id,
        "node_id": node_id("CS", suite.id),
        "head_branch": heads[0] if heads else None,
        "head_sha": suite.sha,
        "status": status,
        "conclusion": conclusion,
        "url": url,
        "before": None,
        "after": suite.sha,
        "pull_requests": pulls_of(github, told, suite.sha),
        "app": people.app(github, suite.app),
        "repository": repository(github, told),
        "created_at": time(suite.created),
        "updated_at": time(suite.created),
        "head_commit": simple_commit(github, told, suite.sha),
        "latest_check_runs_count": sum(1 for run in told.checks if run.suite is suite),
        "check_runs_url": f"{url}/check-runs",
    }


def status(github: State, told: Repository, one: Status) -> Json:
    return {
        "url": f"{repository_url(github, told)}/statuses/{one.sha}",
        "avatar_url": user(github, one.author)["avatar_url"],
        "id": one.id,
        "node_id": node_id("SC", one.id),
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": time(one.created),
        "updated_at": time(one.created),
        "creator": user(github, one.author),
    }


def combined_status(github: State, told: Repository, sha: str) -> Json:
    """The newest status of each context, and what they come to."""
    newest = {one.context: one for one in told.statuses if one.sha == sha}
    states = {one.state for one in newest.values()}
    url = f"{repository_url(github, told)}/commits/{sha}"
    answered = [status(github, told, one) for one in newest.values()]
    for one in answered:
        del one["creator"]
    failed = states & {"error", "failure"}
    return {
        "state": "failure" if failed else "success" if states == {"success"} else "pending",
        "statuses": answered,
        "sha": sha,
        "total_count": len(newest),
        "repository": repository(github, told),
        "commit_url": url,
        "url": f"{url}/status",
    }
