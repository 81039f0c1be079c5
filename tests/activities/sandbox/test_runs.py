"""What comes back from a run, and how runs are named, found, stopped and forgotten."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from activities.sandbox.backend import Backend
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.runs import BadRunId, RunStillGoing, RunUnknown
from activities.sandbox.uids import UndroppedRoot, check_uid
from tests.activities.sandbox.cell import TOKEN, Cell, bubblewrap_alone, eventually
from workflows.models.run import RunEnd


@bubblewrap_alone
async def test_what_a_killed_worker_was_making_or_removing_does_not_stay_and_what_is_being_made_does(
    cell: Cell,
) -> None:
    for name in (".making-1-old", ".removing-old", ".making-1-new"):
        (cell.runs / name).mkdir()
        (cell.runs / name / "launch.json").write_text("{}")
    for name in (".making-1-old", ".removing-old"):
        os.utime(cell.runs / name, (0, 0))
    cell.sandboxes.remove_abandoned()
    assert [path.name for path in cell.runs.glob(".*ing-*")] == [".making-1-new"]


@bubblewrap_alone
async def test_a_trial_of_a_worker_that_was_killed_does_not_stay_and_one_that_somebody_waits_for_does(
    cell: Cell,
) -> None:
    gone = await asyncio.create_subprocess_exec("true")
    await gone.wait()
    for pid in (gone.pid, os.getpid()):
        await cell.sandboxes.start(SandboxSpec(run_id=f"probe-{pid}-ab12", command=("true",)))
        await cell.end(f"probe-{pid}-ab12")
    cell.sandboxes.remove_abandoned()
    assert [run_id for run_id in cell.sandboxes.known_runs() if run_id.startswith("probe-")] == [
        f"probe-{os.getpid()}-ab12"
    ]
    await cell.sandboxes.forget(f"probe-{os.getpid()}-ab12")


@pytest.mark.parametrize(
    ("script", "code"), [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("exit 255", 255)]
)
async def test_the_exit_code_is_the_commands_own(cell: Cell, script: str, code: int) -> None:
    status, _ = await cell.shell(script)
    assert (status.end, status.exit_code) == (RunEnd.EXITED, code)


async def test_a_command_that_is_missing_is_told_by_name(cell: Cell) -> None:
    status, output = await cell.run("no-such-agent", "--headless")
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 127)
    assert b"'no-such-agent' can't be started in the sandbox: No such file or directory" in output


async def test_a_command_that_is_not_executable_is_told_by_name(cell: Cell) -> None:
    (cell.workspace / "notes.txt").write_text("x")
    status, output = await cell.run("/work/notes.txt")
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 126)
    assert b"'/work/notes.txt' can't be started in the sandbox: Permission denied" in output


async def test_a_command_too_long_for_the_kernel_says_so(cell: Cell) -> None:
    status, _ = await cell.run("echo", "x" * 200_000)
    assert status.end is RunEnd.NOT_STARTED
    assert "argument list too long" in status.detail.lower()


async def test_a_workspace_that_is_not_there_says_so(cell: Cell) -> None:
    status, _ = await cell.run("true", workspace=cell.workspace / "missing")
    assert status.end is RunEnd.NOT_STARTED
    assert "missing" in status.detail


async def test_output_that_is_no_text_arrives_byte_for_byte(cell: Cell) -> None:
    status, output = await cell.python("import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)")
    assert status.exit_code == 0
    assert output == bytes(range(256)) * 1000


async def test_standard_error_is_kept_in_the_order_it_was_written(cell: Cell) -> None:
    _, output = await cell.shell("echo one; echo two >&2; echo three")
    assert output == b"one\ntwo\nthree\n"


async def test_a_pipe_that_is_closed_early_ends_its_writer_quietly(cell: Cell) -> None:
    _, output = await cell.shell("set -o pipefail; yes | head -1; echo $?")
    assert output == b"y\n141\n"


async def test_a_command_that_asks_a_question_finds_nobody_instead_of_waiting(cell: Cell) -> None:
    status, output = await cell.shell("read answer; echo $?")
    assert (status.exit_code, output) == (0, b"1\n")


async def test_only_the_last_output_is_returned_where_little_is_asked_for(cell: Cell) -> None:
    status, output = await cell.sandboxes.run(cell.spec("seq", "1", "100000"), max_output=20)
    assert output == b"9998\n99999\n100000\n"[-20:].rjust(20, b"\n") or output.endswith(b"99999\n100000\n")
    assert len(output) == 20
    assert status.usage.output_bytes == sum(len(str(number)) + 1 for number in range(1, 100001))


async def test_pytest_is_there_for_a_plain_repository(cell: Cell) -> None:
    (cell.workspace / "test_sum.py").write_text("def test_sum():\n    assert 1 + 1 == 2\n")
    status, output = await cell.run("pytest", "-q", "-p", "no:cacheprovider")
    assert (status.exit_code, b"1 passed" in output) == (0, True), output


async def test_the_same_run_id_started_by_many_at_once_runs_once(cell: Cell, backend: Backend) -> None:
    spec = cell.spec("bash", "-c", "echo started >> count; echo done")
    other = HostSandboxes(cell.runs, backend)
    await asyncio.gather(*(sandboxes.start(spec) for sandboxes in (cell.sandboxes, other) * 4))
    status, output = await cell.end(spec.run_id)
    assert (status.exit_code, output) == (0, b"done\n")
    # Also after its end: a retry finds the result.
    await other.start(spec)
    assert await cell.end(spec.run_id) == (status, output)
    assert (cell.workspace / "count").read_text() == "started\n"


async def test_a_second_start_that_asks_for_something_else_finds_the_first(cell: Cell) -> None:
    first = cell.spec("echo", "first")
    await cell.sandboxes.start(first)
    await cell.sandboxes.start(first.model_copy(update={"command": ("echo", "second")}))
    assert (await cell.end(first.run_id))[1] == b"first\n"


async def test_following_from_any_offset_misses_nothing(cell: Cell) -> None:
    spec = cell.spec("seq", "1", "200000")
    everything = "".join(f"{number}\n" for number in range(1, 200001)).encode()
    await cell.sandboxes.start(spec)
    assert (await cell.end(spec.run_id))[1] == everything
    for offset in (1, 65536, 262144, 1_000_003, len(everything) - 1, len(everything), len(everything) + 5):
        assert (await cell.end(spec.run_id, offset))[1] == everything[offset:]


async def test_a_follower_that_was_interrupted_goes_on_where_it_was(cell: Cell) -> None:
    run_id = await cell.start("bash", "-c", "seq 1 5000; until [ -e go ]; do sleep 0.02; done; seq 5001 10000")
    received = bytearray()
    began = asyncio.Event()

    async def keep(data: bytes, _: int) -> None:
        received.extend(data)
        began.set()

    following = asyncio.create_task(cell.sandboxes.follow(run_id, 0, keep))
    await began.wait()
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    (cell.workspace / "go").touch()
    status, rest = await cell.end(run_id, len(received))
    assert status.exit_code == 0
    assert bytes(received) + rest == "".join(f"{number}\n" for number in range(1, 10001)).encode()


async def test_a_stopped_run_keeps_its_output_and_says_why(cell: Cell) -> None:
    run_id = await cell.start("bash", "-c", "trap '' TERM INT HUP; echo working; sleep 100")
    await cell.says(run_id, b"working")
    assert run_id in cell.sandboxes.live_runs()
    # Every other test relies on this look to say that nothing remains.
    assert len(cell.processes()) >= 3
    await cell.sandboxes.stop(run_id, "halted by security")
    status, output = await cell.end(run_id)
    assert (status.end, status.detail, status.exit_code) == (RunEnd.STOPPED, "halted by security", None)
    assert output == b"working\n"
    assert run_id not in cell.sandboxes.live_runs()
    await cell.sandboxes.stop(run_id, "again")
    assert (await cell.end(run_id))[0] == status


async def test_a_cancelled_wait_ends_the_run_that_nobody_waits_for(cell: Cell) -> None:
    waiting = asyncio.create_task(cell.shell("echo working; sleep 100"))
    run_id = await eventually(lambda: next(iter(cell.run_ids()), ""), "the run is there")
    await cell.says(run_id, b"working")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    status, _ = await cell.end(run_id)
    assert status.end is RunEnd.STOPPED


async def test_daemons_left_behind_are_dead_when_the_run_has_ended(cell: Cell) -> None:
    script = """
    for _ in 1 2 3; do setsid nohup bash -c 'trap "" TERM HUP; while :; do date > /work/alive; sleep 0.01; done' & done
    (exec -a elsewhere env -i setsid sleep 1000 &) ; exec 1>&- 2>&-
    until [ -s alive ]; do sleep 0.01; done
    exit 3
    """
    status, _ = await cell.shell(script)
    # At once: export reads the workspace as soon as the status is there.
    assert [line for line in cell.processes() if "supervisor" not in line] == []
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 3)


async def test_a_run_that_goes_on_cannot_be_forgotten(cell: Cell) -> None:
    run_id = await cell.start("sleep", "100")
    with pytest.raises(RunStillGoing, match="Stop it first"):
        await cell.sandboxes.forget(run_id)
    await cell.sandboxes.stop(run_id, "enough")
    await cell.sandboxes.forget(run_id)
    assert run_id not in cell.sandboxes.known_runs()
    # Its supervisor has said all, and is about to end.
    await eventually(lambda: cell.traces() == [], "nothing is left behind")
    await cell.sandboxes.forget(run_id)


async def test_a_run_without_workspace_and_uid_leaves_nothing_behind(cell: Cell) -> None:
    status, output = await cell.sandboxes.run(
        SandboxSpec(
            run_id=f"{cell.token}-bare",
            command=("bash", "-c", "pwd; echo x > file; cat file"),
            environment={TOKEN: cell.token},
        )
    )
    assert (status.exit_code, output) == (0, b"/work\nx\n")
    await cell.sandboxes.forget(f"{cell.token}-bare")
    await eventually(lambda: cell.traces() == [], "its uid is given back")


async def test_an_unknown_run_is_told_apart_from_one_that_goes_on(cell: Cell) -> None:
    for call in (cell.end("never-started"), cell.sandboxes.stop("never-started", "x")):
        with pytest.raises(RunUnknown, match="never-started"):
            await call


@pytest.mark.parametrize(
    "run_id",
    ["", ".", "..", "../up", "a/b", "/etc", "lease", ".uids", "-x", "a b", "a\n", "a\0b", "ü", "x" * 129, "_x"],
)
async def test_a_run_id_never_leads_out_of_the_runs(cell: Cell, run_id: str) -> None:
    before = sorted(path.name for path in cell.runs.iterdir())
    spec = cell.spec("true").model_copy(update={"run_id": run_id})
    for call in (cell.sandboxes.start(spec), cell.sandboxes.stop(run_id, "x"), cell.sandboxes.forget(run_id)):
        with pytest.raises(BadRunId, match="Refused the run id"):
            await call
    assert sorted(path.name for path in cell.runs.iterdir()) == before


async def test_no_run_is_named_twice_by_letters_that_only_look_alike(cell: Cell) -> None:
    long = f"{cell.token}-{'x' * 200}"[:128]
    spec = cell.spec("echo", "long").model_copy(update={"run_id": long})
    assert (await cell.sandboxes.run(spec))[1] == b"long\n"


def test_root_is_refused_without_a_uid_to_drop_to(as_root: None) -> None:
    for uid in (None, 0):
        with pytest.raises(UndroppedRoot, match="unprivileged uid"):
            check_uid(uid)


async def test_a_start_as_root_with_uid_zero_is_refused_and_leaves_nothing(cell: Cell, as_root: None) -> None:
    spec = cell.spec("id").model_copy(update={"uid": 0})
    with pytest.raises(UndroppedRoot):
        await cell.sandboxes.start(spec)
    assert cell.run_ids() == []


async def test_a_normal_user_cannot_ask_for_another_uid(cell: Cell, as_user: None) -> None:
    with pytest.raises(PermissionError, match="Leave the uid out"):
        await cell.sandboxes.start(cell.spec("id").model_copy(update={"uid": 1}))


async def test_what_a_sandbox_writes_belongs_to_its_own_uid(cell: Cell) -> None:
    await cell.shell("touch made; mkdir deep; touch deep/made")
    owners = {path.stat().st_uid for path in (cell.workspace / "made", cell.workspace / "deep/made")}
    assert owners == {cell.workspace.stat().st_uid}


async def test_nobody_else_can_read_what_a_run_said(cell: Cell) -> None:
    run_id = await cell.start("echo", "private")
    await cell.end(run_id)
    directory = cell.directory(run_id)
    modes = [path.stat().st_mode & 0o077 for path in (Path(cell.runs), directory.path, directory.output)]
    assert modes == [0, 0, 0]
