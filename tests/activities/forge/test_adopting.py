"""Who pushed to a task's branch: by GitHub's word, and nobody where it does not say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from github.Repository import Repository as GitHubRepository

from activities.forge.github.access import GitHubAccess
from activities.forge.github.adopting import pushers
from activities.forge.github.failed import GitHubUnavailable
from activities.policy.github_table import GitHubTable
from tests.support.github.conforming import conforming_github
from tests.support.github.stand_in import GitHub

SHOP, BRANCH = "acme/shop", "journeyman/abcdefghij"


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        server.repository(SHOP)
        for login in ("grace", "linus"):
            server.person(login, **{SHOP: "write"})
        yield server


@pytest.fixture(scope="module")
def repository(github: GitHub, place: Path) -> GitHubRepository:
    app = github.install("journeyman", account="acme")
    key = place / "app.pem"
    key.write_text(app.private_key)
    table = GitHubTable(web=github.web, app_id=app.app.id, private_key=key)
    return GitHubAccess(lambda: table).blocking_repository(f"{github.web}/{SHOP}")


def test_everybody_counts_who_pushed_since_the_last_push_of_ours(github: GitHub, repository: GitHubRepository) -> None:
    ours = github.commit(SHOP, BRANCH, {"a": "ours"}, login="ada")
    github.commit(SHOP, BRANCH, {"a": "1"}, login="grace")
    github.commit(SHOP, BRANCH, {"a": "2"}, login="linus")
    head = github.commit(SHOP, BRANCH, {"a": "3"}, login="grace")
    assert pushers(repository, BRANCH, head, frozenset({ours})) == ["grace", "linus"]


def test_what_leads_to_no_push_of_ours_is_nobody_s(github: GitHub, repository: GitHubRepository) -> None:
    head = github.commit(SHOP, BRANCH, {"a": "4"}, login="grace")
    assert pushers(repository, BRANCH, head, frozenset({"0" * 40})) == []
    github.repositories[SHOP].activity[-1].actor = None
    assert pushers(repository, BRANCH, head, frozenset({head[::-1]})) == []


def test_a_branch_that_moved_meanwhile_is_looked_at_again(github: GitHub, repository: GitHubRepository) -> None:
    head = github.commit(SHOP, BRANCH, {"a": "5"}, login="grace")
    github.commit(SHOP, BRANCH, {"a": "6"}, login="linus")
    with pytest.raises(GitHubUnavailable, match="moves"):
        pushers(repository, BRANCH, head, frozenset())
