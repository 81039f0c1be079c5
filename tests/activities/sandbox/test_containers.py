"""What is so of containers alone: images, the engine's own life, and the init that every container has."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from activities.sandbox.backend import Backend, ProbeFailed
from activities.sandbox.container.backend import ContainerBackend
from activities.sandbox.container.engine import PLACE, RUN, EngineUnavailable
from activities.sandbox.contract import ImageRefused
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import Stage
from tests.activities.sandbox.cell import Cell, container_alone, eventually, follow
from tests.support.engines import BASE, HERE, WHY_NONE, Engine, serving
from workflows.models.limits import Grade
from workflows.models.run import RunEnd

if not HERE:
    pytest.skip(WHY_NONE, allow_module_level=True)
pytestmark = [container_alone, pytest.mark.usefixtures("backend")]
LOUD = "localhost/journeyman-test-loud:latest"


async def test_nothing_that_an_image_says_of_itself_changes_a_sandbox(cell: Cell, engine: Engine) -> None:
    image = engine.build(
        LOUD,
        "ENV LD_DEBUG=none PYTHONPATH=/planted SECRET_OF_THE_IMAGE=x HOME=/nowhere",
        'ENTRYPOINT ["sh", "-c", "echo planted"]',
        'CMD ["planted"]',
        "USER root",
        "WORKDIR /var",
        "STOPSIGNAL SIGUSR1",
        "HEALTHCHECK --interval=1s CMD touch /work/planted",
    )
    code = """
import json, os
print(json.dumps([sorted(os.environ), os.getuid(), os.getcwd(), os.path.expanduser("~")]))
"""
    spec = cell.spec("python3", "-I", "-S", "-c", code).model_copy(update={"image": image})
    _, output = await cell.sandboxes.run(spec)
    assert b"planted" not in output
    assert not (cell.workspace / "planted").exists()
    assert b"SECRET_OF_THE_IMAGE" not in output
    assert f'{cell.inside_uid}, "/work", "/home/agent"]'.encode() in output


async def test_an_image_that_has_directories_of_ours_locks_no_run_out_of_them(cell: Cell, engine: Engine) -> None:
    ours = "/work /home/agent /var/tmp /run/egress /run/task /opt/journeyman/layer"
    image = engine.build("localhost/journeyman-test-crowded:latest", f"RUN mkdir -p {ours} && chmod 0700 {ours} /tmp")
    script = "for place in /work ~ /tmp /var/tmp /dev/shm; do echo kept > $place/x; cat $place/x; done"
    spec = cell.spec("sh", "-c", script).model_copy(update={"image": image, "workspace": None})
    assert (await cell.sandboxes.run(spec))[1] == b"kept\n" * 5


@pytest.mark.parametrize(
    "name",
    ["", "-v", "a b", "../../etc", "http://evil.example/x?y", "x\n", "x\0y", "ü", "a" * 300, "containers/json?all=1#"],
)
def test_the_name_of_an_image_leads_nowhere_else_in_the_engine(
    backend: Backend, stage: Stage, engine: Engine, name: str, state: Path
) -> None:
    other = ContainerBackend(stage, socket=str(engine.socket), image=name)
    with pytest.raises(ImageRefused, match=r"can't be the name of an image"):
        HostSandboxes(state / "runs", other).system_of("")


async def test_an_image_that_is_not_there_is_refused_with_how_to_get_it(cell: Cell) -> None:
    spec = cell.spec("true").model_copy(update={"image": "localhost/nobody-made-this:1"})
    with pytest.raises(ImageRefused, match="podman pull localhost/nobody-made-this:1"):
        await cell.sandboxes.start(spec)
    assert cell.run_ids() == []


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["RUN rm /usr/bin/git"], "has no git: a patch is taken out of a workspace by git"),
        (["VOLUME /data"], r"declares volumes \(/data\): they would be storage on this host without a limit"),
        (["RUN rm -f /usr/lib64/ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2"], "it needs the GNU C library"),
    ],
    ids=["no git", "volumes", "no C library"],
)
async def test_an_image_that_can_not_do_a_whole_task_is_refused_before_the_task_begins(
    cell: Cell, engine: Engine, request: pytest.FixtureRequest, lines: list[str], told: str
) -> None:
    name = "localhost/journeyman-test-" + "".join(filter(str.isalnum, request.node.callspec.id.lower()))
    engine.build(name, *lines)
    with pytest.raises(ImageRefused, match=told):
        await asyncio.to_thread(cell.sandboxes.system_of, name)


async def test_the_system_that_an_image_is_has_the_same_name_until_the_image_changes(
    cell: Cell, engine: Engine
) -> None:
    name = "localhost/journeyman-test-moving"
    engine.build(name, "RUN touch /one")
    first = await asyncio.to_thread(cell.sandboxes.system_of, name)
    assert await asyncio.to_thread(cell.sandboxes.system_of, name) == first
    engine.build(name, "RUN touch /other")
    assert await asyncio.to_thread(cell.sandboxes.system_of, name) != first


async def test_nobody_inside_can_speak_for_the_init_or_look_into_it(cell: Cell) -> None:
    code = """
import glob, json, os, sys
def attempt(action):
    try:
        action()
        return True
    except OSError:
        return False
held = [attempt(lambda path=path: os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK)))
        for name in ("report", "hold", "output") for path in (f"/run/supervisor/{name}",)]
inside = [attempt(lambda name=name: os.close(os.open(f"/proc/1/{name}", flags)))
          for name, flags in (("mem", os.O_RDWR), ("environ", os.O_RDONLY))]
