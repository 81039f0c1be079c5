"""The gate where a user's token asks: as a commit status, each said once, and never taken for CI's word."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from github.Repository import Repository as GitHubRepository

from activities.forge.github.access import GitHubAccess
from activities.forge.github.ci import CiReader
from activities.forge.github.gate_status import NO_PERMISSION, GateStatuses
from activities.policy.agent_tables import KeySource
from activities.policy.github_table import GitHubTable
from tests.support.github.conforming import conforming_github
from tests.support.github.stand_in import GitHub
from workflows.models.standing import GateCheck, GateState

SHOP = "acme/shop"


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        server.repository(SHOP)
        yield server


@pytest.fixture(scope="module")
def access(github: GitHub, place: Path) -> GitHubAccess:
    (place / "token").write_text(github.person("robot", **{SHOP: "write"}).value)
    table = GitHubTable(web=github.web, token=KeySource(file=place / "token"))
    return GitHubAccess(lambda: table)


@pytest.fixture(scope="module")
def repository(github: GitHub, access: GitHubAccess) -> GitHubRepository:
    return access.blocking_repository(f"{github.web}/{SHOP}")


@pytest.fixture
def head(github: GitHub) -> str:
    return github.commit(SHOP, "main", {"a": str(github.new_id())})


def said(github: GitHub, head: str) -> list[tuple[str, str | None]]:
    return [(one.state, one.description) for one in github.repositories[SHOP].statuses if one.sha == head]


def check(head: str, state: GateState, title: str) -> GateCheck:
    return GateCheck(head=head, state=state, title=title)


def test_a_head_passes_only_while_it_is_approved(
    github: GitHub, access: GitHubAccess, repository: GitHubRepository, head: str
) -> None:
    gate = GateStatuses(repository, access.known, access.login(f"{github.web}/{SHOP}"))
    for state, title in ((GateState.WAITING, "w" * 200), (GateState.PASSED, "approved by ada")):
        for _ in range(2):
            assert gate.show(check(head, state, title)) == ""
    gate.withdraw(head, "another head was judged since")
    gate.withdraw(head, "another head was judged since")
    assert said(github, head) == [
        ("pending", "w" * 139 + "…"),
        ("success", "approved by ada"),
        ("error", "another head was judged since"),
    ]


def test_what_others_say_under_its_name_is_neither_ours_nor_ci_s(
    github: GitHub, access: GitHubAccess, repository: GitHubRepository, head: str
) -> None:
    mallory = github.person("mallory", **{SHOP: "write"})
    github.status(SHOP, head, "journeyman/gate", "success", login=mallory.account.login)
    gate = GateStatuses(repository, access.known, "robot")
    gate.withdraw(head, "not ours to take back")
    assert len(said(github, head)) == 1
    gate.show(check(head, GateState.PASSED, "approved by ada"))
    github.status(SHOP, head, "unit", "success")
    report = CiReader(repository, access.known, None).read(head, logs=False)
    assert [one.name for one in report.checks] == ["unit"]


def test_a_token_that_may_not_is_told_what_it_lacks(
    github: GitHub, access: GitHubAccess, repository: GitHubRepository, head: str
) -> None:
    gate = GateStatuses(repository, access.known, "robot")
    github.repositories[SHOP].collaborators["robot"] = "read"
    assert gate.show(check(head, GateState.WAITING, "waits")) == NO_PERMISSION
