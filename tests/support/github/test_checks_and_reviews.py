"""Check runs, statuses, reviews, comments and labels, as PyGithub writes and reads them."""

import pytest
from github import GithubException

from tests.support.github.clients import as_installation, with_token
from tests.support.github.stand_in import GitHub, InstalledApp


def test_a_check_run_is_written_changed_and_found_again(github: GitHub, installed: InstalledApp) -> None:
    repository = as_installation(github, installed).get_repo("acme/shop")
    commit = repository.get_branch("main").commit
    run = repository.create_check_run(
        "journeyman/gate", commit.sha, external_id="task-1", output={"title": "Judging", "summary": "Begun."}
    )
    assert (run.status, run.raw_data["conclusion"]) == ("queued", None)
    run.edit(status="in_progress")
    run.edit(status="completed", conclusion="neutral", output={"title": "Judged", "summary": "Fine."})
    (found,) = commit.get_check_runs(check_name="journeyman/gate", filter="latest")
    assert (found.id, found.conclusion, found.external_id, found.output.title) == (
        run.id,
        "neutral",
        "task-1",
        "Judged",
    )
    assert repository.get_check_run(run.id).app.slug == "journeyman"
    (suite,) = commit.get_check_suites()
    assert (suite.status, suite.conclusion) == ("completed", "neutral")
    again = repository.create_check_run("journeyman/gate", commit.sha)
    assert [one.id for one in commit.get_check_runs(filter="latest")] == [again.id]
    assert {one.id for one in commit.get_check_runs(filter="all")} == {run.id, again.id}
    with pytest.raises(GithubException) as refused:
        run.edit(status="completed")
    assert refused.value.status == 422
    with pytest.raises(GithubException) as nowhere:
        repository.create_check_run("x", "1" * 40)
    assert nowhere.value.status == 422


def test_a_check_run_belongs_to_the_app_that_wrote_it(github: GitHub, installed: InstalledApp) -> None:
    sha = github.repositories["acme/shop"].git.branch("main")
    assert sha is not None
    run = github.check("acme/shop", sha, "tests", None)
    with pytest.raises(GithubException) as refused:
        as_installation(github, installed).get_repo("acme/shop").get_check_run(run.id).edit(conclusion="success")
    assert refused.value.status == 403
    ada = with_token(github, github.person("ada", **{"acme/shop": "write"}).value)
    with pytest.raises(GithubException) as by_a_person:
        ada.get_repo("acme/shop").create_check_run("tests", sha)
    assert by_a_person.value.data["message"] == "You must authenticate via a GitHub App."


def test_the_newest_status_of_each_context_counts(github: GitHub, installed: InstalledApp) -> None:
    commit = as_installation(github, installed).get_repo("acme/shop").get_branch("main").commit
    assert commit.get_combined_status().state == "pending"
    commit.create_status("failure", context="lint", description="Bad")
    commit.create_status("success", context="tests", target_url="http://127.0.0.1/run")
    assert commit.get_combined_status().state == "failure"
    commit.create_status("success", context="lint")
    combined = commit.get_combined_status()
    assert (combined.state, combined.total_count) == ("success", 2)
    assert [one.state for one in commit.get_statuses()] == ["success", "success", "failure"]


def test_reviews_are_asked_for_given_and_dismissed(github: GitHub, installed: InstalledApp) -> None:
    ada = with_token(github, github.person("ada", **{"acme/shop": "write"}).value)
    github.team("acme", "payments", "ada")
    github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 3\n"})
    repository = as_installation(github, installed).get_repo("acme/shop")
    pull = repository.create_pull(base="main", head="agent/price", title="Price", body="")
    pull.create_review_request(reviewers=["ada"], team_reviewers=["payments"])
    people, teams = pull.get_review_requests()
    assert [person.login for person in people] == ["ada"]
    assert [team.slug for team in teams] == ["payments"]
    with pytest.raises(GithubException) as stranger:
        pull.create_review_request(reviewers=["mallory"])
    assert "Reviews may only be requested from collaborators." in stranger.value.data["message"]
    review = ada.get_repo("acme/shop").get_pull(pull.number).create_review(body="Not yet.", event="REQUEST_CHANGES")
    with pytest.raises(GithubException) as own:
        pull.create_review(body="Mine.", event="REQUEST_CHANGES")
    assert own.value.data["errors"] == ["Can not request changes on your own pull request"]
    assert [(one.user.login, one.state, one.commit_id) for one in pull.get_reviews()] == [
        ("ada", "CHANGES_REQUESTED", pull.head.sha)
    ]
    assert list(pull.get_review_requests()[0]) == []
    pull.get_review(review.id).dismiss("Settled.")
    assert [one.state for one in pull.get_reviews()] == ["DISMISSED"]
    pull.delete_review_request(team_reviewers=["payments"], reviewers=[])
    assert list(pull.get_review_requests()[1]) == []


def test_comments_and_labels_stay_on_issues_and_on_pull_requests(github: GitHub, installed: InstalledApp) -> None:
    github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 3\n"})
    repository = as_installation(github, installed).get_repo("acme/shop")
    issue = repository.create_issue("It breaks", body="Always.", labels=["bug"])
    pull = repository.create_pull(base="main", head="agent/price", title="Price", body="")
    assert (issue.number, pull.number) == (1, 2)
    comment = pull.create_issue_comment("Working on it.")
    comment.edit("Done.")
    assert [one.body for one in pull.get_issue_comments()] == ["Done."]
    assert repository.get_issue(2).pull_request is not None
    github.comment("acme/shop", 1, "eve", "@journeyman fix it")
    assert [(one.user.login, one.body) for one in issue.get_comments()] == [("eve", "@journeyman fix it")]
    with pytest.raises(GithubException) as long:
        issue.create_comment("x" * 65_537)
    assert long.value.status == 422
    pull.add_to_labels("journeyman")
    assert [label.name for label in pull.get_labels()] == ["journeyman"]
    pull.remove_from_labels("journeyman")
    with pytest.raises(GithubException) as absent:
        pull.remove_from_labels("journeyman")
    assert absent.value.status == 404
    repository.create_label("risky", "ff0000", "Look twice")
    assert {label.name for label in repository.get_labels()} == {"bug", "journeyman", "risky"}
    issue.edit(state="closed")
    assert [one.number for one in repository.get_issues(state="open")] == [2]
    comment.delete()
    assert pull.get_issue_comments().totalCount == 0


def test_who_somebody_is_can_be_asked(github: GitHub, installed: InstalledApp) -> None:
    github.person("ada", **{"acme/shop": "maintain"})
    github.person("eve")
    github.team("acme", "payments", "ada")
    client = as_installation(github, installed)
    repository = client.get_repo("acme/shop")
    assert repository.get_collaborator_permission("ada") == "write"
    assert repository.get_collaborator_role_name("ada") == "maintain"
    assert repository.get_collaborator_permission("eve") == "none"
    with pytest.raises(GithubException) as unknown:
        repository.get_collaborator_permission("nobody")
    assert unknown.value.status == 404
    requester = client.requester
    there = requester.requestJsonAndCheck("GET", "/orgs/acme/teams/payments/memberships/ada")[1]
    assert (there["state"], there["role"]) == ("active", "member")
    with pytest.raises(GithubException) as outside:
        requester.requestJsonAndCheck("GET", "/orgs/acme/teams/payments/memberships/eve")
    assert outside.value.status == 404
    assert requester.requestJsonAndCheck("GET", "/orgs/acme/teams/payments")[1]["members_count"] == 1
    assert len(requester.requestJsonAndCheck("GET", "/orgs/acme/teams/payments/members")[1]) == 1
