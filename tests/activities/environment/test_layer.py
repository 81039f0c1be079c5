"""An environment is made once, from pinned packages, with no way out but the registry, and stays as it is."""

import asyncio
import os
import re
import shutil
import ssl
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import httpx
import pytest

from activities.egress.daemon import wait_for
from activities.egress.gateway import EnvoyGateway
from activities.environment.checkout import SetupFailed
from activities.environment.frozen_tree import freeze
from activities.environment.layer import EnvironmentLayers, Layer
from activities.environment.registries import RegistryAccess, discover
from activities.removal import remove
from activities.sandbox.contract import SandboxSpec
from tests.activities.egress.conftest import make_directory
from tests.activities.environment.conftest import Host
from tests.activities.environment.index import Index, lock
from workflows.models.limits import MIB, Limits
from workflows.models.policy import Setup

LIMITS = Limits(wall_seconds=100)
INSTALL = (
    "python3 -m venv $JOURNEYMAN_LAYER",
    "$JOURNEYMAN_LAYER/bin/pip install --require-hashes -r requirements.lock",
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    (source / "requirements.lock").write_text(lock())
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("[remote]")
    return source


async def look_inside(host: Host, layer: Layer, script: str) -> tuple[int | None, str]:
    spec = SandboxSpec(
        run_id=f"look-{os.urandom(6).hex()}",
        command=("sh", "-c", script),
        mounts=(layer.mount(),),
        uid=host.sandboxes.take_uid(),
        limits=LIMITS,
    )
    status, output = await host.sandboxes.run(spec)
    await host.sandboxes.forget(spec.run_id)
    host.sandboxes.give_back_uid(spec.uid)
    return status.exit_code, output.decode()


def left_behind(directory: Path) -> list[Path]:
    return [*directory.glob("layers/*"), *directory.glob("building/*")]


async def test_pinned_packages_from_an_index_are_there_afterwards_and_read_only(
    host: Host, layers: EnvironmentLayers, source: Path, index: Index
) -> None:
    setup = Setup(commands=INSTALL, lock_files=("requirements.lock",))
    index.seen.clear()
    both = await asyncio.gather(*(layers.ensure(setup, source, LIMITS, "toolchain-1") for _ in range(2)))
    layer = both[0]
    assert layer is not None and both[1] == layer
    assert len([path for path in index.seen if path.startswith("/files/tinything")]) == 1
    assert layer.manifest.files > 10 and len(layer.manifest.sha256) == 64
    assert f"locked packages of index.example.test:{index.port}" in layer.egress.read_text()
    assert layer.manifest.packages == ("tinything@1.0", "tinypart@2.0")

    code, output = await look_inside(host, layer, "python -c 'import tinything; print(tinything.ANSWER)'; which python")
    assert (code, output.split()) == (0, ["42", "/opt/journeyman/layer/bin/python"])
    script = (
        "for f in new pyvenv.cfg bin/python; do echo x >> $LAYER/$f && echo wrote $f; done; rm -f $LAYER/pyvenv.cfg"
    )
    code, output = await look_inside(
        host, layer, f"LAYER=/opt/journeyman/layer; {script}; chmod u+w $LAYER; test -w $LAYER"
    )
    assert code != 0 and "wrote" not in output

    index.seen.clear()
    assert await layers.ensure(setup, source, LIMITS, "toolchain-1") == layer
    assert index.seen == []


async def test_a_changed_lock_file_command_or_toolchain_makes_another_layer(
    layers: EnvironmentLayers, source: Path
) -> None:
    setup = Setup(commands=("cp requirements.lock $JOURNEYMAN_LAYER/",), lock_files=("requirements.lock",))
    first = await layers.ensure(setup, source, LIMITS, "toolchain-1")
    other_toolchain = await layers.ensure(setup, source, LIMITS, "toolchain-2")
    other_command = await layers.ensure(
        setup.model_copy(update={"commands": ("cp requirements.lock $JOURNEYMAN_LAYER/again",)}),
        source,
        LIMITS,
        "toolchain-1",
    )
    (source / "requirements.lock").write_text("other==1.0")
    other_lock = await layers.ensure(setup, source, LIMITS, "toolchain-1")
    made = [first, other_toolchain, other_command, other_lock]
    assert len({layer.directory for layer in made if layer}) == 4
    assert first and other_toolchain and first.manifest.sha256 == other_toolchain.manifest.sha256


async def test_a_set_up_reaches_no_host_but_the_registry(
    layers: EnvironmentLayers, source: Path, directory: Path, index: Index
) -> None:
    url = f"http://elsewhere.example.test:{index.port}/simple/tinything/"
    fetch = f"import urllib.request as u; u.urlopen({url!r})"
    index.seen.clear()
    with pytest.raises(SetupFailed, match=r"Refused by the egress gateway: elsewhere\.example\.test") as refused:
        await layers.ensure(Setup(commands=(f'python3 -c "{fetch}"',)), source, LIMITS, "t")
    assert "403" in str(refused.value)
    unset = "import os; os.environ.clear(); "
    with pytest.raises(SetupFailed):
        await layers.ensure(Setup(commands=(f'python3 -c "{unset}{fetch}"',)), source, LIMITS, "t")
    direct = f"import socket; socket.create_connection(('127.0.0.1', {index.port}), 5)"
    with pytest.raises(SetupFailed):
        await layers.ensure(Setup(commands=(f'python3 -c "{direct}"',)), source, LIMITS, "t")
    assert index.seen == []
    assert left_behind(directory) == []


async def test_a_failed_set_up_shows_the_end_of_its_output_and_leaves_nothing(
    layers: EnvironmentLayers, source: Path, directory: Path, host: Host
) -> None:
    setup = Setup(
        commands=(
            "echo started > $JOURNEYMAN_LAYER/half; cd /tmp",
            "pwd; printf 'no such \\033[31mthing\\n' >&2; exit 3",
            "echo never",
        )
    )
    with pytest.raises(SetupFailed, match="exit code 3") as failed:
        await layers.ensure(setup, source, LIMITS, "t")
    message = str(failed.value)
    assert "/work\nno such �[31mthing" in message and "never" not in message
    assert left_behind(directory) == []
    assert list((host.state / "egress" / "sandboxes").iterdir()) == []


async def test_a_set_up_that_never_ends_or_fills_the_disk_is_ended_by_its_limits(
    layers: EnvironmentLayers, source: Path, directory: Path
) -> None:
    with pytest.raises(SetupFailed, match="deadline"):
        await layers.ensure(Setup(commands=("sleep 100",)), source, Limits(wall_seconds=1), "t")
    fill = Setup(commands=("head -c 64M /dev/zero > $JOURNEYMAN_LAYER/zeros; sleep 100",))
    with pytest.raises(SetupFailed, match="grew by more than"):
        await layers.ensure(fill, source, Limits(wall_seconds=60, disk_bytes=16 * MIB), "t")
    assert left_behind(directory) == []


async def test_directories_nested_without_end_are_refused_and_removed(
    layers: EnvironmentLayers, source: Path, directory: Path
) -> None:
    nest = "import os; os.chdir(os.environ['JOURNEYMAN_LAYER']); [(os.mkdir('d'), os.chdir('d')) for _ in range(3000)]"
    with pytest.raises(SetupFailed, match=r"nested .* deep"):
        await layers.ensure(Setup(commands=(f'python3 -c "{nest}"',)), source, LIMITS, "t")
    assert left_behind(directory) == []


async def test_a_cancelled_set_up_stops_and_the_next_one_succeeds(
    layers: EnvironmentLayers, source: Path, directory: Path
) -> None:
    endless = Setup(commands=("touch $JOURNEYMAN_LAYER/begun; sleep 100",))
    making = asyncio.create_task(layers.ensure(endless, source, LIMITS, "t"))
    assert await asyncio.to_thread(wait_for, lambda: bool(list(directory.glob("building/*/tree/begun"))), 30)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert left_behind(directory) == []
    assert await layers.ensure(Setup(commands=("touch $JOURNEYMAN_LAYER/begun",)), source, LIMITS, "t")


async def test_what_a_killed_worker_left_half_made_is_never_used(
    host: Host, layers: EnvironmentLayers, source: Path, directory: Path
) -> None:
    program = f"""
        import asyncio, pathlib
        from activities.egress.gateway import EnvoyGateway
        from activities.environment.layer import EnvironmentLayers
        from activities.environment.registries import RegistryAccess
        from activities.sandbox.host import BubblewrapSandboxes
        from activities.sandbox.stage import stage_runtime
        from workflows.models.limits import Limits
        from workflows.models.policy import Setup

        async def registries():
            return RegistryAccess()

        state = pathlib.Path({str(host.state)!r})
        sandboxes = BubblewrapSandboxes(state / "runs", stage_runtime(state))
        gateway = EnvoyGateway(state / "egress", resolvers=[{host.resolver!r}])
        layers = EnvironmentLayers(pathlib.Path({str(directory)!r}), sandboxes, gateway, registries)
        setup = Setup(commands=("touch $JOURNEYMAN_LAYER/begun; sleep 100",))
        asyncio.run(layers.ensure(setup, pathlib.Path({str(source)!r}), Limits(), "t"))
    """
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(program))
    assert await asyncio.to_thread(wait_for, lambda: bool(list(directory.glob("building/*/tree/begun"))), 30)
    worker.kill()
    await worker.wait()
    same = Setup(commands=("touch $JOURNEYMAN_LAYER/begun; sleep 100",))
    with pytest.raises(SetupFailed, match="deadline"):
        await layers.ensure(same, source, Limits(wall_seconds=1), "t")
    assert left_behind(directory) == []
    assert list((host.state / "runs").glob("setup-*")) == []


