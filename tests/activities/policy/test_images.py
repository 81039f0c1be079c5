"""Which system sandboxes have is the platform's to decide, and a team's only within what it allows."""

from typing import Any

import pytest

from activities.policy.combine import combine
from activities.policy.documents import PlatformPolicy, SecurityPolicy, TeamPolicy
from activities.policy.reading import read_document
from tests.activities.policy.test_combine import DETECTED, platform, task
from workflows.models.policy import PolicyRefusal

CONTAINERS = {
    "backend": "container",
    "container": {
        "socket": "/run/podman/podman.sock",
        "image": "localhost/base:1",
        "images": ["registry.example.com/agents/*", "localhost/node:22"],
    },
}


def image(team: str | None, sandbox: dict[str, Any] = CONTAINERS) -> str:
    asked = TeamPolicy() if team is None else TeamPolicy.model_validate({"image": team})
    return combine(platform(sandbox=sandbox), SecurityPolicy(), asked, DETECTED, task()).image


def test_a_team_that_names_no_image_has_the_platforms() -> None:
    assert image(None) == ""
    assert image(None, {}) == ""


@pytest.mark.parametrize("name", ["registry.example.com/agents/go:1.24", "localhost/node:22", "localhost/base:1"])
def test_a_team_has_the_image_that_it_names_if_the_platform_allows_it(name: str) -> None:
    assert image(name) == name


@pytest.mark.parametrize(
    "name",
    ["evil.example/agents/go:1", "registry.example.com/other/go:1", "localhost/node:22.evil", "xlocalhost/node:22"],
)
def test_an_image_that_the_platform_does_not_allow_is_refused_with_what_it_allows(name: str) -> None:
    with pytest.raises(PolicyRefusal, match=r"it allows registry\.example\.com/agents/\*, localhost/node:22"):
        image(name)


def test_an_image_is_refused_where_sandboxes_have_the_hosts_own_system() -> None:
    with pytest.raises(PolicyRefusal, match="ask the platform owner for containers"):
        image("localhost/node:22", {})


@pytest.mark.parametrize("name", ["", "-v", "a b", "../x", "x?y", "x#y", "x\\u0000", "a" * 300])
def test_what_could_not_name_an_image_is_refused_as_it_is_read(name: str) -> None:
    with pytest.raises(PolicyRefusal, match="image"):
        read_document(TeamPolicy, f'image = "{name}"'.encode(), "team.toml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[sandbox]\nbackend = "container"', "needs .sandbox.container. with `socket`"),
        ('[sandbox]\nbackend = "container"\n[sandbox.container]\nsocket = "/run/x.sock"', "and `image`"),
        ('[sandbox.container]\nsocket = "run/x.sock"', "must be an absolute path"),
        ('[sandbox.container]\nruntime = "runsc --flag"', "runtime"),
        ('[sandbox]\nbackend = "docker"', "backend"),
    ],
    ids=["no socket", "no image", "relative socket", "flags", "unknown backend"],
)
def test_a_sandbox_table_that_can_not_work_is_refused_with_what_it_needs(text: str, told: str) -> None:
    with pytest.raises(PolicyRefusal, match=told):
        read_document(PlatformPolicy, text.encode(), "journeyman.toml")
