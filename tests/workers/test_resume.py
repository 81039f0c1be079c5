"""A host dies in the middle of a run: another one goes on from the last checkpoint, with the work and the conversation.

Two workers with host ids of their own stand for two hosts: what one has on its disk the other never reads.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from activities.tracing.pages import NO_PAGES
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, Installation, configure
from tests.workers.test_restart import Machine, wait_until_reviewed
from workers.embedded.temporal_server import free_port, temporal_server
from workers.gateway.assembly import gateway_of
from workers.gateway.server import serving
from workers.parts.host import HostParts
from workers.parts.shared import SharedParts
from workers.settings import Settings
from workflows.models.checkpoint import Checkpoint
from workflows.models.decision import Action
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("resume")
AGENT = """
import json, os, pathlib, time
def say(**event):
    print(json.dumps(event), flush=True)
steps = pathlib.Path(os.environ["JOURNEYMAN_SESSION_DIR"], "deep", "steps")
if os.environ["JOURNEYMAN_SESSION"]:
    told = "You were interrupted" in open(os.environ["JOURNEYMAN_PROMPT"]).read()
    say(type="message", text=f"{steps.read_text()} steps, told {told}, session {os.environ['JOURNEYMAN_SESSION']}")
else:
    steps.parent.mkdir()
    source = pathlib.Path("calc.py")
    source.write_text(source.read_text().replace("a - b", "a + b"))
    pathlib.Path("new file.txt").write_text("made by the first host")
    pathlib.Path("tests", "link").symlink_to("../calc.py")
    for number in (1, 2):
        say(type="tool_call", tool="edit", text=f"step {number}", session="conversation-7")
        steps.write_text(str(number))
        say(type="tool_result", tool="edit", text="done")
        time.sleep(0.1)
    time.sleep(600)
say(type="result", text="add() adds now")
"""


@asynccontextmanager
async def two_hosts(state: Path, configuration: str = "") -> AsyncIterator[tuple[Installation, Machine, Machine]]:
    """Temporal and the gateway here, and two workers that are not started yet."""
    agents = configure(
        state,
        f'[agents.keeper]\ncommand = ["python3", "/opt/agent/agent.py"]\n'
        f'mounts = [{{ source = "{state}/program", target = "/opt/agent" }}]\n{configuration}',
    )
    (state / "program").mkdir(mode=0o755)
    (state / "program" / "agent.py").write_text(AGENT)
    (state / "program" / "agent.py").chmod(0o644)
    settings = Settings(
        state=state,
        temporal_address=f"127.0.0.1:{free_port()}",
        temporal_ui_port=free_port(),
        host_silence_seconds=3,
        host="here",
    )
    more = {"JOURNEYMAN_CHECKPOINT_CALLS": "1", "JOURNEYMAN_CHECKPOINT_SECONDS": "60"}
    async with temporal_server(
        state / "temporal", settings.temporal_address, settings.temporal_ui_port, settings.temporal_namespace
    ) as client:
        parts = await asyncio.to_thread(lambda: HostParts.load(SharedParts.load(settings)))
        machines = [Machine(settings, JOURNEYMAN_HOST=name, **more) for name in ("first", "second")]
        try:
            async with serving(gateway_of(client, parts.shared, pages=NO_PAGES).app, settings.gateway_socket):
                yield Installation(settings, parts, agents), machines[0], machines[1]
        finally:
            for machine in machines:
                await machine.die()
            await parts.shut_down()
            await parts.shared.close()


async def checkpoints(here: Installation, task: str, least: int) -> tuple[Checkpoint, ...]:
    async with asyncio.timeout(180):
        while len(taken := await here.parts.shared.attested.checkpoints(task)) < least:
            await asyncio.sleep(0.05)
    return taken


async def test_a_run_goes_on_elsewhere_from_its_last_checkpoint_when_its_host_dies(state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    async with two_hosts(state) as (here, first, second):
        await first.start()
        task = await here.ask(repository, "keeper")
        taken = await checkpoints(here, task, 1)
        while taken[-1].tool_calls < 2:
            taken = await checkpoints(here, task, len(taken) + 1)
        assert (taken[-1].run_id, taken[-1].epoch, taken[-1].session_id) == (f"{task}-1-1", 1, "conversation-7")
        await first.die()
        await second.start()
        status = await wait_until_reviewed(here, task)
        assert status.placement is not None and status.run is not None and status.run.output is not None
        assert (status.placement.host, status.placement.epoch, status.round) == ("second", 2, 1)
        output = (await here.parts.shared.artifacts.get(status.run.output)).decode()
        assert "2 steps, told True, session conversation-7" in output
        diff = (await here.diff(task)).decode()
        assert "+    return a + b" in diff and "+made by the first host" in diff and "tests/link" in diff
        assert (await here.evidence(task)).patched.passed
        await here.decide(task, Action.APPROVE)
        await here.decide(task, Action.MERGE)
        await here.reaches(task, Stage.ENDED)