@pytest.mark.parametrize("name", ["missing.lock", "../outside.lock", "/etc/hostname", "planted.lock", "folder", ""])
async def test_a_lock_file_that_is_not_the_repository_s_own_is_a_clear_error(
    layers: EnvironmentLayers, source: Path, name: str
) -> None:
    (source.parent / "outside.lock").write_text("secret")
    (source / "planted.lock").symlink_to("../outside.lock")
    (source / "folder").mkdir()
    with pytest.raises(SetupFailed, match=r"lock file .* on the base branch") as refused:
        await layers.ensure(Setup(commands=("true",), lock_files=(name,)), source, LIMITS, "t")
    assert repr(name) in str(refused.value)


async def test_a_repository_without_set_up_has_no_layer(
    layers: EnvironmentLayers, source: Path, directory: Path
) -> None:
    assert await layers.ensure(Setup(lock_files=("requirements.lock",)), source, LIMITS, "t") is None
    assert left_behind(directory) == []


async def test_the_set_up_works_on_a_copy_of_base_without_its_git_directory(
    host: Host, layers: EnvironmentLayers, source: Path
) -> None:
    (source / "dangling").symlink_to("/nowhere")
    setup = Setup(
        commands=(
            "ls -A > $JOURNEYMAN_LAYER/names; readlink dangling >> $JOURNEYMAN_LAYER/names; rm requirements.lock",
        )
    )
    layer = await layers.ensure(setup, source, LIMITS, "t")
    assert layer is not None
    _, names = await look_inside(host, layer, "cat /opt/journeyman/layer/names")
    assert names.split() == ["dangling", "requirements.lock", "/nowhere"]
    assert (source / "requirements.lock").exists()


