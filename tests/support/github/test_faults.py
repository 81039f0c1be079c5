"""What goes wrong on the way, as PyGithub and git meet it."""

import time
from pathlib import Path

import pytest
import requests
from github import GithubException, RateLimitExceededException

from tests.support.github.clients import as_installation, git, installation_token
from tests.support.github.faults import Trouble
from tests.support.github.stand_in import GitHub, InstalledApp

CREATE = "POST /repos/{owner}/{repo}/pulls"


@pytest.mark.parametrize(
    ("trouble", "made"),
    [
        (Trouble.LOST_ANSWER, True),
        (Trouble.BAD_GATEWAY_AFTER, True),
        (Trouble.GARBAGE, True),
        (Trouble.DROPPED, False),
        (Trouble.BAD_GATEWAY, False),
        (Trouble.SERVER_ERROR, False),
    ],
)
def test_whether_a_request_that_failed_was_done_shows_only_afterwards(
    github: GitHub, installed: InstalledApp, trouble: Trouble, made: bool
) -> None:
    github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 3\n"})
    repository = as_installation(github, installed).get_repo("acme/shop")
    github.fault(trouble, CREATE)
    with pytest.raises((GithubException, requests.ConnectionError, ValueError)):
        _ = repository.create_pull(base="main", head="agent/price", title="Price", body="").number
    found = repository.get_pulls(head="acme:agent/price", state="all")
    assert [pull.number for pull in found] == ([1] if made else [])


def test_a_push_whose_answer_is_lost_has_arrived(github: GitHub, installed: InstalledApp, tmp_path: Path) -> None:
    token = installation_token(github, installed)
    assert git(tmp_path, "clone", "-q", github.clone_url("acme/shop", token), "work").returncode == 0
    github.fault(Trouble.LOST_ANSWER, "git-receive-pack")
    pushed = git(tmp_path / "work", "push", "origin", "main:agent/price")
    assert pushed.returncode != 0
    assert github.repositories["acme/shop"].git.branch("agent/price") is not None
    github.fault(Trouble.BAD_GATEWAY, "git-receive-pack")
    assert "502" in git(tmp_path / "work", "push", "origin", "main:agent/other").stderr
    assert github.repositories["acme/shop"].git.branch("agent/other") is None


@pytest.mark.parametrize("status", [403, 429])
def test_limits_say_when_they_end(github: GitHub, installed: InstalledApp, status: int) -> None:
    client = as_installation(github, installed)
    github.fault(Trouble.PRIMARY_LIMIT, seconds=60, status=status)
    with pytest.raises(GithubException) as primary:
        client.get_repo("acme/shop")
    headers = primary.value.headers or {}
    assert headers["x-ratelimit-remaining"] == "0"
    assert 0 < int(headers["x-ratelimit-reset"]) - time.time() < 70
    github.fault(Trouble.SECONDARY_LIMIT, seconds=7, status=status)
    with pytest.raises(GithubException) as secondary:
        client.get_repo("acme/shop")
    assert (secondary.value.headers or {})["retry-after"] == "7"
    assert isinstance(primary.value, RateLimitExceededException) == (status == 403)
    assert client.get_repo("acme/shop").name == "shop"


def test_a_refusal_of_the_tests_own_is_told_as_it_is(github: GitHub, installed: InstalledApp) -> None:
    github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 3\n"})
    repository = as_installation(github, installed).get_repo("acme/shop")
    pull = repository.create_pull(base="main", head="agent/price", title="Price", body="")
    words = "Base branch was modified. Review and try the merge again."
    github.fault(Trouble.REFUSED, "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge", status=405, words=words)
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert (refused.value.status, refused.value.data["message"]) == (405, words)
    github.fault(Trouble.LOST_ANSWER, "POST /graphql")
    with pytest.raises(requests.ConnectionError):
        pull.convert_to_draft()
    assert repository.get_pull(pull.number).draft


def test_a_slow_answer_comes_late(github: GitHub, installed: InstalledApp) -> None:
    client = as_installation(github, installed)
    github.fault(Trouble.SLOW, "GET /repos/{owner}/{repo}", after=1)
    began = time.monotonic()
    client.get_repo("acme/shop")
    between = time.monotonic()
    client.get_repo("acme/shop")
    assert time.monotonic() - between >= 1 > between - began


def test_what_a_caller_has_already_is_not_sent_again(github: GitHub, installed: InstalledApp) -> None:
    headers = {"Authorization": f"Bearer {installation_token(github, installed)}"}
    url = f"{github.api}/repos/acme/shop/branches"
    first = requests.get(url, headers=headers, timeout=10)
    same = requests.get(url, headers=headers | {"If-None-Match": first.headers["ETag"]}, timeout=10)
    assert (same.status_code, same.content) == (304, b"")
    github.commit("acme/shop", "main", {"a.txt": "1\n"})
    changed = requests.get(url, headers=headers | {"If-None-Match": first.headers["ETag"]}, timeout=10)
    assert changed.status_code == 200


def test_what_is_no_json_is_refused(github: GitHub, installed: InstalledApp) -> None:
    headers = {"Authorization": f"Bearer {installation_token(github, installed)}"}
    url = f"{github.api}/repos/acme/shop/pulls"
    assert requests.post(url, data="{", headers=headers, timeout=10).json()["message"] == "Problems parsing JSON"
    assert requests.post(url, data="[1]", headers=headers, timeout=10).status_code == 400
    assert requests.post(url, json={"title": "x"}, headers=headers, timeout=10).status_code == 422
    assert requests.get(f"{url}/one", headers=headers, timeout=10).status_code == 404
    assert requests.get(f"{github.api}/nothing", headers=headers, timeout=10).status_code == 404
    assert requests.get(url, timeout=10).status_code == 401
