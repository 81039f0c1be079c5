"""Commits, comparisons, files and refs over the REST API."""

import pytest
from github import GithubException

from tests.support.github.clients import as_installation
from tests.support.github.stand_in import GitHub, InstalledApp


def test_refs_are_made_moved_and_deleted_as_git_would(github: GitHub, installed: InstalledApp) -> None:
    repository = as_installation(github, installed).get_repo("acme/shop")
    first = repository.get_branch("main").commit.sha
    second = github.commit("acme/shop", "main", {"a.txt": "1\n"})
    ref = repository.create_git_ref("refs/heads/agent/one", first)
    with pytest.raises(GithubException) as twice:
        repository.create_git_ref("refs/heads/agent/one", first)
    assert (twice.value.status, twice.value.data["message"]) == (422, "Reference already exists")
    ref.edit(second)
    assert repository.get_branch("agent/one").commit.sha == second
    with pytest.raises(GithubException) as back:
        ref.edit(first)
    assert back.value.data["message"] == "Update is not a fast forward"
    ref.edit(first, force=True)
    assert [one.ref for one in repository.get_git_matching_refs("heads/agent")] == ["refs/heads/agent/one"]
    with pytest.raises(GithubException) as nothing:
        ref.edit("1" * 40)
    assert nothing.value.data["message"] == "Object does not exist"
    ref.delete()
    with pytest.raises(GithubException) as gone:
        repository.get_git_ref("heads/agent/one")
    assert gone.value.status == 404
    assert [branch.name for branch in repository.get_branches()] == ["main"]


def test_a_comparison_tells_what_changed_and_how_far_apart_two_commits_are(
    github: GitHub, installed: InstalledApp
) -> None:
    repository = as_installation(github, installed).get_repo("acme/shop")
    github.commit("acme/shop", "agent/one", {"a.txt": "1\n", "README.md": None})
    github.commit("acme/shop", "agent/one", {"b.txt": "2\n"}, "Second")
    github.commit("acme/shop", "main", {"c.txt": "3\n"})
    compared = repository.compare("main", "agent/one")
    assert (compared.status, compared.ahead_by, compared.behind_by) == ("diverged", 2, 1)
    assert {(file.filename, file.status) for file in compared.files} == {
        ("README.md", "removed"),
        ("a.txt", "added"),
        ("b.txt", "added"),
    }
    assert [one.commit.message for one in compared.commits] == ["Change", "Second"]
    assert repository.compare("main", "main").status == "identical"
    with pytest.raises(GithubException) as absent:
        repository.compare("main", "nothing")
    assert absent.value.status == 404


def test_commits_and_files_are_read_at_any_ref(github: GitHub, installed: InstalledApp) -> None:
    repository = as_installation(github, installed).get_repo("acme/shop")
    made = github.commit("acme/shop", "agent/one", {"docs/a b.md": "Grüße\n"})
    commit = repository.get_commit("agent/one")
    assert (commit.sha, commit.stats.additions, [file.filename for file in commit.files]) == (
        made,
        1,
        ["docs/a b.md"],
    )
    assert repository.get_git_commit(made).message == "Change"
    assert [one.sha for one in repository.get_commits(sha="agent/one", path="docs")] == [made]
    file = repository.get_contents("docs/a b.md", ref="agent/one")
    assert not isinstance(file, list)
    assert file.decoded_content.decode() == "Grüße\n"
    with pytest.raises(GithubException) as absent:
        repository.get_contents("docs/a b.md")
    assert absent.value.status == 404
    with pytest.raises(GithubException) as nothing:
        repository.get_commit("1" * 40)
    assert nothing.value.status == 422


def test_lists_come_in_pages_that_lead_on(github: GitHub, installed: InstalledApp) -> None:
    for number in range(35):
        github.issue("acme/shop", "ada", f"Number {number}")
    repository = as_installation(github, installed).get_repo("acme/shop")
    assert [issue.title for issue in repository.get_issues()] == [f"Number {number}" for number in range(34, -1, -1)]
    assert repository.get_issues().totalCount == 35
