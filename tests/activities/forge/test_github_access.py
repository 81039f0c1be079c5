"""As whom GitHub is asked: what is wrong with a credential is told to its owner, and nothing of it is repeated."""

from pathlib import Path

import pytest

from activities.forge.github.access import GitHubAccess
from activities.forge.github.failed import NotConfigured
from activities.policy.github_table import GitHubTable, address
from activities.repository.git import Git, GitError
from tests.support.github.conforming import conforming_github
from workflows.models.policy import PolicyRefusal

SHOP = "https://github.com/acme/shop"


def by_app(key: Path) -> GitHubAccess:
    table = GitHubTable(app_id=1, private_key=key)
    return GitHubAccess(lambda: table)


@pytest.mark.parametrize(
    "content",
    [b"", b"sk-secret-0123", b"-----BEGIN RSA PRIVATE KEY-----\nsecret\n-----END RSA PRIVATE KEY-----\n", b"\xff\xfe"],
    ids=["empty", "a token", "damaged", "no text"],
)
async def test_a_file_that_holds_no_private_key_is_named_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    key = tmp_path / "app.pem"
    key.write_bytes(content)
    with pytest.raises(NotConfigured, match=r"app\.pem holds no private key") as refused:
        await by_app(key).git_environment(SHOP)
    assert "secret" not in str(refused.value)


async def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"app\.pem can't be read"):
        await by_app(tmp_path / "app.pem").git_environment(SHOP)


async def test_no_credential_is_asked_for_where_a_repository_is_elsewhere(tmp_path: Path) -> None:
    access = by_app(tmp_path / "none.pem")
    for url in ("/srv/git/shop.git", "https://github.com.evil.example/acme/shop", "https://gitlab.com/acme/shop"):
        assert await access.git_environment(url) == {}


async def test_a_token_that_counts_no_more_says_what_to_type(tmp_path: Path) -> None:
    with conforming_github(tmp_path / "github") as github:
        github.repository("acme/shop")
        (tmp_path / "token").write_text("ghp_revoked")
        table = GitHubTable.model_validate({"web": github.web, "token": {"file": str(tmp_path / "token")}})
        url = f"{github.web}/acme/shop"
        environment = await GitHubAccess(lambda: table).git_environment(url)
        with pytest.raises(GitError, match=r"reading it failed: .*`journeyman github check --repo REPO`") as refused:
            await Git(tmp_path / "git").run("ls-remote", url, purpose="reading it", environment=environment)
    assert "ghp_revoked" not in str(refused.value) and "askpass" not in str(refused.value)


@pytest.mark.parametrize("typed", ["github:Acme/Shop", SHOP, f"{SHOP}.git", f"{SHOP}/", "https://GitHub.com/ACME/shop"])
def test_a_repository_has_one_address(typed: str) -> None:
    assert address(GitHubTable(app_id=1, private_key=Path("/key")), typed) == SHOP


@pytest.mark.parametrize("typed", ["github:", "github:shop", "github:acme/shop/x", "github:../..", "github:-x/y"])
def test_what_names_no_repository_is_refused(typed: str) -> None:
    with pytest.raises(PolicyRefusal, match="give github:OWNER/NAME"):
        address(GitHubTable(app_id=1, private_key=Path("/key")), typed)


def test_without_a_github_the_name_says_what_to_write() -> None:
    with pytest.raises(PolicyRefusal, match=r"write \[github\]"):
        address(None, "github:acme/shop")
    assert address(None, "/srv/git/shop.git") == "/srv/git/shop.git"
