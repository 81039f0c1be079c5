"""`journeyman doctor`: everything a run needs, tried rather than guessed, with the line that mends what is missing."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from activities.archive.objects import Objects
from activities.archive.schema import ArchiveTooNew, ArchiveTooOld, readable_version
from activities.decisions.keys import TrustedKeys
from activities.egress.contract import EgressRules
from activities.egress.gateway import EnvoyGateway
from activities.host.layout import HostLayout
from activities.host.room import Room
from activities.policy.owner_signature import OWNER, OwnersSignatures
from activities.policy.owners import OwnersFiles
from activities.policy.reading import read_platform
from activities.sandbox.backend import Backend, ProbeFailed
from activities.sandbox.contract import ImageRefused, SandboxSpec
from activities.sandbox.host import HostSandboxes
from activities.sandbox.launch import CONTAINER
from activities.sandbox.stage import stage_runtime
from activities.webhooks.signature import WebhookSecrets
from workers.agent_checks import examine_agents
from workers.embedded.programs import program
from workers.findings import Finding
from workers.parts.drills import read_drills
from workers.parts.halts import read_halts
from workers.sandboxes import configured_backend, configured_sizing
from workers.settings import Settings, StateUnusable
from workflows.models.drill import DrillResult
from workflows.models.halt import Reach, not_held
from workflows.models.limits import Limits
from workflows.models.plural import plural
from workflows.models.policy import PolicyRefusal
from workflows.models.run import RunEnd

_LEAST_GIT = (2, 38)
"""`git merge-tree --write-tree` came with 2.38."""
_MISSED_DRILLS = 3
_MOST_TOLD = 3


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything, one after the other, each whatever the others say."""
    looks: Sequence[tuple[str, str, Callable[[Settings], Awaitable[str]]]] = (
        ("state directory", f"mkdir -p {settings.state} && chown {os.geteuid()} {settings.state}", _state),
        ("disk space", f"df -h {settings.state}", _disk),
        ("archive", "journeyman upgrade --dry-run   # if it is of an older version", _archive),
        ("policy files", f"edit {settings.config_file} or {settings.security_file} as the line says", _policy),
        ("halts", "journeyman halts   # `journeyman resume --all` lets it go on", _halts),
        ("revert drill", "journeyman drill   # shows why", _drill),
        ("git", "apt-get install git   # 2.38 or newer", _git),
        ("user namespaces", "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000", _namespaces),
        ("sandbox", "make setup   # then read the line above; a sandbox must start as an unprivileged user", _sandbox),
        ("Temporal dev server", "make setup", _temporal),
        ("egress gateway", "make setup", _egress),
    )
    found = [await _look(name, mend, look, settings) for name, mend, look in looks]
    return [*found, *await _webhooks(settings), *await _agents(settings)]


async def _webhooks(settings: Settings) -> list[Finding]:
    """Whether what other systems tell can be taken in, where it is to be."""
    try:
        platform = read_platform(settings.config_file)
    except PolicyRefusal:
        return []
    hooks = platform.github.webhooks if platform.github is not None else None
    found = []
    if hooks is not None:
        found.append(await _listens("GitHub", "webhooks", "[github.webhooks]", hooks.address, hooks.secrets, settings))
    slack, linear = platform.slack, platform.linear
    if slack is not None and slack.address is not None:
        found.append(await _listens("Slack", "Slack", "[slack]", slack.address, slack.signing_secrets, settings))
    if slack is not None and slack.address is None:
        found.append(Finding(name="Slack", ok=True, detail="the gateway asks Slack for a connection (Socket Mode)"))
    if linear is not None and linear.address is not None:
        found.append(await _listens("Linear", "Linear", "[linear]", linear.address, linear.secrets, settings))
    return found


async def _listens(
    system: str, name: str, table: str, address: str, secrets: Sequence[Path], settings: Settings
) -> Finding:
    async def look(_: Settings) -> str:
        count = WebhookSecrets(lambda: secrets).check()
        return f"the gateway listens for {system} at {address}; {plural(count, 'secret')}"

    return await _look(name, f"edit {table} in {settings.config_file}", look, settings)