looked = attempt(lambda: os.listdir("/proc/1/fd"))
for number in (2, 10, 12, 15, 9):
    attempt(lambda number=number: os.kill(1, number))
own = attempt(lambda: os.close(os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK)))
print(json.dumps([held, inside, looked, own]), flush=True)
os.write(2, b"exit 0\\n")
sys.exit(9)
"""
    status, output = await cell.python(code)
    assert output.splitlines()[0] == b"[[false, false, false], [false, false], false, false]"
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 9)


async def test_a_frozen_run_is_frozen_by_the_engine_not_only_told_to_stop(cell: Cell, engine: Engine) -> None:
    if cell.sandboxes.grades().cpus is not Grade.KERNEL:
        pytest.skip("this engine makes no cgroups, and so has no freezer")
    run_id = await cell.start("bash", "-c", "trap '' CONT TERM; echo working; while :; do sleep 0.01; done")
    await cell.says(run_id, b"working")
    await cell.sandboxes.freeze(run_id)
    await eventually(lambda: engine.run("ps", "--filter", "status=paused", "--quiet").split(), "it is paused")
    await cell.sandboxes.thaw(run_id)
    await eventually(lambda: not engine.run("ps", "--filter", "status=paused", "--quiet").split(), "it goes on")


async def test_a_container_that_somebody_removes_ends_its_run_and_says_so(cell: Cell, engine: Engine) -> None:
    run_id = await cell.start("bash", "-c", "echo working; sleep 1000")
    await cell.says(run_id, b"working")
    engine.remove(run_id)
    status, output = await cell.end(run_id)
    assert (status.end, output) == (RunEnd.LOST, b"working\n")
    assert "Somebody outside ended the container" in status.detail


def test_an_engine_that_is_not_there_is_named_with_what_to_do(backend: Backend, stage: Stage, state: Path) -> None:
    sandboxes = HostSandboxes(state / "runs", ContainerBackend(stage, socket=str(state / "none.sock"), image=BASE))
    with pytest.raises(ProbeFailed, match=r"No container engine answers at .*none\.sock .*podman\.socket"):
        sandboxes.grades()


async def test_a_run_goes_on_while_its_engine_is_restarted_and_its_container_is_gone_afterwards(
    stage: Stage, state: Path, kind: str
) -> None:
    with serving(kind) as engine:
        sandboxes = HostSandboxes(state / "runs", ContainerBackend(stage, socket=str(engine.socket), image=BASE))
        cell = Cell(sandboxes, state / "runs", "engine", engine)
        run_id = await cell.start("bash", "-c", "echo before; until [ -e go ]; do sleep 0.02; done; echo after")
        await cell.says(run_id, b"before")
        engine.stop()
        (cell.workspace / "go").touch()
        await cell.says(run_id, b"after")
        # Nobody can say that it is over before its container is gone.
        assert not cell.directory(run_id).status.exists()
        engine.start()
        status, output = await cell.end(run_id)
        assert (status.end, status.exit_code, output) == (RunEnd.EXITED, 0, b"before\nafter\n")
        await cell.close()


@pytest.mark.parametrize("seconds", [0, 0.05, 0.1, 0.15, 0.2, 0.25])
async def test_no_container_is_left_whenever_a_supervisor_is_killed_while_it_makes_one(
    cell: Cell, seconds: float
) -> None:
    run_id = await cell.start("sleep", "1000")
    await asyncio.sleep(seconds)
    os.kill(cell.supervisor(run_id), signal.SIGKILL)
    assert (await cell.end(run_id))[0].end is RunEnd.LOST
    await cell.sandboxes.forget(run_id)

    def is_swept() -> bool:
        # As a host does each minute: what the engine makes after all belongs to a run that nobody knows any more.
        cell.sandboxes.remove_abandoned()
        return cell.containers() == []

    await eventually(is_swept, "nothing is left")


async def test_a_container_that_an_engine_makes_too_late_is_swept_and_another_hosts_is_not(cell: Cell) -> None:
    run_id = await cell.start("sleep", "1000")
    await eventually(lambda: run_id in cell.containers(), "its container is there")
    assert cell.engine is not None
    late, others = (f"{cell.token}-{name}" for name in ("late", "others"))
    for name, runs in ((late, cell.runs), (others, "/elsewhere/runs")):
        labels = ("--label", f"{RUN}={name}", "--label", f"{PLACE}={runs}/{name}/place")
        cell.engine.run("create", *labels, BASE, "true")
    try:
        cell.sandboxes.remove_abandoned()
        assert sorted(cell.containers()) == sorted([run_id, others])
    finally:
        cell.engine.run("rm", "--force", cell.engine.run("ps", "-aq", "--filter", f"label={RUN}={others}").strip())


async def test_a_lost_run_is_not_called_over_while_its_engine_can_not_be_asked(
    stage: Stage, state: Path, kind: str
) -> None:
    with serving(kind) as engine:
        backend = ContainerBackend(stage, socket=str(engine.socket), image=BASE)
        sandboxes = HostSandboxes(state / "runs", backend)
        cell = Cell(sandboxes, state / "runs", "lost", engine)
        run_id = await cell.start("bash", "-c", "echo working; sleep 1000")
        await cell.says(run_id, b"working")
        engine.stop()
        os.kill(cell.supervisor(run_id), signal.SIGKILL)
        with pytest.raises(EngineUnavailable, match="Start it"):
            await cell.end(run_id)
        assert sandboxes.live_runs() == (run_id,)
        engine.start()
        assert (await follow(sandboxes, run_id))[0].end is RunEnd.LOST
        assert cell.containers() == []
        await cell.close()
