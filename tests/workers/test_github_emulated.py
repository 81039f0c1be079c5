"""The main job against a GitHub that is not ours."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.emulated.emulator import APP, PEOPLE, Emulated, emulated_github
from tests.workers.installation import FILES, Installation, installed
from tests.workers.on_github import merged
from workers.embedded.temporal_server import free_port
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome

pytestmark = pytest.mark.xdist_group("github-emulated")
SECRET = "a secret of the webhook's"
SHOP = "acme/shop"


@pytest.fixture(scope="module")
def hook_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def github(place: Path, hook_port: int) -> Iterator[Emulated]:
    hook = f"http://127.0.0.1:{hook_port}/webhooks/github"
    with emulated_github(place / "github", (SHOP, "acme/labelled"), FILES, hook, SECRET) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, github: Emulated, hook_port: int) -> AsyncIterator[Installation]:
    (place / "app.pem").write_text(github.private_key)
    (place / "secret").write_text(f"{SECRET}\n")
    hooks = f'webhooks = {{ address = "127.0.0.1:{hook_port}", secrets = ["{place / "secret"}"] }}'
    whose = f'api = "{github.web}", app_id = {APP["id"]}, private_key = "{place / "app.pem"}"'
    people = ", ".join(f'{name} = {{ github = "{name}" }}' for name in PEOPLE)
    table = f'github = {{ web = "{github.web}", {whose}, {hooks} }}\npeople = {{ {people} }}'
    async with installed(place, configuration=table) as one:
        yield one


async def test_a_task_lands_and_is_taken_back(here: Installation, github: Emulated) -> None:
    try:
        view = await merged(here, SHOP)
    finally:
        for one in github.front.answered:
            print(one)
    assert view.status.outcome is Outcome.MERGED, view.status.message
    bare = github.bare(SHOP)
    assert bare.branch("main") == view.status.merge_commit
    assert "return a + b" in bare.git("show", "main:calc.py")
    result = await here.revert(view.status.task.id)
    assert result.outcome is RevertOutcome.REVERTED
    assert "return a - b" in bare.git("show", "main:calc.py")
