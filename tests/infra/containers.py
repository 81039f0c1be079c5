"""The image and the compose file as they are, with Podman from Debian's packages."""

import asyncio
import os
import resource
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.workers.terminal import Typed

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/journeyman-test:latest"
UID = 10001
SERVICES = ("gateway", "orchestrate", "api", "host")


def why_not() -> str:
    """Why containers can't be tried here; empty if they can."""
    if os.geteuid() != 0:
        return "Podman without root needs subordinate uids, which a test can't give itself"
    lacking = [each for each in ("podman", "mmdebstrap", "runc") if shutil.which(each) is None]
    return f"not installed: {', '.join(lacking)} (make system-deps)" if lacking else ""


async def command(*words: str, environment: Mapping[str, str], seconds: float = 170) -> Typed:
    """Run a program to its end."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds):
        out, error = await process.communicate()
    assert process.returncode is not None
    return Typed(process.returncode, out.decode(), error.decode())


def engine_environment(folder: Path) -> dict[str, str]:
    """Podman raises limits as far as it likes, beyond what a machine may allow: here as far as this process may."""
    configuration = folder / "containers.conf"
    limits = [
        f"{name}={most}:{most}"
        for name, kind, wanted in (("nofile", resource.RLIMIT_NOFILE, 16384), ("nproc", resource.RLIMIT_NPROC, 8192))
        if (most := min(wanted, _hard(kind) or wanted))
    ]
    configuration.write_text(
        f'[containers]\ndefault_ulimits = {limits!r}\n[engine]\nruntime = "runc"\n'.replace("'", '"')
    )
    return os.environ | {"CONTAINERS_CONF": str(configuration), "IMAGE": IMAGE}


def _hard(kind: int) -> int:
    most = resource.getrlimit(kind)[1]
    return 0 if most == resource.RLIM_INFINITY else most


class Composed:
    """The services of the compose file."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = environment

    async def compose(self, *words: str, seconds: float = 170) -> str:
        """What a command of the compose tool printed; it has to succeed."""
        files = ("--file", str(self.folder / "compose" / "compose.yaml"), "--file", str(self.folder / "here.yaml"))
        done = await command(
            *(sys.executable, "-m", "podman_compose", "--project-name", self.folder.name, *files, *words),
            environment=self._environment,
            seconds=seconds,
        )
        assert done.code == 0, f"{words}: {done.out}\n{done.error}"
        return done.out


@asynccontextmanager
async def composed(folder: Path, temporal: Mapping[str, str], policy: str) -> AsyncIterator[Composed]:
    """Everything up, as the comment at the head of the compose file says, until the block ends; nothing is left."""
    shutil.copytree(ROOT / "infra" / "compose", folder / "compose")
    (folder / "compose" / "temporal.env").write_text("".join(f"{name}={value}\n" for name, value in temporal.items()))
    (folder / "compose" / "policy").mkdir()
    (folder / "compose" / "policy" / "journeyman.toml").write_text(policy)
    (folder / "compose" / "policy" / "security.toml").touch()
    (folder / "compose" / "repositories").mkdir(exist_ok=True)
    # Nothing but this machine's own address is there to be reached, and no bridge is needed for it.
    services = "".join(f"  {name}:\n    network_mode: host\n" for name in (*SERVICES, "keys"))
    (folder / "here.yaml").write_text(f"services:\n{services}")
    environment = engine_environment(folder) | {
        "JOURNEYMAN_IMAGE": IMAGE,
        "JOURNEYMAN_PROC": "unmask=ALL",
        "JOURNEYMAN_HOST_SECCOMP": str(ROOT / "infra" / "container" / "host-seccomp.json"),
    }
    here = Composed(folder, environment)
    try:
        yield here
    finally:
        # For whoever has to find out why it failed; nothing is kept of the services.
        for service in SERVICES:
            print(service, await command("podman", "logs", f"{folder.name}_{service}_1", environment=environment))
        await here.compose("down", "--volumes", "--timeout", "5")
