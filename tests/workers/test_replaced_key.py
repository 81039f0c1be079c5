"""A gateway's key that leaked is replaced: what it signed counts no more, and everybody is told what that means."""

from pathlib import Path

import pytest

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Terminal, configure
from tests.workers.terminal import typed, up
from workers.settings import Settings
from workflows.models.decision import Action
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("replaced-key")


async def test_whoever_replaces_the_gateways_key_is_told_what_holds_no_more(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    configure(state)
    here = Terminal(Settings(state=state))
    async with up(state) as running:
        merged, waits = await here.ask(repository, "mender"), await here.ask(repository, "mender")
        for task in (merged, waits):
            await here.reaches(task, Stage.REVIEW)
        await here.decide(merged, Action.APPROVE)
        await here.decide(merged, Action.MERGE)
        view = await here.reaches(merged, Stage.ENDED)
        assert f"journeyman revert {merged}" in (await typed(state, "show", merged)).out
        assert (await typed(state, "halt", "--all", "-m", "the key leaked")).code == 0
        assert "NOT halted" not in running.printed.decode()
    for half in ("gateway.key", "gateway.pub"):
        (state / "keys" / half).unlink()
    async with up(state) as running:
        assert "NOT halted (everything)" in running.printed.decode()
        listed = await typed(state, "halts")
        assert "Nothing is halted" in listed.out
        assert "NOT halted (everything)" in listed.error and "the key leaked" in listed.error
        examined = await typed(state, "doctor")
        assert examined.code == 1
        assert "journeyman halt --all -m WHY" in examined.out
        shown = (await typed(state, "show", merged)).out
        assert f"git revert -m 1 {view.status.merge_commit[:12]}" in shown
        assert "journeyman revert" not in shown
        shown = (await typed(state, "show", waits)).out
        assert "nobody can decide about it" in shown
        assert "journeyman approve" not in shown
        assert (await typed(state, "halt", "--all", "-m", "the key leaked")).code == 0
        assert "NOT halted" not in (await typed(state, "halts")).error
