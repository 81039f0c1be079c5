"""A person is forgotten on request: nothing they wrote is left where it can be taken out, and all else goes on."""

import asyncio
import re
import signal
from pathlib import Path

import pytest

from tests.activities.archive.old import contents
from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import environment, typed
from workers.cli.client import CommandFailed
from workers.embedded.programs import program
from workflows.models.decision import Action
from workflows.models.pull_request import RevertOutcome
from workflows.models.status import Outcome, Stage

pytestmark = pytest.mark.xdist_group("forget")
GOAL = "mend add() so that Mrs Byron is charged right"
COMMENT = "also say why, dear colleague"
PEOPLE = '[people.ada]\nos = "nobody-ada"\nname = "Ada Lovelace"\n\n[people.grace]\nos = "nobody-grace"\n'


def holding(directory: Path, *words: str) -> list[str]:
    """Files in which any of the words is."""
    return [name for name, data in contents(directory).items() for word in words if re.search(word.encode(), data)]


async def worked(here: Installation, repository: Path) -> tuple[str, str, str]:
    """A merged task of Ada's, one of Bob's that she commented on, and an open one of hers."""
    bobs = await here.ask(repository, "listener", person="bob", key="linear:ENG-2", goal="say why double() doubles")
    await here.settles(bobs)
    await here.decide(bobs, Action.REQUEST_CHANGES, person="ada", message=COMMENT)
    async with asyncio.timeout(90):
        while (view := await here.view(bobs)).status.round < 2 or view.status.stage not in {
            Stage.REVIEW,
            Stage.GUIDANCE,
        }:
            await asyncio.sleep(0.05)
    await here.decide(bobs, Action.REJECT, message="no, thanks")
    await here.reaches(bobs, Stage.ENDED)
    still_open = await here.ask(repository, "mender", key="linear:ENG-3", goal=f"{GOAL}, again")
    await here.settles(still_open)
    merged = await here.ask(repository, "mender", key="linear:ENG-1", goal=GOAL)
    await here.reaches(merged, Stage.REVIEW)
    await here.decide(merged, Action.APPROVE)
    await here.decide(merged, Action.MERGE)
    await here.reaches(merged, Stage.ENDED)
    return merged, bobs, still_open


@pytest.mark.timeout(400)
async def test_a_forgotten_person_is_found_nowhere_and_their_merge_is_still_explained_reverted_and_not_repeated(
    state: Path,
) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with installed(state, configuration="") as here:
        (state / "journeyman.toml").write_text(f"{(state / 'journeyman.toml').read_text()}\n{PEOPLE}")
        merged, bobs, still_open = await worked(here, repository)
        archive, forge = state / "archive", state / "forge"
        before = contents(archive)
        looked = await typed(state, "forget", "ada")
        assert looked.code == 0 and merged in looked.out and "nothing was changed" in looked.out, looked.error
        assert f"task {still_open} is open" in looked.out and "Temporal's history" in looked.out
        assert {name: data for name, data in contents(archive).items() if name in before} == before
        bare = await typed(state, "forget", "ada", "--yes")
        assert bare.code == 2 and "-m REASON" in bare.error
        first = await typed(state, "forget", "ada", "--yes", "-m", "ada asked for it")
        assert first.code == 1 and still_open in first.error
        await here.decide(still_open, Action.REJECT)
        await here.reaches(still_open, Stage.ENDED)

        killed = await asyncio.create_subprocess_exec(
            *(str(program("journeyman")), "forget", "ada", "--yes", "-m", "ada asked for it"),
            env=environment(state, PYTHONUNBUFFERED="1"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert killed.stdout is not None
        while b"artefacts were removed" not in (line := await killed.stdout.readline()):
            assert line, first.out
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
        done = await typed(state, "forget", "ada", "--yes", "-m", "ada asked for it")
        assert done.code == 0, done.error
        alias = re.findall(r"ada is (forgotten-[0-9a-f]{8}) now", done.out)[0]
        assert alias in first.out

        assert holding(archive, "Mrs Byron", "dear colleague", r"\bada\b", "Ada Lovelace") == []
        assert holding(forge, "Mrs Byron", "dear colleague", r"\bada\b") == []
        assert not list((state / "forgetting").iterdir())
        left = (state / "journeyman.toml").read_text()
        assert "people.ada" not in left and "[people.grace]" in left and "[agents.mender]" in left
        tasks = (await typed(state, "tasks")).out
        assert "Mrs Byron" not in tasks and "forgotten" in tasks
        shown = await typed(state, "show", merged)
        assert alias in shown.out and "by request" in shown.out and "approve by grace" in shown.out
        logs = await typed(state, "logs", merged)
        assert logs.code == 1 and f"by request: {alias} is forgotten" in logs.error
        assert "a + b" in (await typed(state, "diff", merged)).out
        assert (await typed(state, "evidence", merged)).code == 0
        assert (await typed(state, "show", bobs)).code == 0
        nobody = await typed(state, "forget", "ada")
        assert nobody.code == 1 and "nothing is on record about 'ada'" in nobody.error

        # Asked again it is found, by whoever asks and in whatever words; explicitly it is a new attempt.
        assert await here.ask(repository, "mender", person="bob", key="linear:ENG-1", goal=GOAL) == merged
        with pytest.raises(CommandFailed, match="belongs to task"):
            await here.ask(repository, "mender", person="bob", key="linear:ENG-2", goal="another thing")
        reverted = await here.revert(merged)
        assert reverted.outcome is RevertOutcome.REVERTED
        assert "a - b" in git(repository, "show", "main:calc.py")
        assert len((await here.view(merged)).reverts) == 1
        again = await here.ask(repository, "mender", person="bob", key="linear:ENG-1", goal=GOAL, again=True)
        assert again != merged
        await here.reaches(again, Stage.REVIEW)
        await here.decide(again, Action.APPROVE)
        await here.decide(again, Action.MERGE)
        assert (await here.reaches(again, Stage.ENDED)).status.outcome is Outcome.MERGED


async def test_without_both_private_keys_nothing_is_forgotten_and_it_is_said_which_is_missing(state: Path) -> None:
    keys = state / "made"
    assert (await typed(state, "keys", str(keys))).code == 0
    refused = await typed(state, "forget", "ada")
    assert refused.code == 1 and "gateway.key" in refused.error and "--keys" in refused.error
    found = await typed(state, "forget", "ada", "--keys", str(keys))
    assert found.code == 1 and "nothing is on record about 'ada'" in found.error
