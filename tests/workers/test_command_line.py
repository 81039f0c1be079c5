"""The program a person types: exit codes that can be trusted, errors that say what to do, JSON where scripts read."""

import asyncio
import json
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.repositories import git, make_repository
from tests.workers.installation import FILES, Installation, configure, installed
from tests.workers.terminal import environment, left_of, typed
from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port

pytestmark = pytest.mark.xdist_group("command-line")


@pytest_asyncio.fixture
async def here(state: Path) -> AsyncIterator[Installation]:
    async with installed(state) as installation:
        yield installation


async def test_a_person_takes_a_task_from_asking_to_reverting_by_typing(here: Installation, state: Path) -> None:
    repository = make_repository(state / "till", FILES)
    asked = await typed(state, "run", "mend add()", "--repo", str(repository), "--as", "ada", "--wait", "--json")
    assert asked.code == 0, asked.error
    view = json.loads(asked.out)
    task = view["status"]["task"]["id"]
    assert view["status"]["stage"] == "review"
    shown = await typed(state, "show", task[:6])
    assert "waits for a person to approve" in shown.out
    assert json.loads((await typed(state, "tasks", "--json")).out)[0]["task_id"] == task
    assert "+    return a + b" in (await typed(state, "diff", task)).out
    assert json.loads((await typed(state, "evidence", task, "--json")).out)["turned"]
    evidence = (await typed(state, "evidence", task)).out
    assert "turned" in evidence
    assert "sandbox  bubblewrap, by bubblewrap 0." in evidence
    assert "ran in      bubblewrap, by bubblewrap 0." in (await typed(state, "show", task)).out
    assert "add() subtracted" in (await typed(state, "logs", task, "-f")).out
    assert "workflows/task%2F" in (await typed(state, "open", task)).out
    early = await typed(state, "merge", task, "--as", "grace")
    assert (early.code, early.out) == (1, "")
    assert "approve it first" in early.error
    own = await typed(state, "approve", task, "--as", "ada")
    assert own.code == 1
    assert "another person" in own.error
    assert (await typed(state, "approve", task, "--as", "grace", "--json")).code == 0
    merged = await typed(state, "merge", task, "--as", "grace")
    assert merged.code == 0, merged.error
    assert "a + b" in (repository / "calc.py").read_text()
    reverted = await typed(state, "revert", task, "-m", "was wrong")
    assert reverted.code == 0, reverted.error
    assert "a - b" in (repository / "calc.py").read_text()
    assert "was wrong" in git(repository, "log", "-1", "--format=%B")
    late = await typed(state, "cancel", task)
    assert late.code == 1
    assert "ended as merged" in late.error


async def test_an_ending_without_a_patch_has_an_exit_code_of_its_own(here: Installation, state: Path) -> None:
    repository = make_repository(state / "till.git", FILES, bare=True)
    idle = await typed(state, "run", "mend add()", "--repo", str(repository), "--agent", "idle", "--wait")
    assert idle.code == 4
    assert "without changing anything" in idle.error


async def test_a_second_up_is_refused_and_the_first_goes_on(here: Installation, state: Path) -> None:
    second = await typed(state, "up", JOURNEYMAN_TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}")
    assert second.code == 1
    assert "already runs" in second.error
    assert (await typed(state, "tasks")).code == 0


async def test_commands_without_anything_running_say_how_to_start_it(state: Path) -> None:
    answer = await typed(state, "tasks")
    assert (answer.code, answer.out) == (3, "")
    assert "journeyman up" in answer.error


async def test_wrong_usage_and_help_have_their_exit_codes(state: Path) -> None:
    assert (await typed(state, "run")).code == 2
    assert (await typed(state, "frobnicate")).code == 2
    assert (await typed(state, "worker", "--queues", "nonsense")).code == 2
    helped = await typed(state, "run", "--help")
    assert helped.code == 0
    assert "--accept" in helped.out


async def test_a_taken_port_is_named_and_nothing_remains(state: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = await typed(state, "up", JOURNEYMAN_TEMPORAL_ADDRESS=f"127.0.0.1:{port}")
    assert answer.code == 1
    assert f"port {port}" in answer.error
    assert left_of(state) == []


async def test_a_worker_without_temporal_says_so(state: Path) -> None:
    configure(state)
    answer = await typed(state, "worker", JOURNEYMAN_TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}")
    assert answer.code == 1
    assert "Temporal" in answer.error or "connect" in answer.error.lower()


@pytest.mark.parametrize(
    ("text", "words"),
    [("profile = 'locale'", "profile"), ("feedbak_rounds = 1", "feedback_rounds"), ("[agents", "line 1")],
)
async def test_a_policy_file_with_a_mistake_is_named_with_its_key(state: Path, text: str, words: str) -> None:
    (state / "journeyman.toml").write_text(text)
    answer = await typed(
        state,
        "up",
        JOURNEYMAN_TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}",
        JOURNEYMAN_TEMPORAL_UI_PORT=str(free_port()),
    )
    assert answer.code == 1
    assert "journeyman.toml" in answer.error
    assert words in answer.error
    assert left_of(state) == []


