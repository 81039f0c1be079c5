"""Several people of one machine ask and decide as themselves, known by the kernel and not by what they say."""

import asyncio
import grp
import json
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.removal import remove
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, MEND, Terminal
from tests.workers.terminal import typed, up
from workers.embedded.temporal_server import free_port
from workers.settings import Settings
from workflows.models.status import Stage

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several OS users"),
    pytest.mark.xdist_group("people"),
]
GROUP = "adm"
POLICY = f"""
profile = "team"
[people.ada]
os = "daemon"
[people.grace]
os = "games"
[agents.mender]
command = ["sh", "-c", "{MEND}; echo mended"]
"""
ASK = """
import http.client, json, socket, sys
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
connection = Connection("gateway")
headers = {"content-type": "application/json", **json.loads(sys.argv[5])}
connection.request(sys.argv[2], sys.argv[3], sys.argv[4] or None, headers)
answer = connection.getresponse()
print(json.dumps([answer.status, json.loads(answer.read())]))
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="jm-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    remove(path)


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Terminal]:
    (place / "journeyman.toml").write_text(POLICY)
    async with up(place, JOURNEYMAN_GATEWAY_GROUP=GROUP):
        yield Terminal(Settings(state=place))


def ask(
    here: Terminal, user: str, method: str, path: str, body: object = None, group: str = GROUP, **headers: str
) -> tuple[int, dict[str, object]]:
    """What the gateway answers a program of an OS user's."""
    told = subprocess.run(
        [
            *("setpriv", f"--reuid={user}", f"--regid={grp.getgrnam(group).gr_gid}", "--clear-groups"),
            *("/usr/bin/python3", "-c", ASK, str(here.settings.gateway_socket), method, path),
            *("" if body is None else json.dumps(body), json.dumps(headers)),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    status, answer = json.loads(told.stdout)
    return status, answer


async def test_one_asks_another_decides_and_nobody_passes_for_somebody_else(here: Terminal, place: Path) -> None:
    repository = make_repository(place / "till.git", FILES, bare=True)
    asked = {"goal": "mend add()", "repository": str(repository)}
    status, admitted = await asyncio.to_thread(ask, here, "daemon", "POST", "/tasks", asked)
    assert status == 200, admitted
    task = str(admitted["task_id"])
    view = await here.reaches(task, Stage.REVIEW, Stage.ENDED)
    assert view.status.stage is Stage.REVIEW, view.status.message
    assert (view.status.task.requester.id, view.status.task.requester.account) == ("ada", "os:1")
    assert view.status.patch is not None and view.status.evaluation is not None
    seen = {"head": view.status.patch.head, "evidence_hash": view.status.evaluation.evidence_hash}
    approve = {"action": "approve", **seen}
    decisions = f"/tasks/{task}/decisions"
    status, refused = await asyncio.to_thread(ask, here, "daemon", "POST", decisions, approve)
    assert status != 200 and "another person" in str(refused["detail"])
    pretended = {"x-journeyman-as": "grace"}
    status, refused = await asyncio.to_thread(lambda: ask(here, "daemon", "POST", decisions, approve, **pretended))
    assert status == 403 and "--as works only in the local profile" in str(refused["detail"])
    for decision in (approve, {"action": "merge", **seen}):
        status, answer = await asyncio.to_thread(ask, here, "games", "POST", decisions, decision)
        assert status == 200, answer
    ended = (await here.reaches(task, Stage.ENDED)).status
    assert [signed.decision.person.id for signed in ended.decisions] == ["grace", "grace"]


async def test_who_is_not_in_the_group_does_not_even_reach_the_gateway(here: Terminal) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        await asyncio.to_thread(ask, here, "daemon", "GET", "/tasks", group="games")
    assert "PermissionError" in refused.value.stderr


async def test_a_group_is_refused_where_everybody_could_act_under_any_name(state: Path) -> None:
    where = {
        "JOURNEYMAN_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        "JOURNEYMAN_TEMPORAL_UI_PORT": str(free_port()),
    }
    answer = await typed(state, "up", JOURNEYMAN_GATEWAY_GROUP=GROUP, **where)
    assert answer.code == 1
    assert "JOURNEYMAN_GATEWAY_GROUP" in answer.error and 'profile = "team"' in answer.error
    (state / "journeyman.toml").write_text('profile = "team"\n')
    unknown = await typed(state, "up", JOURNEYMAN_GATEWAY_GROUP="no-such-group", **where)
    assert unknown.code == 1
    assert "groupadd no-such-group" in unknown.error
