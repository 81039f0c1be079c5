"""The stand-in as PyGithub and git see it: an app's token, a clone, a push, a pull request, a merge."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from github import GithubException
from github.PullRequest import PullRequest
from github.Repository import Repository

from tests.support.github.clients import as_installation, git, installation_token, with_token
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


@pytest.fixture
def shop(github: GitHub, installed: InstalledApp) -> Repository:
    return as_installation(github, installed).get_repo("acme/shop")


def proposed(github: GitHub, shop: Repository, content: str = "PRICE = 3\n") -> PullRequest:
    github.commit("acme/shop", "agent/price", {"price.py": content})
    return shop.create_pull(base="main", head="agent/price", title="Set the price", body="Because.")


def test_whether_a_pull_request_can_be_merged_is_not_known_at_once(github: GitHub, shop: Repository) -> None:
    github.undecided_reads = 2
    pull = proposed(github, shop)
    reads = [shop.get_pull(pull.number) for _ in range(3)]
    assert [(read.raw_data["mergeable"], read.mergeable_state) for read in reads] == [
        (None, "unknown"),
        (None, "unknown"),
        (True, "clean"),
    ]


def test_a_commit_that_a_merge_was_tried_with_is_not_a_merge(github: GitHub, shop: Repository) -> None:
    pull = shop.get_pull(proposed(github, shop).number)
    assert not pull.merged
    tried = shop.get_commit(pull.merge_commit_sha)
    assert [parent.sha for parent in tried.parents] == [shop.get_branch("main").commit.sha, pull.head.sha]
    assert pull.merge().sha != tried.sha


def test_a_pull_request_that_conflicts_is_not_merged(github: GitHub, shop: Repository) -> None:
    pull = proposed(github, shop)
    tip = github.commit("acme/shop", "main", {"price.py": "PRICE = 5\n"})
    read = shop.get_pull(pull.number)
    assert (read.mergeable, read.mergeable_state) == (False, "dirty")
    for method in ("merge", "squash", "rebase"):
        with pytest.raises(GithubException) as refused:
            pull.merge(merge_method=method)
        assert (refused.value.status, refused.value.data["message"]) == (405, "Pull Request is not mergeable")
    assert shop.get_branch("main").commit.sha == tip


def test_only_the_methods_that_the_repository_allows_merge(github: GitHub, shop: Repository) -> None:
    github.repositories["acme/shop"].methods = {"rebase"}
    shop.update()
    assert (shop.allow_merge_commit, shop.allow_squash_merge, shop.allow_rebase_merge) == (False, False, True)
    pull = proposed(github, shop)
    with pytest.raises(GithubException) as refused:
        pull.merge(merge_method="squash")
    assert refused.value.data["message"] == "Squash merges are not allowed on this repository."
    assert pull.merge(merge_method="rebase").sha == shop.get_branch("main").commit.sha
    with pytest.raises(GithubException) as twice:
        pull.merge(merge_method="rebase")
    assert twice.value.status == 405


def test_a_merge_deletes_the_branch_where_the_repository_says_so(github: GitHub, shop: Repository) -> None:
    github.repositories["acme/shop"].delete_merged = True
    proposed(github, shop).merge()
    assert [branch.name for branch in shop.get_branches()] == ["main"]
    with pytest.raises(GithubException) as nothing:
        shop.create_pull(base="main", head="agent/price", title="Again", body="")
    assert nothing.value.status == 422


def test_a_pull_request_follows_its_branches(github: GitHub, shop: Repository) -> None:
    pull = proposed(github, shop)
    moved = github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 4\n"})
    assert shop.get_pull(pull.number).head.sha == moved
    with pytest.raises(GithubException) as stale:
        pull.merge(sha=pull.head.sha)
    assert "Head branch was modified" in stale.value.data["message"]
    shop.get_git_ref("heads/agent/price").delete()
    assert shop.get_pull(pull.number).state == "closed"
    with pytest.raises(GithubException) as gone:
        pull.edit(state="open")
    assert gone.value.status == 422


def test_a_base_that_comes_to_hold_the_head_counts_as_merged(github: GitHub, shop: Repository) -> None:
    pull = proposed(github, shop)
    shop.get_git_ref("heads/main").edit(pull.head.sha)
    read = shop.get_pull(pull.number)
    assert (read.merged, read.merge_commit_sha) == (True, pull.head.sha)


def test_of_many_who_ask_at_once_one_gets_the_pull_request(github: GitHub, installed: InstalledApp) -> None:
    github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 3\n"})
    token = installation_token(github, installed)

    def ask(_: int) -> int:
        try:
            shop = with_token(github, token).get_repo("acme/shop")
            return shop.create_pull(base="main", head="agent/price", title="Price", body="").number
        except GithubException as refused:
            return refused.status

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(ask, range(6))) == [1, *[422] * 5]


def test_a_forks_pull_request_is_not_taken_for_the_repositorys_own(github: GitHub, shop: Repository) -> None:
    eve = with_token(github, github.person("eve", **{"acme/shop": "read"}).value).get_repo("acme/shop")
    github.fork("acme/shop", "eve")
    head = github.commit("eve/shop", "agent/price", {"price.py": "PRICE = 0\n"}, login="eve")
    theirs = eve.create_pull(base="main", head="eve:agent/price", title="Set the price", body="Look.")
    assert list(shop.get_pulls(head="acme:agent/price", state="all")) == []
    assert [pull.number for pull in shop.get_pulls(head="eve:agent/price")] == [theirs.number]
    own = proposed(github, shop)
    assert (own.head.repo.full_name, theirs.head.repo.full_name) == ("acme/shop", "eve/shop")
    assert own.head.ref == theirs.head.ref
    assert shop.get_pull(theirs.number).head.sha == head
    shop.get_git_ref("heads/agent/price").delete()
    assert [shop.get_pull(pull.number).state for pull in (theirs, own)] == ["open", "closed"]
    with pytest.raises(GithubException) as refused:
        eve.get_pull(theirs.number).merge()
    assert refused.value.status == 403
    assert shop.get_pull(theirs.number).merge().merged


def test_how_merges_are_made_is_told_to_those_who_may_write(github: GitHub, shop: Repository) -> None:
    reader = github.install("reader", "acme/shop", permissions={"metadata": "read", "contents": "read"})
    assert shop.raw_data["allow_merge_commit"]
    assert "allow_merge_commit" not in as_installation(github, reader).get_repo("acme/shop").raw_data


def test_nothing_to_merge_is_no_pull_request(github: GitHub, shop: Repository) -> None:
    shop.create_git_ref("refs/heads/same", shop.get_branch("main").commit.sha)
    with pytest.raises(GithubException) as nothing:
        shop.create_pull(base="main", head="same", title="Nothing", body="")
    assert nothing.value.data["errors"][0]["message"] == "No commits between main and same"
    with pytest.raises(GithubException) as nowhere:
        shop.create_pull(base="none", head="same", title="Nothing", body="")
    assert nowhere.value.data["errors"][0]["field"] == "base"


def test_lists_find_a_pull_request_by_its_branches_and_state(github: GitHub, shop: Repository) -> None:
    pull = proposed(github, shop)

    def found(**wanted: str) -> list[int]:
        return [one.number for one in shop.get_pulls(**wanted)]

    assert found(head="acme:agent/price", base="main") == [pull.number]
    assert found(head="acme:other") == []
    # GitHub takes a head without its owner for none.
    assert found(head="other") == [pull.number]
    pull.edit(state="closed")
    assert found() == []
    assert found(state="closed") == found(state="all") == [pull.number]
    assert [one.number for one in shop.get_commit(pull.head.sha).get_pulls()] == [pull.number]


def test_a_push_of_any_size_arrives(github: GitHub, installed: InstalledApp, tmp_path: Path) -> None:
    token = installation_token(github, installed)
    assert git(tmp_path, "clone", "-q", github.clone_url("acme/shop", token), "work").returncode == 0
    (tmp_path / "work" / "data.bin").write_bytes(os.urandom(3_000_000))
    git(tmp_path / "work", "add", ".")
    git(tmp_path / "work", "commit", "-qm", "Data")
    pushed = git(tmp_path / "work", "push", "origin", "main:agent/data")
    assert pushed.returncode == 0, pushed.stderr
    assert git(tmp_path, "clone", "-q", "-b", "agent/data", github.clone_url("acme/shop", token), "two").returncode == 0
    assert (tmp_path / "two" / "data.bin").stat().st_size == 3_000_000


def test_workflows_are_not_changed_without_the_permission(
    github: GitHub, installed: InstalledApp, tmp_path: Path
) -> None:
    token = installation_token(github, installed)
    assert git(tmp_path, "clone", "-q", github.clone_url("acme/shop", token), "work").returncode == 0
    workflow = tmp_path / "work" / ".github" / "workflows" / "tests.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("on: push\n")
    git(tmp_path / "work", "add", ".")
    git(tmp_path / "work", "commit", "-qm", "Workflow")
    pushed = git(tmp_path / "work", "push", "origin", "main:agent/workflow")
    words = "refusing to allow a GitHub App to create or update workflow `.github/workflows/tests.yml` without"
    assert f"{words} `workflows` permission" in pushed.stderr
    installed.installation.permissions["workflows"] = "write"
    address = github.clone_url("acme/shop", installation_token(github, installed))
    assert git(tmp_path / "work", "push", address, "main:agent/workflow").returncode == 0
