"""An agent is refused a host: its run stands still, somebody answers, and the answer holds as far as it was meant."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, MEND, Installation, installed
from tests.workers.terminal import typed
from workers.cli.client import CommandFailed
from workflows.models.decision import Action
from workflows.models.question import Choice, QuestionKind
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("egress-questions")
# Stands for a program that tries again, as the refusal's words say; what it came to is in the patch.
AGENT = """
import sys, time, urllib.error, urllib.request
def ask(host):
    try:
        urllib.request.urlopen(f"http://{host}/x")
    except urllib.error.HTTPError as error:
        return error.code
def insist(host):
    for _ in range(60):
        if (code := ask(host)) != 403:
            return code
        time.sleep(0.1)
    return code
print(*(insist(host) for host in sys.argv[1:]), sep="\\n", file=open("codes.txt", "w"))
"""
REFUSED, ALLOWED = "403", "503"
"""Nobody answers at these names: the gateway tells what it allows and can't reach from what it refuses."""


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    program = place / "program"
    program.mkdir(mode=0o755)
    (program / "agent.py").write_text(AGENT)
    (program / "agent.py").chmod(0o644)
    (place / "security.toml").write_text('[egress]\nallow = ["*.team.example"]\n')
    tables = ["[egress]\nask = true"]
    for name, hosts in (
        ("one", "one.team.example"),
        ("two", "two.team.example three.team.example"),
        ("beyond", "beyond.invalid"),
    ):
        command = f"{MEND}; python3 /opt/agent/agent.py {hosts}"
        tables.append(
            f'[agents.{name}]\ncommand = ["sh", "-c", {json.dumps(command)}]\n'
            f'mounts = [{{ source = "{program}", target = "/opt/agent" }}]'
        )
    async with installed(place, configuration="\n".join(tables)) as installation:
        yield installation


async def codes(here: Installation, task: str) -> list[str]:
    view = await here.settles(task)
    assert view.status.stage is Stage.REVIEW, view.status.message
    diff = (await here.diff(task)).decode()
    return [line[1:] for line in diff.splitlines() if line in {f"+{REFUSED}", f"+{ALLOWED}"}]


async def test_a_host_is_allowed_once_by_an_approver_while_the_run_stands_still(
    here: Installation, state: Path
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, "one")
    question = (await here.reaches(task, Stage.QUESTION)).status.question
    assert question is not None
    assert (question.kind, question.hosts) == (QuestionKind.EGRESS, ("one.team.example:80",))
    shown = (await typed(here.settings.state, "show", task)).out
    assert f"journeyman answer {task} allow-once" in shown
    assert "stay refused and the run goes on" in shown
    with pytest.raises(CommandFailed, match="another person has to answer"):
        await here.answer(task, Choice.ALLOW_ONCE, person="ada")
    await here.answer(task, Choice.ALLOW_ONCE)
    assert await codes(here, task) == [ALLOWED]
    told = (await typed(here.settings.state, "evidence", task)).out
    assert "one.team.example:80 (allowed for this task by grace)" in told
    await here.decide(task, Action.REJECT)
    # Once is once: the next task asks again.
    again = await here.ask(repository, "one")
    assert (await here.reaches(again, Stage.QUESTION)).status.question is not None
    await here.decide(again, Action.CANCEL)


async def test_an_answer_for_the_repository_is_a_change_of_policy_with_its_author_that_can_be_taken_back(
    here: Installation, state: Path
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, "two")
    await here.answer(task, Choice.ALLOW_REPOSITORY)
    await next_question(here, task, "q1")
    await here.answer(task, Choice.REFUSE, person="ada")
    assert await codes(here, task) == [ALLOWED, REFUSED]
    await here.decide(task, Action.REJECT)
    listed = json.loads((await typed(here.settings.state, "hosts", "--repo", str(repository), "--json")).out)
    assert [(one["host"], one["choice"], one["person"], one["task_id"]) for one in listed] == [
        ("two.team.example:80", "allow-repository", "grace", task),
        ("three.team.example:80", "refuse", "ada", task),
    ]
    # Nobody is asked again, and the answers hold.
    second = await here.ask(repository, "two")
    assert await codes(here, second) == [ALLOWED, REFUSED]
    await here.decide(second, Action.REJECT)
    forgotten = await typed(
        here.settings.state, "hosts", "--repo", str(repository), "--forget", "two.team.example:80", "--as", "ben"
    )
    assert forgotten.code == 0, forgotten.error
    assert "allow-repository" not in forgotten.out
    third = await here.ask(repository, "two")
    question = (await here.reaches(third, Stage.QUESTION)).status.question
    assert question is not None and question.hosts == ("two.team.example:80",)
    await here.decide(third, Action.CANCEL)
    # Another repository never had any of it.
    other = make_repository(state / "other.git", FILES, bare=True)
    assert json.loads((await typed(here.settings.state, "hosts", "--repo", str(other), "--json")).out) == []


async def test_nobody_is_asked_about_what_security_does_not_let_anybody_allow(here: Installation, state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, "beyond")
    assert await codes(here, task) == [REFUSED]
    assert (await here.evidence(task)).egress_refused == ("beyond.invalid:80",)
    await here.decide(task, Action.REJECT)


async def next_question(here: Installation, task: str, answered: str) -> None:
    while (question := (await here.reaches(task, Stage.QUESTION)).status.question) is None or question.id == answered:
        await asyncio.sleep(0.1)
