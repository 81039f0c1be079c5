"""The main job where the work lands on GitHub: real PyGithub and git against a stand-in, and everything else real."""

import getpass
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.github.conforming import conforming_github
from tests.support.github.faults import Trouble
from tests.support.github.protection import Protection
from tests.support.github.stand_in import GitHub, InstalledApp
from tests.support.repositories import commit_to_bare, git
from tests.workers.installation import FILES, Installation, installed
from tests.workers.on_github import PERMISSIONS
from tests.workers.terminal import typed
from workers.gateway.messages import TaskView
from workflows.models.decision import Action
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage
from workflows.models.trace import trace_of

pytestmark = pytest.mark.xdist_group("github")
SHOP = "acme/shop"


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        yield server


@pytest.fixture(scope="module")
def app(github: GitHub) -> InstalledApp:
    github.repository(SHOP, FILES)
    return github.install("journeyman", account="acme", permissions=PERMISSIONS)


@pytest.fixture(scope="module")
def signing_key(place: Path) -> Path:
    key = place / "sign"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    return key


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, github: GitHub, app: InstalledApp, signing_key: Path) -> AsyncIterator[Installation]:
    key = place / "app.pem"
    key.write_text(app.private_key)
    whose = f'app_id = {app.app.id}, private_key = "{key}"'
    table = f'github = {{ web = "{github.web}", {whose}, merge_method = "squash" }}\n'
    table += f'signing_key = "{signing_key}"\n'
    who = getpass.getuser()
    table += f'people.{who} = {{ os = "{who}", name = "Ada Lovelace", mail = "ada@example.com" }}\n'
    traces = "https://traces.example/{trace_id}?(all)"
    async with installed(place, temporal_ui="https://temporal.example", trace_ui=traces, configuration=table) as one:
        yield one


def calc(github: GitHub, name: str) -> str:
    return git(github.repositories[name].git.path, "show", "main:calc.py")


def parents(github: GitHub, name: str) -> list[str]:
    return git(github.repositories[name].git.path, "log", "-1", "--format=%P", "main").split()


async def proposed(here: Installation, name: str, agent: str = "mender") -> tuple[str, TaskView]:
    asked = await typed(
        here.settings.state, "run", "mend add()", "--repo", f"github:{name}", "--agent", agent, "--json"
    )
    assert asked.code == 0, asked.error
    task = asked.out.split('"task_id": "')[1].split('"')[0]
    return task, await here.reaches(task, Stage.REVIEW, Stage.ENDED)


async def merged(here: Installation, name: str) -> tuple[str, TaskView]:
    task, view = await proposed(here, name)
    assert view.status.stage is Stage.REVIEW, view.status.message
    await here.decide(task, Action.APPROVE)
    await here.decide(task, Action.MERGE)
    return task, await here.reaches(task, Stage.ENDED, Stage.APPROVED)


async def test_a_task_lands_on_github_and_is_taken_back(here: Installation, github: GitHub) -> None:
    task, view = await merged(here, SHOP)
    assert view.status.outcome is Outcome.MERGED, view.status.message
    assert view.status.pull_request is not None
    assert view.status.pull_request.url == f"{github.web}/{SHOP}/pull/{view.status.pull_request.number}"
    (told,) = [one.body for one in github.pull(SHOP, view.status.pull_request.number).comments]
    assert f"**Merged** as `{view.status.merge_commit}`" in told and f"journeyman revert {task}" in told
    assert "journeyman merge" not in told
    repository = github.repositories[SHOP]
    assert "return a + b" in calc(github, SHOP)
    assert len(parents(github, SHOP)) == 1
    body = github.pull(SHOP, view.status.pull_request.number).body
    assert body is not None
    assert "## The agent's reasoning" in body
    assert f"[Temporal](https://temporal.example/namespaces/default/workflows/task%2F{task})" in body
    trace = f"https://traces.example/{trace_of(task, view.status.task.trace).trace_id}?(all)"
    assert f"[its trace](<{trace}>)" in body
    state = here.settings.state
    assert trace in (await typed(state, "show", task)).out
    assert (await typed(state, "open", "--trace", task)).out == f"{trace}\n"
    assert f"`journeyman logs {task}`" in body and f"`tasks/{task}`" in body
    assert repository.git.branch("main") == view.status.merge_commit
    # From a blamed line to the reasoning, without this installation.
    log = git(repository.git.path, "log", "-1", "--format=%B", "--notes=refs/notes/journeyman", "main")
    for trailer in (f"Journeyman-Task: {task}", "Journeyman-Agent: mender", "Approved-by: grace"):
        assert trailer in log
    assert "Co-authored-by: Ada Lovelace <ada@example.com>" in log
    assert view.status.patch is not None
    proposed = git(repository.git.path, "log", "-1", "--format=%B", view.status.patch.head)
    assert "Co-authored-by: Ada Lovelace <ada@example.com>" in proposed
    notes = git(repository.git.path, "notes", "--ref=journeyman", "show", view.status.merge_commit)
    assert "## The agent's reasoning" in notes and "> add() subtracted; now it adds" in notes
    result = await here.revert(task)
    assert result.outcome is RevertOutcome.REVERTED
    assert "return a - b" in calc(github, SHOP)
    assert view.status.patch is not None
    for commit in (view.status.patch.head, result.commit):
        assert "SSH SIGNATURE" in git(repository.git.path, "cat-file", "commit", commit)
    assert (await here.revert(task)).outcome is RevertOutcome.ALREADY_REVERTED


