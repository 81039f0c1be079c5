"""The stand-in as PyGithub and git see it: an app's token, a clone, a push, a pull request, a merge."""

from pathlib import Path

import pytest
from github import GithubException

from tests.support.github.clients import git, installation_token, with_token
from tests.support.github.stand_in import GitHub, InstalledApp


def test_a_branch_pushed_by_an_apps_token_becomes_a_pull_request_and_lands(
    github: GitHub, installed: InstalledApp, tmp_path: Path
) -> None:
    token = installation_token(github, installed)
    api = with_token(github, token)
    assert git(tmp_path, "clone", "-q", github.clone_url("acme/shop", token), "work").returncode == 0
    work = tmp_path / "work"
    (work / "price.py").write_text("PRICE = 3\n")
    assert git(work, "checkout", "-qb", "agent/price").returncode == 0
    assert git(work, "add", ".").returncode == 0
    assert git(work, "commit", "-qm", "Set the price").returncode == 0
    pushed = git(work, "push", "origin", "agent/price")
    assert pushed.returncode == 0, pushed.stderr
    head = git(work, "rev-parse", "HEAD").stdout.strip()

    repository = api.get_repo("acme/shop")
    pull = repository.create_pull(base="main", head="agent/price", title="Set the price", body="Because.")
    assert [file.filename for file in pull.get_files()] == ["price.py"]
    assert [commit.sha for commit in pull.get_commits()] == [head]
    with pytest.raises(GithubException) as twice:
        repository.create_pull(base="main", head="agent/price", title="Again", body="")
    assert twice.value.status == 422
    assert "A pull request already exists for acme:agent/price." in str(twice.value.data)
    with pytest.raises(GithubException) as moved:
        pull.merge(sha="1" * 40)
    assert moved.value.status == 409
    merged = pull.merge(sha=head, merge_method="squash")
    assert merged.merged
    seen = repository.get_pull(pull.number)
    assert seen.merged and seen.state == "closed" and seen.merge_commit_sha == merged.sha
    assert repository.get_branch("main").commit.sha == merged.sha
    assert git(work, "fetch", "-q", "origin").returncode == 0
    assert git(work, "log", "-1", "--format=%s", "origin/main").stdout.strip() == "Set the price (#1)"
    assert repository.get_git_ref("heads/main").object.sha == merged.sha
