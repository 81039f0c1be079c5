"""Somebody halts work: it stands still at once, nothing of it lands or is lost, and it goes on when it is lifted."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workers.cli.client import CommandFailed
from workers.gateway.messages import NewHalt
from workflows.models.decision import Action
from workflows.models.halt import HaltScope, Reach
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("halt")
SLOW_CHECK = """
team = "sales"
[[checks]]
name = "slow"
command = "echo began; while [ ! -e /opt/journeyman/none ]; do sleep 0.1; n=$((n+1)); [ $n -lt 30 ] || exit 0; done"
"""


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    (place / "security.toml").write_text('halt = ["ada", "grace"]\n')
    hasty = (
        '[agents.hasty]\ncommand = ["sh", "/opt/agent/agent.sh"]\n'
        f'mounts = [{{ source = "{place / "agents" / "ticker"}", target = "/opt/agent" }}]\n'
        f"[agents.hasty.hangs]\nstall = {QUIET}\n"
    )
    async with installed(place, capacity=4, configuration=hasty) as installation:
        yield installation


async def types(here: Installation, *arguments: str, code: int = 0) -> str:
    done = await typed(here.settings.state, *arguments)
    assert done.code == code, (done.out, done.error)
    return done.out if code == 0 else done.error


QUIET = 4
"""Seconds after which the agent `hasty` counts as hanging."""
EVERYTHING = HaltScope(reach=Reach.ALL)


async def halt(here: Installation, scope: HaltScope = EVERYTHING, reason: str = "stop", person: str = "ada") -> None:
    asked = NewHalt(id=secrets.token_hex(8), scope=scope, reason=reason)
    await asyncio.to_thread(here.gateway(person).halt, asked)


async def resume(here: Installation, scope: HaltScope = EVERYTHING, person: str = "ada") -> None:
    await asyncio.to_thread(here.gateway(person).resume, NewHalt(id=secrets.token_hex(8), scope=scope))


def of(repository: Path) -> HaltScope:
    return HaltScope(reach=Reach.REPOSITORY, name=str(repository))


async def stands_still(here: Installation, *runs: str, seconds: float = 10) -> float:
    """Until all of them do; how long that took. Five seconds are promised, and machines are busy."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not all(map(here.parts.sandboxes.stands_still, runs)):
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def goes_on(here: Installation, run: str, seconds: float = 20) -> None:
    output = here.settings.hosts / here.parts.host / "runs" / run / "output.log"
    said = output.stat().st_size
    async with asyncio.timeout(seconds):
        while output.stat().st_size <= said:
            await asyncio.sleep(0.02)


async def ticking(here: Installation, repository: Path, agent: str = "ticker") -> tuple[str, str]:
    """A task whose agent is at work, and its run."""
    task = await here.ask(repository, agent)
    await here.reaches(task, Stage.RUN)
    async with asyncio.timeout(30):
        while b"tick" not in (await asyncio.to_thread(here.gateway("ada").log, task, 0)).data:
            await asyncio.sleep(0.05)
    return task, f"{task}-1-1"


async def released(here: Installation, *tasks: str) -> None:
    """Let tickers come to their end, and take their tasks off the table."""
    (here.agents / "ticker" / "go").touch()
    for task in tasks:
        assert (await here.reaches(task, Stage.REVIEW)).status.round == 1
        await here.decide(task, Action.REJECT)
    (here.agents / "ticker" / "go").unlink()


async def test_a_run_stands_still_within_five_seconds_and_goes_on_where_it_was(here: Installation, state: Path) -> None:
    task, run = await ticking(here, make_repository(state / "till.git", FILES, bare=True))
    await halt(here, reason="a key leaked", person="grace")
    await stands_still(here, run)
    output = here.settings.hosts / here.parts.host / "runs" / run / "output.log"
    before = output.read_bytes()
    shown = await types(here, "show", task)
    assert "halted (everything) by grace at " in shown
    assert "a key leaked; `journeyman resume --all`" in shown
    told = await typed(here.settings.state, "tasks")
    assert "halted (everything) by grace: a key leaked" in told.error
    assert [(one["halted_by"], one["reason"]) for one in json.loads(await types(here, "halts", "--json"))] == [
        ("grace", "a key leaked")
    ]
    sick = await typed(here.settings.state, "doctor")
    assert "halted (everything) by grace" in sick.out
    assert output.read_bytes() == before
    assert "a key leaked" in await types(here, "resume", "--all", "-m", "it is revoked", "--as", "ada")
    await goes_on(here, run)
    assert "Nothing is halted." in await types(here, "halts")
    past = await types(here, "halts", "--past")
    assert "grace" in past and "ada" in past and "it is revoked" in past
    await released(here, task)


