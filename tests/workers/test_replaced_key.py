"""A gateway's key that leaked is replaced: what it signed counts no more, and everybody is told what that means."""

from pathlib import Path

import pytest

from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Terminal, configure
from tests.workers.terminal import typed, up
from workers.settings import Settings
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
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
        # As incident.md says of tasks that nobody can decide about any more.
        client = await connect(running.temporal_address, "default")
        await client.get_workflow_handle(task_workflow_id(waits)).terminate(reason="the key leaked")
        ended = await typed(state, "show", waits)
        assert "its workflow was terminated in Temporal: the key leaked" in ended.out, ended.error
        assert "return a + b" in (await typed(state, "diff", waits)).out
        # Whoever changed security's file stops nobody from stopping all.
        (state / "keys" / "security-owners").mkdir()
        (state / "keys" / "security-owners" / "grace.pub").write_bytes((state / "keys" / "gateway.pub").read_bytes())
        assert "put it back" in (await typed(state, "doctor")).out
        assert (await typed(state, "halt", "--all", "-m", "somebody was here")).code == 0
        refused = await typed(state, "resume", "--all", "-m", "all is well")
        assert (refused.code, "put it back" in refused.error) == (1, True)
