"""Secrets are planted where they come from; none is inside a sandbox, and none is in what a task leaves behind."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from tests.support.model_script import Script, Turn
from tests.support.model_server import ModelServer, model_server
from tests.support.repositories import make_repository
from tests.workers.installation import FILES, MEND, Installation, installed
from tests.workers.terminal import typed
from workers.temporal import connect
from workflows.models.decision import Action
from workflows.models.intent import task_workflow_id
from workflows.models.status import Stage

pytestmark = pytest.mark.xdist_group("planted")
BROKERED = "sk-PLANTEDbrokered0123456789"
IN_THE_WORKER = "PLANTED-in-the-environment-of-the-worker"
IN_THE_GOAL = "AKIAPLANTEDGOAL00000"
IN_A_MESSAGE = "ghp_PLANTEDmessage0123456789abcdefghijklmn"
PRINTED = "xoxb-123456789012-123456789012-PLANTEDprinted"
"""A secret of the repository's own, which its agent and its tests print."""
SEARCH = """
import os, pathlib, json, urllib.request
found, word = [], b"PLAN" + b"TED"
for name, value in os.environ.items():
    if word in (name + value).encode():
        found.append("environment " + name)
places = ["/proc", "/run", "/etc", "/opt", "/home", "/tmp", "/work", "/dev/shm", "/var", "/root", "/sys/fs/cgroup"]
for place in places:
    for folder, folders, files in os.walk(place, onerror=lambda error: None):
        if folder.count("/") > 3 and folder.startswith("/proc/") and "task" in folder:
            folders.clear()
            continue
        for name in files:
            path = os.path.join(folder, name)
            if path.startswith("/proc/") and name not in ("environ", "cmdline", "mounts", "mountinfo"):
                continue
            if path == "/work/settings.ini":
                continue
            try:
                if word in path.encode() or word in pathlib.Path(path).read_bytes()[:1 << 20]:
                    found.append(path)
            except OSError:
                pass
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "go on"}]}).encode()
request = urllib.request.Request(os.environ["JOURNEYMAN_MODEL_URL"] + "/v1/chat/completions", body,
                                 {"content-type": "application/json", "authorization": "Bearer placeholder"})
answer = urllib.request.urlopen(request, timeout=60)
if word in answer.read() + str(answer.headers).encode():
    found.append("the model's answer")
print("searched, found:", json.dumps(found))
print(pathlib.Path("settings.ini").read_text())
"""


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with model_server(Script([Turn("done")] * 10)) as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def here(place: Path, model: ModelServer) -> AsyncIterator[Installation]:
    os.environ["PLANTED_IN_THE_WORKER"] = IN_THE_WORKER
    program, key = place / "program", place / "provider.key"
    key.write_text(BROKERED)
    key.chmod(0o600)
    program.mkdir(mode=0o755)
    (program / "search.py").write_text(SEARCH)
    (program / "search.py").chmod(0o644)
    configuration = (
        f'[providers.own]\nurl = "{model.url}"\nprivate = true\nkey = {{ file = "{key}" }}\n'
        f'[agents.searcher]\ncommand = ["sh", "-c", """python3 /opt/agent/search.py; {MEND}"""]\nprovider = "own"\n'
        f'mounts = [{{ source = "{program}", target = "/opt/agent" }}]\n'
    )
    async with installed(place, configuration=configuration) as installation:
        yield installation
    del os.environ["PLANTED_IN_THE_WORKER"]


async def test_no_planted_secret_is_inside_or_left_behind(here: Installation, model: ModelServer, place: Path) -> None:
    files = {**FILES, "settings.ini": f"token = {PRINTED}\n"}
    files["tests/test_calc.py"] += "\n\ndef test_settings():\n    print(open('settings.ini').read())\n    assert 0\n"
    repository = make_repository(place / "till.git", files, bare=True)
    state = here.settings.state
    goal = f"mend add(); the bucket's key is {IN_THE_GOAL}"
    asked = await typed(
        state,
        *("run", goal, "--accept", f"works with {IN_THE_GOAL}", "--repo", str(repository)),
        *("--agent", "searcher", "--as", "ada"),
    )
    assert asked.code == 0, asked.error
    assert "AWS Access Key" in asked.out + asked.error and "revoked" in asked.out + asked.error
    task = asked.out.split()[0]
    await here.settles(task)
    await here.decide(task, Action.REQUEST_CHANGES, message=f"use {IN_A_MESSAGE} for it")
    view = await here.settles(task)
    assert view.status.run is not None and view.status.run.output is not None
    output = (await here.parts.shared.artifacts.get(view.status.run.output)).decode()
    assert "searched, found: []" in output
    # The agent did reach its model, with the key that it does not have.
    assert model.asked[0].headers["authorization"] == f"Bearer {BROKERED}"

    shown = [await typed(state, *words, task) for words in (("show",), ("logs",), ("logs", "--raw"), ("egress",))]
    shown += [await typed(state, "evidence", task, "--output"), await typed(state, "show", task, "--json")]
    shown += [await typed(state, "show", task, "--timeline", "--json"), await typed(state, "tasks", "--json")]
    assert [each for each in shown if each.code] == []
    told = "".join(each.out + each.error for each in shown)
    assert "[redacted]" in told
    assert planted_in(told.encode()) == []

    await here.decide(task, Action.REJECT)
    await here.reaches(task, Stage.ENDED)
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    assert planted_in(await history(client, task_workflow_id(task))) == []
    await here.parts.shared.close()
    left = {
        str(path.relative_to(state)): found
        for path in state.rglob("*")
        if path.is_file() and not path.is_symlink() and (found := planted_in(path.read_bytes()))
    }
    # The repository is its owner's, and so is the file with the key; a workspace and a mirror are copies of the first.
    ours = {name: found for name, found in left.items() if not name.startswith(("till.git", "hosts/", "provider.key"))}
    assert ours == {}
    on_host = {name: found for name, found in left.items() if name.startswith("hosts/")}
    assert [found for found in on_host.values() if found != [PRINTED]] == []


def planted_in(data: bytes) -> list[str]:
    return [each for each in (BROKERED, IN_THE_WORKER, IN_THE_GOAL, IN_A_MESSAGE, PRINTED) if each.encode() in data]


async def history(client: Client, workflow_id: str) -> bytes:
    """Everything that Temporal was told about a workflow."""
    fetched = await client.get_workflow_handle(workflow_id).fetch_history()
    return b"".join(event.SerializeToString() for event in fetched.events)
