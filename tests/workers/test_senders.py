"""Who an account on GitHub is: by the directory alone, and nobody else who takes over a login."""

from pathlib import Path

import pytest

from activities.forge.github.access import GitHubAccess
from activities.forge.github.people import GitHubPeople
from activities.policy.owners import OwnersFiles
from activities.webhooks.payloads import User
from tests.support.github.conforming import conforming_github
from workers.gateway.senders import NotAllowed, Senders


def test_a_login_is_told_apart_from_whoever_had_it_before_and_never_by_a_name(tmp_path: Path) -> None:
    people = 'ada = { github = "Ada-L", github_id = 7 }\ngrace = { github = "grace" }\nlinus = { mail = "l@x.y" }\n'
    (tmp_path / "journeyman.toml").write_text(f"[people]\n{people}")
    owners = OwnersFiles.at(tmp_path / "journeyman.toml", tmp_path / "security.toml")
    senders = Senders(owners, GitHubPeople(GitHubAccess(lambda: owners.platform().github)))

    def person(login: str, number: int) -> str:
        found = senders.person(User(login=login, id=number))
        return found.id if found is not None else ""

    assert person("ada-l", 7) == "ada"
    assert person("Ada-L", 8) == ""
    assert person("GRACE", 9) == "grace"
    assert (person("ada", 7), person("linus", 1), person("l@x.y", 1)) == ("", "", "")


async def test_whoever_wrote_another_number_of_an_account_is_told_of_that(tmp_path: Path) -> None:
    with conforming_github(tmp_path / "github") as github:
        github.repository("acme/shop")
        (tmp_path / "token").write_text(github.person("ada", **{"acme/shop": "admin"}).value)
        (tmp_path / "journeyman.toml").write_text(
            f'[github]\nweb = "{github.web}"\ntoken = {{ file = "{tmp_path / "token"}" }}\n'
            '[people.ada]\ngithub = "ada"\ngithub_id = 4711\n'
        )
        owners = OwnersFiles.at(tmp_path / "journeyman.toml", tmp_path / "security.toml")
        senders = Senders(owners, GitHubPeople(GitHubAccess(lambda: owners.platform().github)))
        number = github.account("ada").id
        with pytest.raises(NotAllowed, match=f"ada has a `github_id` in journeyman.toml that is not {number}"):
            await senders.commanding(f"{github.web}/acme/shop", User(login="ada", id=number))
