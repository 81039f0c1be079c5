"""Protected branches: what may not be pushed, what may not be merged, and the words for it."""

from pathlib import Path

import pytest
from github import GithubException
from github.PullRequest import PullRequest

from tests.support.github.clients import as_installation, git, installation_token
from tests.support.github.protection import Protection
from tests.support.github.stand_in import GitHub, InstalledApp


def said(refused: "pytest.ExceptionInfo[GithubException]") -> tuple[int, str]:
    return refused.value.status, str(refused.value.data["message"])


def proposed(github: GitHub, installed: InstalledApp) -> PullRequest:
    """A pull request by the app."""
    github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 3\n"})
    return (
        as_installation(github, installed)
        .get_repo("acme/shop")
        .create_pull(base="main", head="agent/price", title="Set the price", body="")
    )


@pytest.mark.parametrize(
    ("ruleset", "words", "reason"),
    [
        (
            False,
            "remote: error: GH006: Protected branch update failed for refs/heads/main.",
            "! [remote rejected] main -> main (protected branch hook declined)",
        ),
        (
            True,
            "remote: error: GH013: Repository rule violations found for refs/heads/main.",
            "! [remote rejected] main -> main (push declined due to repository rule violations)",
        ),
    ],
)
def test_a_push_past_the_gate_is_refused_in_githubs_words(
    github: GitHub, installed: InstalledApp, tmp_path: Path, ruleset: bool, words: str, reason: str
) -> None:
    github.protect("acme/shop", Protection(ruleset=ruleset))
    token = installation_token(github, installed)
    assert git(tmp_path, "clone", "-q", github.clone_url("acme/shop", token), "work").returncode == 0
    assert git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "Sneak in").returncode == 0
    pushed = git(tmp_path / "work", "push", "origin", "main", "main:other")
    assert pushed.returncode == 1
    assert words in pushed.stderr
    assert "Changes must be made through a pull request." in pushed.stderr
    assert reason in pushed.stderr
    assert "* [new branch]      main -> other" in pushed.stderr
    before = git(tmp_path / "work", "rev-parse", "HEAD~1").stdout.strip()
    assert github.repositories["acme/shop"].git.branch("main") == before
    deleted = git(tmp_path / "work", "push", "origin", ":main")
    assert "Cannot delete this protected branch" in deleted.stderr
    forced = git(tmp_path / "work", "push", "--force", "origin", f"{before}:main", "HEAD:main2")
    assert forced.returncode == 0
    git(tmp_path / "work", "commit", "-q", "--amend", "--allow-empty", "-m", "Rewritten")
    github.repositories["acme/shop"].protections["other"] = Protection(ruleset=ruleset)
    forced = git(tmp_path / "work", "push", "--force", "origin", "HEAD:other")
    assert "Cannot force-push to this protected branch" in forced.stderr


def test_an_app_that_may_bypass_a_branchs_rules_pushes_and_merges(
    github: GitHub, installed: InstalledApp, tmp_path: Path
) -> None:
    github.protect("acme/shop", Protection(approvals=2, bypass={"journeyman"}))
    token = installation_token(github, installed)
    assert git(tmp_path, "clone", "-q", github.clone_url("acme/shop", token), "work").returncode == 0
    assert git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "Directly").returncode == 0
    assert git(tmp_path / "work", "push", "origin", "main").returncode == 0
    assert proposed(github, installed).merge().merged


def test_a_required_check_holds_a_merge_until_it_has_succeeded(github: GitHub, installed: InstalledApp) -> None:
    github.protect("acme/shop", Protection(checks={"journeyman/gate": installed.app.id}))
    pull = proposed(github, installed)
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert said(refused) == (405, 'Required status check "journeyman/gate" is expected.')
    repository = pull.base.repo
    # Another app's check of the same name is not the one that is required.
    github.check("acme/shop", pull.head.sha, "journeyman/gate")
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert said(refused) == (405, 'Required status check "journeyman/gate" is expected.')
    run = repository.create_check_run("journeyman/gate", pull.head.sha, status="in_progress")
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert said(refused) == (405, 'Required status check "journeyman/gate" is in progress.')
    run.edit(status="completed", conclusion="failure")
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert said(refused) == (405, 'Required status check "journeyman/gate" is failing.')
    assert repository.get_pull(pull.number).mergeable_state == "blocked"
    run.edit(conclusion="success", output={"title": "Passed", "summary": "All of it."})
    assert repository.get_pull(pull.number).mergeable_state == "clean"
    assert pull.merge().merged