def test_a_frozen_tree_gives_nobody_the_right_to_write_or_to_become_its_owner(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "bin").mkdir(parents=True)
    outside.write_text("host")
    outside.chmod(0o600)
    program, closed = tree / "bin" / "su", tree / "closed"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o6777)
    closed.write_text("x")
    closed.chmod(0o000)
    (tree / "escape").symlink_to(outside)
    (tree / "shared").hardlink_to(closed)
    (tree / "shut").mkdir(mode=0o000)
    os.mkfifo(tree / "pipe")
    frozen = freeze(tree)
    try:
        assert program.stat().st_mode & 0o7777 == 0o555
        assert closed.stat().st_mode & 0o7777 == 0o444
        assert tree.stat().st_mode & 0o7777 == (tree / "bin").stat().st_mode & 0o7777 == 0o555
        assert outside.stat().st_mode & 0o7777 == 0o600
        assert not (tree / "pipe").exists()
        assert (frozen.files, frozen.size) == (3, 12)
        assert freeze(tree) == frozen
    finally:
        remove(tree)


async def pin_from_registry(access: RegistryAccess, projects: tuple[str, ...]) -> str:
    """Requirements with hashes, in the versions installed here, as the machine's own index states them."""
    context = ssl.create_default_context(cafile=access.certificates)
    lines = []
    async with httpx.AsyncClient(verify=context, follow_redirects=True, timeout=10) as client:
        for project in projects:
            page = await client.get(f"{access.environment['PIP_INDEX_URL'].rstrip('/')}/{project}/")
            page.raise_for_status()
            version = metadata.version(project)
            found = re.search(rf"{project}-{re.escape(version)}-py3-none-any\.whl#sha256=([0-9a-f]{{64}})", page.text)
            if not found:
                raise LookupError(f"the index has no hash for {project} {version}")
            lines.append(f"{project}=={version} --hash=sha256:{found[1]}\n")
    return "".join(lines)


