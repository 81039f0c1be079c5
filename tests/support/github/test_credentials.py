"""Who is let in: apps by their own key, tokens for an hour, and only to what they were given."""

import time
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
import requests
from github import GithubException

from tests.support.github.accounts import now
from tests.support.github.clients import as_app, as_installation, git, installation_token, with_token
from tests.support.github.stand_in import GitHub, InstalledApp


def asked_by_jwt(github: GitHub, key: str, issuer: str, issued: float, expires: float) -> requests.Response:
    signed = jwt.encode({"iss": issuer, "iat": int(issued), "exp": int(expires)}, key, "RS256")
    return requests.get(f"{github.api}/app", headers={"Authorization": f"Bearer {signed}"}, timeout=10)


def test_an_apps_own_token_must_be_fresh_and_signed_by_its_key(github: GitHub, installed: InstalledApp) -> None:
    moment, app, key = time.time(), str(installed.app.id), installed.private_key
    assert asked_by_jwt(github, key, app, moment - 60, moment + 540).json()["slug"] == "journeyman"
    assert asked_by_jwt(github, key, installed.app.client_id, moment, moment + 540).status_code == 200
    late = asked_by_jwt(github, key, app, moment - 700, moment - 100)
    assert (late.status_code, "'Expiration time' claim" in late.json()["message"]) == (401, True)
    long = asked_by_jwt(github, key, app, moment, moment + 1200)
    assert "is too far in the future" in long.json()["message"]
    ahead = asked_by_jwt(github, key, app, moment + 300, moment + 600)
    assert "'Issued at' claim ('iat')" in ahead.json()["message"]
    other = github.install("other", "acme/shop")
    forged = asked_by_jwt(github, other.private_key, app, moment, moment + 540)
    assert forged.json()["message"] == "A JSON web token could not be decoded"
    assert asked_by_jwt(github, key, "1", moment, moment + 540).status_code == 404


def test_a_token_that_has_run_out_opens_neither_the_api_nor_git(
    github: GitHub, installed: InstalledApp, tmp_path: Path
) -> None:
    token = installation_token(github, installed)
    assert git(tmp_path, "ls-remote", github.clone_url("acme/shop", token)).returncode == 0
    github.tokens[token].expires = now() - timedelta(seconds=1)
    with pytest.raises(GithubException) as refused:
        with_token(github, token).get_repo("acme/shop")
    assert (refused.value.status, refused.value.data["message"]) == (401, "Bad credentials")
    refused_by_git = git(tmp_path, "ls-remote", github.clone_url("acme/shop", token))
    assert refused_by_git.returncode == 128
    assert "Authentication failed" in refused_by_git.stderr
    assert "could not read Username" in git(tmp_path, "ls-remote", github.clone_url("acme/shop")).stderr


def test_a_repository_that_the_app_was_not_given_is_not_there(
    github: GitHub, installed: InstalledApp, tmp_path: Path
) -> None:
    github.repository("acme/secret")
    token = installation_token(github, installed)
    with pytest.raises(GithubException) as refused:
        with_token(github, token).get_repo("acme/secret")
    assert refused.value.status == 404
    told = git(tmp_path, "ls-remote", github.clone_url("acme/secret", token))
    assert "not found" in told.stderr
    with as_app(github, installed) as integration, pytest.raises(GithubException) as absent:
        integration.get_repo_installation("acme", "secret")
    assert absent.value.status == 404


def test_a_token_can_be_asked_for_with_less_but_not_with_more(github: GitHub, installed: InstalledApp) -> None:
    github.repository("acme/site")
    assert installed.installation.repositories is not None
    installed.installation.repositories.add("acme/site")
    with as_app(github, installed) as integration:
        narrow = integration.requester.requestJsonAndCheck(
            "POST",
            f"/app/installations/{installed.installation.id}/access_tokens",
            input={"repositories": ["site"], "permissions": {"contents": "read"}},
        )[1]
        with pytest.raises(GithubException) as refused:
            integration.get_access_token(installed.installation.id, permissions={"administration": "write"})
    assert refused.value.status == 422
    assert [one["full_name"] for one in narrow["repositories"]] == ["acme/site"]
    client = with_token(github, narrow["token"])
    site = client.get_repo("acme/site")
    assert not site.permissions.push
    with pytest.raises(GithubException) as absent:
        client.get_repo("acme/shop")
    assert absent.value.status == 404
    with pytest.raises(GithubException) as forbidden:
        site.create_git_ref("refs/heads/x", site.get_branch("main").commit.sha)
    assert (forbidden.value.status, forbidden.value.data["message"]) == (
        403,
        "Resource not accessible by integration",
    )


def test_a_token_that_may_only_read_can_not_push(github: GitHub, tmp_path: Path) -> None:
    reader = github.install("reader", "acme/shop", permissions={"contents": "read", "metadata": "read"})
    address = github.clone_url("acme/shop", installation_token(github, reader))
    assert git(tmp_path, "clone", "-q", address, "work").returncode == 0
    pushed = git(tmp_path / "work", "push", "origin", "main:other")
    assert "Permission to acme/shop.git denied to reader[bot]." in pushed.stderr
    assert "403" in pushed.stderr


def test_a_suspended_installation_gets_and_keeps_no_token(github: GitHub, installed: InstalledApp) -> None:
    client = as_installation(github, installed)
    installed.installation.suspended = now()
    with pytest.raises(GithubException) as refused:
        client.get_repo("acme/shop")
    assert refused.value.status == 403
    with pytest.raises(GithubException) as refused:
        installation_token(github, installed)
    assert refused.value.data["message"] == "This installation has been suspended"


def test_an_app_sees_where_it_is_installed(github: GitHub, installed: InstalledApp) -> None:
    with as_app(github, installed) as integration:
        assert integration.get_app().slug == "journeyman"
        assert [one.id for one in integration.get_installations()] == [installed.installation.id]
        assert integration.get_app_installation(installed.installation.id).app_id == installed.app.id
        listed = integration.get_app_installation(installed.installation.id).get_repos()
        assert [one.full_name for one in listed] == ["acme/shop"]
    client = as_installation(github, installed)
    assert client.get_rate_limit().rate.remaining > 0
    assert client.get_user("acme").login == "acme"