async def test_a_halted_run_is_taken_for_no_hang(here: Installation, state: Path) -> None:
    task, run = await ticking(here, make_repository(state / "till.git", FILES, bare=True), "hasty")
    await halt(here)
    await stands_still(here, run)
    # For longer than a silence that counts as a hang, were it one.
    await asyncio.sleep(2 * QUIET)
    await resume(here)
    await goes_on(here, run)
    (here.agents / "ticker" / "go").touch()
    status = (await here.reaches(task, Stage.REVIEW)).status
    assert (status.hangs, status.runs) == ((), 1)
    await released(here, task)


async def test_what_is_cancelled_during_a_halt_ends_at_once_and_its_work_is_kept(
    here: Installation, state: Path
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, "mended-ticker")
    await here.reaches(task, Stage.RUN)
    run = f"{task}-1-1"
    async with asyncio.timeout(30):
        while b"tick" not in (await asyncio.to_thread(here.gateway("ada").log, task, 0)).data:
            await asyncio.sleep(0.05)
    await halt(here)
    await stands_still(here, run)
    await here.decide(task, Action.CANCEL)
    status = (await here.reaches(task, Stage.ENDED, seconds=40)).status
    assert status.outcome is Outcome.CANCELLED
    assert "a + b" in (await here.diff(task)).decode()
    await resume(here)


async def test_a_halted_repository_leaves_others_going_on_and_takes_no_new_task(
    here: Installation, state: Path
) -> None:
    shop, till = (make_repository(state / f"{name}.git", FILES, bare=True) for name in ("shop", "till"))
    halted, other = await ticking(here, shop), await ticking(here, till)
    known = await here.ask(shop, "mender", key="known")
    await here.reaches(known, Stage.REVIEW)
    said = await types(here, "halt", "--repo", str(shop), "-m", "wrong branch", "--as", "ada")
    assert f"journeyman resume --repo {shop}" in said
    await stands_still(here, halted[1])
    await goes_on(here, other[1])
    assert (await here.view(other[0])).halted == ""
    with pytest.raises(CommandFailed, match=r"nothing was started: halted \(repository .*shop.git\) by ada .*resume"):
        await here.ask(shop, "mender")
    # Who asks for what is there already is told of it.
    assert await here.ask(shop, "mender", key="known") == known
    more = await here.ask(till, "mender")
    await here.reaches(more, Stage.REVIEW)
    refused = await types(here, "resume", "--all", "--as", "ada", code=1)
    assert "everything is not halted; what is: repository" in refused
    await resume(here, of(shop))
    await goes_on(here, halted[1])
    await released(here, halted[0], other[0])
    for task in (known, more):
        await here.decide(task, Action.REJECT)


async def test_a_merge_is_refused_during_a_halt_and_possible_afterwards_and_a_revert_always_is(
    here: Installation, state: Path
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    first, second = await here.ask(repository, "mender"), await here.ask(repository, "tidy", goal="tidy up")
    await here.reaches(first, Stage.REVIEW)
    base = git(repository, "rev-parse", "main")
    await halt(here, reason="look at it first")
    await here.decide(first, Action.APPROVE)
    refused = await types(here, "merge", first, "--as", "grace", code=1)
    assert "not merged: halted (everything) by ada" in refused
    assert git(repository, "rev-parse", "main") == base
    status = (await here.view(first)).status
    assert (status.stage, status.outcome) == (Stage.APPROVED, None)
    await resume(here)
    await here.decide(first, Action.MERGE)
    assert (await here.reaches(first, Stage.ENDED)).status.outcome is Outcome.MERGED
    await halt(here, reason="it was wrong")
    assert (await here.revert(first)).outcome is RevertOutcome.REVERTED
    assert "a - b" in git(repository, "show", "main:calc.py")
    # What was cancelled meanwhile is over, wherever it stood.
    if (await here.view(second)).status.outcome is None:
        await here.decide(second, Action.CANCEL)
    assert (await here.reaches(second, Stage.ENDED, seconds=30)).status.outcome is not None
    await resume(here)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
async def test_nothing_lands_after_a_halt_that_races_with_an_approval_and_a_merge(
    here: Installation, state: Path, delay: float
) -> None:
    """Whichever comes first: afterwards the task is merged once, or waits with its approval."""
    repository = make_repository(state / "till.git", FILES, bare=True)
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.REVIEW)

    async def land() -> None:
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.MERGE)

    landing = asyncio.create_task(land())
    await asyncio.sleep(delay)
    await halt(here)
    async with asyncio.timeout(30):
        await landing
    status = (await here.reaches(task, Stage.APPROVED, Stage.ENDED)).status
    tip = git(repository, "rev-parse", "main")
    if status.stage is Stage.APPROVED:
        assert "not merged: halted (everything) by ada" in status.message
        assert "a - b" in git(repository, "show", "main:calc.py")
        await here.decide(task, Action.MERGE)
        await here.reaches(task, Stage.APPROVED)
        assert git(repository, "rev-parse", "main") == tip
    await resume(here)
    if status.stage is Stage.APPROVED:
        await here.decide(task, Action.MERGE)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert git(repository, "log", "--merges", "--oneline", "main").count("\n") == 0
    assert "a + b" in git(repository, "show", "main:calc.py")