async def test_pinned_test_dependencies_come_from_the_machine_s_own_registry(
    host: Host, directory: Path, source: Path
) -> None:
    access = await discover()
    try:
        locked = await pin_from_registry(access, ("pytest", "pluggy", "iniconfig", "packaging", "pygments"))
    except (httpx.HTTPError, LookupError) as error:
        pytest.skip(f"no package registry with these projects is reachable from here: {error!r}")
    (source / "requirements.lock").write_text(locked)
    own = make_directory()
    gateway = EnvoyGateway(own)
    try:
        layers = EnvironmentLayers(directory, host.sandboxes, gateway, discover)
        setup = Setup(commands=INSTALL, lock_files=("requirements.lock",))
        layer = await layers.ensure(setup, source, LIMITS, "toolchain-1")
    finally:
        await gateway.stop()
        shutil.rmtree(own)
    assert layer is not None
    script = (
        "cd /tmp && printf 'def test_it():\\n    import iniconfig\\n' > test_it.py && python -m pytest -q test_it.py"
    )
    code, output = await look_inside(host, layer, script)
    assert code == 0 and "1 passed" in output, output


async def test_packages_run_no_code_of_their_own_unless_the_team_says_so(
    host: Host, layers: EnvironmentLayers, source: Path, index: Index
) -> None:
    (source / "requirements.lock").write_text("buildme==1.0\n")
    # A command's own words win over what the environment says; the index has no such file all the same.
    install = "venv/bin/pip install --no-deps --no-binary :all: buildme==1.0"
    setup = Setup(commands=("python3 -m venv venv", install), lock_files=("requirements.lock",))
    index.seen.clear()
    with pytest.raises(SetupFailed, match="No matching distribution") as failed:
        await layers.ensure(setup, source, LIMITS, "toolchain-1")
    assert "set `install_scripts = true`" in str(failed.value)
    assert "No file that fits this machine was found for: buildme@1.0. Wheels alone count" in str(failed.value)
    assert not [path for path in index.seen if path.startswith("/files/buildme")]
    with pytest.raises(SetupFailed) as failed:
        await layers.ensure(setup.model_copy(update={"install_scripts": True}), source, LIMITS, "toolchain-1")
    assert "install_scripts" not in str(failed.value)
    assert [path for path in index.seen if path.startswith("/files/buildme")]
    told = ("env > $JOURNEYMAN_LAYER/env",)
    made = [
        await layers.ensure(Setup(commands=told, install_scripts=scripts), source, LIMITS, "toolchain-1")
        for scripts in (False, True)
    ]
    off, on = [(await look_inside(host, layer, "cat /opt/journeyman/layer/env"))[1] for layer in made if layer]
    assert "NPM_CONFIG_IGNORE_SCRIPTS=true" in off and "IGNORE_SCRIPTS" not in on