async def test_the_doctor_finds_this_machine_fit_and_says_what_holds(state: Path) -> None:
    answer = await typed(state, "doctor", "--json")
    assert answer.code == 0, answer.out
    findings = {finding["name"]: finding for finding in json.loads(answer.out)}
    assert "memory" in findings["sandbox"]["detail"]
    assert left_of(state) == []


async def test_the_doctor_names_what_is_broken_and_the_line_that_mends_it(state: Path) -> None:
    (state / "journeyman.toml").write_text("nonsense = 1")
    answer = await typed(state, "doctor")
    assert answer.code == 1
    assert re.search(r"fail policy files .*nonsense", answer.out)
    assert "mend it with: edit" in answer.out


async def test_the_doctor_looks_at_each_agent_too(state: Path) -> None:
    (state / "journeyman.toml").write_text(
        '[providers.vendor]\nurl = "https://api.example.com"\nkey = { environment = "NO_SUCH_KEY" }\n'
        '[agents.claude]\nadapter = "claude-code"\nprovider = "vendor"\nmodel = "m"\n'
    )
    answer = await typed(state, "doctor")
    assert answer.code == 1
    assert "mend it with: journeyman agents install claude-code" in answer.out
    assert "mend it with: export NO_SUCH_KEY=" in answer.out


async def test_the_doctor_looks_at_every_system_that_is_to_be_heard(state: Path) -> None:
    (state / "slack-secret").write_text("0123456789abcdef")
    written = (
        f'slack = {{ bot_token = {{ environment = "X" }}, address = "127.0.0.1:1", '
        f'signing_secrets = ["{state}/slack-secret"] }}\n'
        f'linear = {{ token = {{ environment = "X" }}, address = "127.0.0.1:1", '
        f'secrets = ["{state}/gone"], teams = {{ ENG = "/srv/git/shop" }} }}\n'
    )
    (state / "journeyman.toml").write_text(written)
    found = {one["name"]: one for one in json.loads((await typed(state, "doctor", "--json")).out)}
    assert found["Slack"]["ok"] and "127.0.0.1:1; 1 secret" in found["Slack"]["detail"]
    assert not found["Linear"]["ok"] and "gone" in found["Linear"]["detail"] and "[linear]" in found["Linear"]["mend"]


async def test_init_finds_the_checks_and_does_not_overwrite(state: Path) -> None:
    repository = make_repository(state / "till", FILES)
    first = await typed(state, "init", str(repository))
    assert first.code == 0, first.error
    assert "pytest" in (repository / ".journeyman" / "team.toml").read_text()
    (repository / ".journeyman" / "team.toml").write_text("reviewers = ['bob']\n")
    assert (await typed(state, "init", str(repository))).code == 0
    assert "bob" in (repository / ".journeyman" / "team.toml").read_text()
    nowhere = await typed(state, "init", str(state))
    assert nowhere.code == 1
    assert "git init" in nowhere.error
    unknown = await typed(state, "init", str(make_repository(state / "notes", {"notes.txt": "x"})))
    assert "under [[checks]]" in unknown.out


async def test_the_demonstration_ends_in_a_table_and_leaves_nothing(state: Path) -> None:
    answer = await typed(state, "demo", "--auto", "--json")
    assert answer.code == 0, answer.error
    result = json.loads(answer.out)
    assert (result["red"], result["green"], result["reverted"]) == (True, True, True)
    assert result["stage_seconds"]["run"] > 0
    assert left_of(state) == []


@pytest.mark.parametrize("moment", ["starting Temporal", "prepare", "run", "evaluate", "Approve and merge"])
async def test_the_demonstration_can_be_interrupted_at_any_point_and_leaves_nothing(state: Path, moment: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(program("journeyman")),
        "demo",
        env=environment(state, PYTHONUNBUFFERED="1"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    seen = b""
    async with asyncio.timeout(90):
        while moment.encode() not in seen:
            part = await process.stdout.read(256)
            assert part, seen.decode()
            seen += part
        process.send_signal(signal.SIGTERM if moment == "run" else signal.SIGINT)
        rest, _ = await process.communicate()
    assert process.returncode == 130, (seen + rest).decode()
    assert left_of(state) == []


async def test_the_demonstration_waits_for_a_decision_and_does_what_it_is_told(state: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        str(program("journeyman")),
        "demo",
        env=environment(state),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(90):
        out, _ = await process.communicate(b"n\n")
    assert process.returncode == 0, out.decode()
    assert b"rejected by grace: base is as it was" in out
    assert "return a - b" in git(state / "demo" / "till.git", "show", "main:calc.py")


async def test_the_demonstration_goes_on_when_its_patch_is_decided_about_in_another_terminal(state: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        str(program("journeyman")),
        "demo",
        env=environment(state, PYTHONUNBUFFERED="1"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    seen = b""
    async with asyncio.timeout(90):
        while b"Approve and merge" not in seen:
            seen += await process.stdout.read(256)
        there = re.search(r"JOURNEYMAN_STATE=(\S+) \S+ show (\S+)", seen.decode())
        assert there is not None
        for command in ("approve", "merge"):
            done = await typed(Path(there[1]), command, there[2], "--as", "grace")
            assert done.code == 0, done.error
        out, _ = await process.communicate(b"y\nn\n")
    assert process.returncode == 0, out.decode()
    assert b"not done here" in out
    assert b"The merge stays" in out
    assert left_of(state) == []