async def test_a_team_is_halted_with_its_checks_and_set_ups_and_they_come_to_their_own_result(
    here: Installation, state: Path
) -> None:
    repository = make_repository(state / "till.git", {**FILES, ".journeyman/team.toml": SLOW_CHECK}, bare=True)
    task = await here.ask(repository, "mender")
    await here.reaches(task, Stage.EVALUATE)
    check = f"{task}-1.1.base-0"
    async with asyncio.timeout(60):
        while check not in here.parts.sandboxes.live_runs():
            await asyncio.sleep(0.02)
    team = HaltScope(reach=Reach.TEAM, name="sales")
    await halt(here, team)
    await stands_still(here, check)
    assert "halted (team sales) by ada" in (await here.view(task)).halted
    with pytest.raises(CommandFailed, match=r"halted \(team sales\)"):
        await here.ask(repository, "mender", goal="more")
    await resume(here, team)
    status = (await here.reaches(task, Stage.REVIEW)).status
    assert (status.round, status.evaluation and status.evaluation.blocked) == (1, False)
    await here.decide(task, Action.REJECT)


async def test_only_those_whom_security_names_halt_and_resume_and_they_say_what_and_why(
    here: Installation, state: Path
) -> None:
    refused = await types(here, "halt", "--all", "-m", "x", "--as", "mallory", code=1)
    assert "`halt` in security.toml does not name mallory; ask one of ada, grace" in refused
    await types(here, "halt", "--team", "sales", "-m", "x", "--as", "ada")
    assert "does not name mallory" in await types(here, "resume", "--team", "sales", "--as", "mallory", code=1)
    assert [one["scope"]["name"] for one in json.loads(await types(here, "halts", "--json"))] == ["sales"]
    await types(here, "resume", "--team", "sales", "--as", "grace")
    assert "is not halted" in await types(here, "resume", "--team", "sales", "--as", "grace", code=1)
    assert "one of --all, --repo PATH and --team NAME" in await types(here, "halt", "-m", "x", code=2)
    assert "one of --all" in await types(here, "halt", "--all", "--team", "sales", "-m", "x", code=2)
    assert "say why" in await types(here, "halt", "--all", code=2)
    assert "there is no directory" in await types(here, "halt", "--repo", str(state / "tipo"), "-m", "x", code=2)


async def test_a_halt_says_how_much_it_is_about_so_that_a_mistyped_name_is_noticed(
    here: Installation, state: Path
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    task, _ = await ticking(here, repository)
    mistyped = await typed(here.settings.state, "halt", "--team", "slaes", "-m", "x", "--as", "ada")
    assert mistyped.code == 0
    assert "is of team slaes: is that what was meant?" in mistyped.error
    await types(here, "resume", "--team", "slaes", "--as", "ada")
    assert "1 open task of" in await types(here, "halt", "--repo", str(repository), "-m", "x", "--as", "ada")
    await types(here, "resume", "--repo", str(repository), "--as", "ada")
    await here.decide(task, Action.CANCEL)


async def test_a_task_that_waits_for_a_place_does_not_begin_in_a_halt(here: Installation, state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    tasks = [await ticking(here, repository) for _ in range(4)]
    queued = await here.ask(repository, "mender", goal="wait your turn")
    await halt(here, of(repository))
    await stands_still(here, *(run for _, run in tasks))
    # Its place comes free, and it takes none of the agent's time.
    await here.decide(tasks[0][0], Action.CANCEL)
    async with asyncio.timeout(30):
        while "halted (repository" not in (await here.view(queued)).status.message:
            await asyncio.sleep(0.05)
    assert (await here.view(queued)).status.runs == 0
    await resume(here, of(repository))
    assert (await here.reaches(queued, Stage.REVIEW, seconds=60)).status.message == ""
    await released(here, *(task for task, _ in tasks[1:]))
    await here.decide(queued, Action.REJECT)