async def test_no_token_and_no_key_is_in_any_file_of_the_installation(
    here: Installation, github: GitHub, app: InstalledApp, place: Path
) -> None:
    github.repository("acme/secret", FILES)
    await merged(here, "acme/secret")
    tokens = [token.encode() for token in github.tokens]
    assert tokens
    for path in place.rglob("*"):
        if path.is_file() and not path.is_relative_to(place / "github") and path.name != "app.pem":
            content = path.read_bytes()
            assert not any(token in content for token in tokens), path
            assert app.private_key.encode() not in content, path


async def test_what_protection_misses_is_told_and_it_lands_once_it_is_there(here: Installation, github: GitHub) -> None:
    github.repository("acme/guarded", FILES)
    github.protect("acme/guarded", Protection(approvals=1))
    github.person("grace", **{"acme/guarded": "write"})
    task, view = await merged(here, "acme/guarded")
    assert view.status.stage is Stage.APPROVED
    assert "approving review" in view.status.message
    assert view.status.pull_request is not None
    github.review("acme/guarded", view.status.pull_request.number, "grace")
    await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    # Its revert can't be pushed there, nor merged without a review: it waits as a pull request.
    reverted = await here.revert(task)
    assert reverted.outcome is RevertOutcome.PROPOSED
    assert reverted.pull_request.startswith(f"{github.web}/acme/guarded/pull/")


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("acme/lost-proposal", "POST /repos/{owner}/{repo}/pulls"),
        ("acme/lost-merge", "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge"),
        ("acme/lost-push", "git-receive-pack"),
    ],
)
async def test_an_answer_that_is_lost_does_nothing_twice(
    here: Installation, github: GitHub, name: str, operation: str
) -> None:
    github.repository(name, FILES)
    github.fault(Trouble.LOST_ANSWER, operation)
    _, view = await merged(here, name)
    assert view.status.outcome is Outcome.MERGED, view.status.message
    assert len(github.repositories[name].pulls) == 1
    assert github.repositories[name].git.branch("main") == view.status.merge_commit


async def test_a_repository_that_the_app_does_not_have_is_refused_in_words(here: Installation) -> None:
    asked = await typed(here.settings.state, "run", "mend add()", "--repo", "github:other/thing", "--agent", "mender")
    assert asked.code == 2
    assert "is the App installed there?" in asked.error


async def test_a_repository_that_allows_another_method_only_is_merged_by_that(
    here: Installation, github: GitHub
) -> None:
    github.repository("acme/merges", FILES).methods = {"merge"}
    _, view = await merged(here, "acme/merges")
    assert view.status.outcome is Outcome.MERGED, view.status.message
    assert len(parents(github, "acme/merges")) == 2


async def test_a_repository_is_halted_and_trusted_however_its_name_is_typed(here: Installation, github: GitHub) -> None:
    github.repository("acme/halted", FILES)
    for typed_as in ("github:Acme/Halted", f"{github.web}/acme/HALTED.git"):
        halted = await typed(here.settings.state, "halt", "--repo", typed_as, "-m", "stop", "--as", "ada")
        assert halted.code == 0, halted.error
        refused = await typed(here.settings.state, "run", "mend add()", "--repo", "github:acme/halted")
        assert refused.code == 1 and f"halted (repository {github.web}/acme/halted)" in refused.error
        assert (await typed(here.settings.state, "resume", "--repo", typed_as, "--as", "ada")).code == 0
        assert (await typed(here.settings.state, "trust", "--repo", typed_as)).code == 0


async def test_a_task_is_shown_while_github_is_away(here: Installation, github: GitHub) -> None:
    github.repository("acme/away", FILES)
    task, _ = await merged(here, "acme/away")
    github.fault(Trouble.BAD_GATEWAY, "git-upload-pack", times=None)
    try:
        shown = await typed(here.settings.state, "show", task)
    finally:
        github.faults.coming.clear()
    assert shown.code == 0, shown.error


async def test_a_repository_s_own_file_counts_as_soon_as_a_task_is_asked_for(
    here: Installation, github: GitHub
) -> None:
    team = "[task_types.typo]\nmax_changed_lines = 9\n"
    github.repository("acme/ruled", FILES | {".journeyman/team.toml": team})
    named = ("--repo", "github:acme/ruled")
    trusted = await typed(here.settings.state, "trust", *named)
    assert any(line.startswith("typo ") for line in trusted.out.splitlines()), trusted.error
    elsewhere = await typed(here.settings.state, "trust", "--repo", f"github:{SHOP}")
    assert elsewhere.code == 0 and "typo " not in elsewhere.out, elsewhere.error
    path = github.repositories["acme/ruled"].git.path
    commit_to_bare(path, {".journeyman/team.toml": "allow_self_approval = true\n"})
    refused = await typed(here.settings.state, "run", "mend add()", *named, "--agent", "mender")
    assert (refused.code, ".journeyman/team.toml, line 1: `allow_self_approval`" in refused.error) == (2, True)