def test_a_required_approval_comes_from_a_person_with_write_access_other_than_the_author(
    github: GitHub, installed: InstalledApp
) -> None:
    github.protect("acme/shop", Protection(approvals=1, dismiss_stale=True))
    github.person("ada", **{"acme/shop": "write"})
    github.person("eve", **{"acme/shop": "read"})
    pull = proposed(github, installed)
    words = "At least 1 approving review is required by reviewers with write access."
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert said(refused) == (405, words)
    with pytest.raises(GithubException) as own:
        pull.create_review(event="APPROVE")
    assert own.value.status == 422
    assert own.value.data["errors"] == ["Can not approve your own pull request"]
    github.review("acme/shop", pull.number, "eve")
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert said(refused) == (405, words)
    github.review("acme/shop", pull.number, "ada")
    github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 4\n"})
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert said(refused) == (405, words)
    github.review("acme/shop", pull.number, "ada")
    assert pull.merge().merged


def test_who_pushed_last_does_not_approve_alone(github: GitHub, installed: InstalledApp) -> None:
    github.protect("acme/shop", Protection(approvals=1, last_push_approval=True))
    github.person("ada", **{"acme/shop": "write"})
    github.person("eve", **{"acme/shop": "write"})
    pull = proposed(github, installed)
    github.review("acme/shop", pull.number, "ada")
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert "someone other than ada because they were the last pusher" in said(refused)[1]
    github.review("acme/shop", pull.number, "eve")
    assert pull.merge().merged


def test_a_ruleset_names_all_that_is_missing(github: GitHub, installed: InstalledApp) -> None:
    github.protect("acme/shop", Protection(checks={"a": None, "b": None}, approvals=1, ruleset=True))
    with pytest.raises(GithubException) as refused:
        proposed(github, installed).merge()
    status, words = said(refused)
    assert status == 405
    assert words.startswith("Repository rule violations found\n\n2 of 2 required status checks are expected.\n\n")
    assert "At least 1 approving review is required" in words


def test_a_branch_that_has_moved_on_says_so_where_that_counts(github: GitHub, installed: InstalledApp) -> None:
    pull = proposed(github, installed)
    github.commit("acme/shop", "main", {"other.py": "1\n"})
    assert pull.base.repo.get_pull(pull.number).mergeable_state == "clean"
    github.check("acme/shop", pull.head.sha, "tests")
    github.protect("acme/shop", Protection(strict=True, checks={"tests": None}))
    assert pull.base.repo.get_pull(pull.number).mergeable_state == "behind"
    with pytest.raises(GithubException) as refused:
        pull.merge()
    # What it says is not that the base has moved.
    assert said(refused) == (405, 'Required status check "tests" is expected.')


def test_a_branchs_protection_is_told_to_those_who_may_know(github: GitHub, installed: InstalledApp) -> None:
    github.protect("acme/shop", Protection(checks={"tests": None}, strict=True, approvals=2))
    branch = as_installation(github, installed).get_repo("acme/shop").get_branch("main")
    assert branch.protected
    rules = branch.get_protection()
    assert rules.required_status_checks.contexts == ["tests"]
    assert rules.required_status_checks.strict
    assert rules.required_pull_request_reviews.required_approving_review_count == 2
    outsider = github.install("outsider", "acme/shop", permissions={"metadata": "read", "contents": "read"})
    branch = as_installation(github, outsider).get_repo("acme/shop").get_branch("main")
    assert branch.raw_data["protection"]["required_status_checks"]["contexts"] == ["tests"]
    with pytest.raises(GithubException) as refused:
        branch.get_protection()
    assert said(refused) == (403, "Resource not accessible by integration")


def test_a_rulesets_rules_are_told_one_by_one(github: GitHub, installed: InstalledApp) -> None:
    demanded = Protection(ruleset=True, checks={"journeyman/gate": installed.app.id}, approvals=1, queue=True)
    github.protect("acme/shop", demanded)
    ask = as_installation(github, installed).requester.requestJsonAndCheck
    told = {rule["type"]: rule.get("parameters") for rule in ask("GET", "/repos/acme/shop/rules/branches/main")[1]}
    assert set(told) == {"pull_request", "required_status_checks", "merge_queue", "non_fast_forward", "deletion"}
    assert told["pull_request"]["required_approving_review_count"] == 1
    assert told["required_status_checks"]["required_status_checks"] == [
        {"context": "journeyman/gate", "integration_id": installed.app.id}
    ]
    assert ask("GET", "/repos/acme/shop/rules/branches/other")[1] == []


def test_a_protected_branch_is_not_moved_through_the_api_either(github: GitHub, installed: InstalledApp) -> None:
    github.protect("acme/shop", Protection())
    made = github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 3\n"})
    repository = as_installation(github, installed).get_repo("acme/shop")
    with pytest.raises(GithubException) as refused:
        repository.get_git_ref("heads/main").edit(made)
    assert said(refused) == (422, "Changes must be made through a pull request.")
