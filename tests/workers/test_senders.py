"""Who an account on GitHub is: by the directory alone, and nobody else who takes over a login."""

from pathlib import Path

from activities.forge.github.access import GitHubAccess
from activities.forge.github.people import GitHubPeople
from activities.policy.owners import OwnersFiles
from activities.webhooks.payloads import User
from workers.gateway.senders import Senders


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
