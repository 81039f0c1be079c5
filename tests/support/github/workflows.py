"""Workflow runs of GitHub's actions, as far as they are told when they end."""

from tests.support.github.accounts import App, now
from tests.support.github.answers.checks import pulls_of
from tests.support.github.answers.commits import simple_commit
from tests.support.github.answers.people import FOUNDED, time, user
from tests.support.github.answers.repositories import repository as told_repository
from tests.support.github.answers.repositories import repository_url
from tests.support.github.checks import set_check, start_check
from tests.support.github.state import Json, Repository, State, node_id
from tests.support.github.webhooks import announce


def finish_workflow(
    github: State, repository: Repository, actions: App, name: str, conclusion: str, branch: str, event: str
) -> None:
    """End a run on the newest commit of a branch: its check suite first, then the run itself."""
    sha = repository.git.branch(branch)
    assert sha is not None, f"there is no branch {branch}"
    run = start_check(github, repository, actions, sha, name)
    set_check(github, repository, run, {"conclusion": conclusion})
    url, moment = repository_url(github, repository), time(now())
    number = sum(1 for other in repository.checks if other.name == name and other.suite.app is actions)
    runs, suite = f"{url}/actions/runs/{run.id}", f"{url}/check-suites/{run.suite.id}"
    web = f"{github.web}/{repository.full_name}/actions"
    workflow: Json = {
        "id": actions.id,
        "node_id": node_id("W", actions.id),
        "name": name,
        "path": f".github/workflows/{name}.yml",
        "state": "active",
        "created_at": time(FOUNDED),
        "updated_at": time(FOUNDED),
        "url": f"{url}/actions/workflows/{actions.id}",
        "html_url": f"{github.web}/{repository.full_name}/blob/{branch}/.github/workflows/{name}.yml",
        "badge_url": f"{github.web}/{repository.full_name}/workflows/{name}/badge.svg",
    }
    told: Json = {
        "id": run.id,
        "node_id": node_id("WFR", run.id),
        "name": name,
        "display_title": name,
        "path": workflow["path"],
        "head_branch": branch,
        "head_sha": sha,
        "run_number": number,
        "run_attempt": 1,
        "event": event,
        "status": "completed",
        "conclusion": conclusion,
        "workflow_id": workflow["id"],
        "check_suite_id": run.suite.id,
        "check_suite_node_id": node_id("CS", run.suite.id),
        "url": runs,
        "html_url": f"{web}/runs/{run.id}",
        "pull_requests": pulls_of(github, repository, sha),
        "created_at": moment,
        "updated_at": moment,
        "run_started_at": moment,
        "actor": user(github, actions.bot),
        "triggering_actor": user(github, actions.bot),
        **{f"{part}_url": f"{runs}/{part}" for part in ("jobs", "logs", "artifacts", "cancel", "rerun")},
        "check_suite_url": suite,
        "previous_attempt_url": None,
        "workflow_url": workflow["url"],
        "head_commit": simple_commit(github, repository, sha),
        "repository": told_repository(github, repository),
        "head_repository": told_repository(github, repository),
    }
    repository.runs[run.id] = told
    body = {"action": "completed", "workflow": workflow, "workflow_run": told}
    announce(github, repository, "workflow_run", body, actions.bot)