async def _agents(settings: Settings) -> list[Finding]:
    """Each agent that is configured. That there is none yet, the line about policy files says."""
    try:
        if not read_platform(settings.config_file).agents:
            return []
        return await examine_agents(settings)
    except PolicyRefusal:
        # Told as a policy file with a mistake.
        return []


class _Missing(Exception):
    """Something is not as it has to be, and this line mends it better than the general one."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


async def _look(name: str, mend: str, look: Callable[[Settings], Awaitable[str]], settings: Settings) -> Finding:
    try:
        return Finding(name=name, ok=True, detail=await look(settings))
    except (_Missing, StateUnusable) as error:
        return Finding(name=name, ok=False, detail=str(error), mend=error.mend)
    except Exception as error:  # whatever is wrong with one thing, the others are still looked at
        return Finding(name=name, ok=False, detail=str(error) or repr(error), mend=mend)


async def _state(settings: Settings) -> str:
    settings.prepare_state()
    with tempfile.TemporaryFile(dir=settings.state):
        return str(settings.state)


async def _disk(settings: Settings) -> str:
    settings.prepare_state()
    room = Room(settings.disks, least_bytes=settings.least_free_bytes, least_inodes=settings.least_free_inodes)
    if full := room.why_not():
        where = " ".join(str(place) for place in settings.disks if place.exists())
        raise _Missing(
            full, f"df -h {where}; df -i {where}   # or set JOURNEYMAN_STATE to a directory on a larger disk"
        )
    return room.told()


async def _archive(settings: Settings) -> str:
    settings.prepare_state()
    objects = Objects.open(settings.archive_location)
    try:
        version = await readable_version(objects)
    except ArchiveTooOld as old:
        raise _Missing(str(old), "journeyman upgrade --dry-run") from old
    except ArchiveTooNew as new:
        raise _Missing(str(new), "journeyman --version   # then install the one that the line names") from new
    return f"version {version}" if version else "nothing is on record yet"


async def _policy(settings: Settings) -> str:
    settings.refuse_missing_files()
    platform = read_platform(settings.config_file)
    OwnersFiles.at(
        settings.config_file,
        settings.security_file,
        OwnersSignatures(TrustedKeys.of_role(settings.keys_location, OWNER)),
    ).security()
    if not platform.agents:
        return f"no agent is configured yet: add [agents.NAME] to {settings.config_file}, as docs/quickstart.md shows"
    return f"profile {platform.profile}, agents {', '.join(sorted(platform.agents))}"


async def _halts(settings: Settings) -> str:
    location = settings.archive_location
    if "://" not in location and not Path(location).exists():
        return "nothing is on record yet"
    record = read_halts(settings, Objects.open(location))
    halts = await record.standing()
    if stopped := [halt.told for halt in halts if halt.scope.reach is Reach.ALL]:
        raise RuntimeError(stopped[0])
    if lost := await record.unconfirmed():
        told = "; ".join(not_held(halt.scope, f"{halt.person.id}: {halt.reason}") for halt in lost[:_MOST_TOLD])
        raise _Missing(
            told, f"journeyman halt {lost[0].scope.option} -m WHY   # then `resume` it if it should not hold"
        )
    return "; ".join(halt.told for halt in halts) or "nothing is halted"


async def _drill(settings: Settings) -> str:
    table = read_platform(settings.config_file).drill
    if table is None:
        return "no canary repository is named, so reverts are not tried before they are needed: docs/how-to/revert.md"
    location, now = settings.archive_location, datetime.now(UTC)
    on_record: tuple[DrillResult, ...] = ()
    if "://" in location or Path(location).exists():
        on_record = await read_drills(settings, Objects.open(location)).newest(now)
    if (last := next(iter(on_record), None)) is None:
        return f"none yet in {table.repository}: `journeyman drill` makes one"
    age = now - last.began
    told = f"{last.told} ({last.began:%Y-%m-%d %H:%M} UTC, {last.repository or table.repository})"
    if not last.kept:
        raise RuntimeError(told)
    if table.every_hours and age > timedelta(hours=_MISSED_DRILLS * table.every_hours):
        raise _Missing(
            f"the last was {age / timedelta(hours=1):.0f} hours ago, and one is due every {table.every_hours:g}",
            "journeyman up   # workers make drills by themselves",
        )
    return told


async def _git(_: Settings) -> str:
    told = await asyncio.to_thread(_said, "git", "--version")
    numbers = tuple(int(part) for part in told.split()[2].split(".")[:2])
    if numbers < _LEAST_GIT:
        raise RuntimeError(f"{told} is older than {_LEAST_GIT[0]}.{_LEAST_GIT[1]}")
    return told


async def _namespaces(settings: Settings) -> str:
    with contextlib.suppress(PolicyRefusal):
        if read_platform(settings.config_file).sandbox.backend != "bubblewrap":
            return "not needed: sandboxes are containers"
    most = int(Path("/proc/sys/user/max_user_namespaces").read_text())
    if most == 0:
        raise _Missing("the kernel allows no user namespaces", _for_good("user.max_user_namespaces=10000"))
    switch = Path("/proc/sys/kernel/unprivileged_userns_clone")
    if os.geteuid() and switch.exists() and switch.read_text().strip() == "0":
        raise _Missing(
            "the kernel refuses user namespaces to unprivileged users", _for_good("kernel.unprivileged_userns_clone=1")
        )
    restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if os.geteuid() and restricted.exists() and restricted.read_text().strip() == "1":
        raise _Missing(
            "AppArmor restricts user namespaces", _for_good("kernel.apparmor_restrict_unprivileged_userns=0")
        )
    return f"up to {most}"


def _for_good(setting: str) -> str:
    """The line that sets it now and at each start of the machine."""
    return f"echo {setting} | sudo tee /etc/sysctl.d/60-journeyman.conf && sudo sysctl --system"


async def _sandbox(settings: Settings) -> str:
    stage = await asyncio.to_thread(stage_runtime, settings.prepare_state())
    backend = configured_backend(settings, stage)
    why_not_sized = await asyncio.to_thread(configured_sizing, settings, settings.state / "doctor")
    sandboxes = HostSandboxes(settings.state / "doctor" / "runs", backend, sized_workspaces=why_not_sized is None)
    run_id = f"doctor-{time.time_ns()}"
    spec = SandboxSpec(run_id=run_id, command=("id", "-u"), limits=Limits(wall_seconds=30))
    try:
        await asyncio.to_thread(sandboxes.system_of, "")
        status, output = await sandboxes.run(spec)
        await sandboxes.forget(run_id)
        grades = await asyncio.to_thread(sandboxes.grades)
    except (ProbeFailed, ImageRefused, OSError) as error:
        raise _cannot_start(settings, backend, str(error)) from error
    finally:
        shutil.rmtree(settings.state / "doctor", ignore_errors=True)
    if status.end is not RunEnd.EXITED or output.strip() in {b"", b"0"}:
        raise _cannot_start(settings, backend, status.detail or output.decode(errors="replace"))
    held = ", ".join(f"{name} {grade}" for name, grade in grades.model_dump().items())
    dropped = "root drops to a uid of each sandbox's own; " if os.geteuid() == 0 else ""
    unsized = f"; workspaces have no file system of their own: {why_not_sized}" if why_not_sized else ""
    return f"{sandboxes.backend} works; {dropped}limits: {held}{unsized}"


def _cannot_start(settings: Settings, backend: Backend, why: str) -> Exception:
    found = f"a sandbox could not be started: {why}"
    if backend.name.startswith(CONTAINER):
        return _Missing(found, f"edit [sandbox.container] in {settings.config_file}   # see docs/how-to/containers.md")
    # Set by our image; the marks that engines leave are not there with a read-only root, or are in virtual machines.
    if os.environ.get("container"):  # noqa: SIM112  as engines and systemd call it
        return _Missing(found, "give this container what the service `host` of infra/compose/compose.yaml has")
    return RuntimeError(found)


async def _temporal(_: Settings) -> str:
    return await asyncio.to_thread(_said, str(program("temporal")), "--version")


async def _egress(settings: Settings) -> str:
    # As deep below the state directory as `up` and `demo` have theirs.
    place = settings.prepare_state() / "doctor-egress"
    gateway = EnvoyGateway(HostLayout(place / "hosts" / settings.host_id()).egress)
    try:
        await gateway.open("doctor", EgressRules(), None)
        return "Envoy starts, opens a way out and answers by its rules"
    finally:
        await gateway.stop()
        shutil.rmtree(place, ignore_errors=True)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
