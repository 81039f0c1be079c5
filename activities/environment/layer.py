"""Environment layers: what a repository's set-up commands install, made once and mounted read-only ever after.

Set-up runs code of the repository and of every package it names. So it runs in a sandbox of its own, on a copy of
base, with package registries as the only way out; and what it leaves is frozen before anything else sees it.
"""

import asyncio
import contextlib
import hashlib
import json
import shlex
import shutil
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from filelock import AsyncFileLock

from activities.egress.contract import EgressGateway, EgressRecord
from activities.egress.rules import RuleRefused
from activities.environment.checkout import SetupFailed, copy_checkout, read_lock_file
from activities.environment.failure import failure
from activities.environment.frozen_tree import freeze
from activities.environment.reach import Reach, reach_of
from activities.environment.registries import RegistryAccess
from activities.last_use import forget_use, last_used, mark_used
from activities.removal import remove
from activities.sandbox.contract import LAYER, PROXY_PORT, Mount, RunStatus, Sandboxes, SandboxSpec
from workflows.models.base import Model
from workflows.models.halt import Work
from workflows.models.limits import Limits
from workflows.models.policy import RegistryReach, Setup
from workflows.models.run import RunEnd

SCHEMA_VERSION = 1
CERTIFICATES = "/run/journeyman/certificates.pem"
"""Where the registries' certificates are inside, while a layer is made."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


class LayerManifest(Model):
    """What a layer was made from and what came of it."""

    schema_version: int = SCHEMA_VERSION
    key: str
    commands: tuple[str, ...]
    lock_files: dict[str, str]
    """Path to sha256 of the content."""
    toolchain: str
    install_scripts: bool = False
    registry: RegistryReach = RegistryReach.WHOLE
    packages: tuple[str, ...] = ()
    """What its lock files pinned, each `name@version`, where the registry was narrowed to that."""
    made_at: str
    """RFC 3339, UTC."""
    sha256: str
    """Over the whole tree."""
    files: int
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Layer:
    """One environment, ready to be mounted."""

    directory: Path
    manifest: LayerManifest

    @property
    def key(self) -> str:
        """Names the layer on this host."""
        return self.manifest.key

    def mount(self) -> Mount:
        """How a run or an evaluation gets it."""
        return Mount(source=self.directory / "tree", target=LAYER)

    @property
    def egress(self) -> Path:
        """JSON lines: every request that was made while it was set up."""
        return self.directory / "egress.jsonl"


class EnvironmentLayers:
    """The layers of this host, by the hash of what they are made from."""

    def __init__(
        self,
        directory: Path,
        sandboxes: Sandboxes,
        gateway: EgressGateway,
        registries: Callable[[], Awaitable[RegistryAccess]],
    ) -> None:
        """`registries` is asked each time a layer is made; see registries.discover."""
        self._directory = directory.absolute()
        self._sandboxes = sandboxes
        self._gateway = gateway
        self._registries = registries

    async def ensure(
        self,
        setup: Setup,
        source: Path,
        limits: Limits,
        toolchain_hash: str,
        image: str = "",
        work: Work | None = None,
    ) -> Layer | None:
        """The layer for this set-up of this checkout, made now if it is not there. None if there is nothing to set up.

        `toolchain_hash` stands for the system that the commands find, and so for `image`, which they run in. Whoever
        asks for the same one at the same time waits for it. `work`: whose it is, if it is made. Raises SetupFailed.
        """
        if not setup.commands:
            return None
        locks = {name: await asyncio.to_thread(_hash, source, name) for name in setup.lock_files}
        facts = [SCHEMA_VERSION, list(setup.commands), locks, toolchain_hash, setup.install_scripts, setup.registry]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        for name in ("layers", "building", "locks"):
            (self._directory / name).mkdir(parents=True, exist_ok=True)
        for path in (self._directory, self._directory / "layers", self._directory / "building"):
            # Sandboxes pass through without listing.
            path.chmod(0o711)
        if (layer := self._found(key)) is not None:
            return layer
        async with self._alone(key):
            if (layer := self._found(key)) is None:
                manifest = LayerManifest(
                    key=key,
                    commands=setup.commands,
                    lock_files=locks,
                    toolchain=toolchain_hash,
                    install_scripts=setup.install_scripts,
                    registry=setup.registry,
                    made_at=datetime.now(UTC).isoformat(),
                    sha256="",
                    files=0,
                    size=0,
                )
                layer = await self._make(setup, manifest, source, limits, image, work)
            return layer

    def find(self, key: str) -> Layer:
        """A layer that was made here. Raises SetupFailed if it is gone."""
        if (layer := self._found(key)) is None:
            raise SetupFailed(f"the environment {key[:12]} is not on this host any more: ask for the task again")
        return layer

    async def remove_unused(self, since: float, *, keep: Collection[str]) -> tuple[str, ...]:
        """Remove layers that nobody used since then (seconds since the epoch) but those to keep, and name them."""
        removed = []
        for directory in sorted((self._directory / "layers").glob("*")):
            if directory.suffix or directory.name in keep or last_used(directory) >= since:
                continue
            async with self._alone(directory.name):
                if last_used(directory) < since:
                    # Without its manifest it is none any more, wherever this ends.
                    (directory / "manifest.json").unlink(missing_ok=True)
                    await asyncio.to_thread(remove, directory)
                    forget_use(directory)
                    removed.append(directory.name)
        return tuple(removed)

    def _alone(self, key: str) -> AsyncFileLock:
        return AsyncFileLock(
            self._directory / "locks" / f"{key}.lock",
            poll_interval=0.1,
            thread_local=False,
            run_in_executor=False,
            mode=0o600,
        )

    def _found(self, key: str) -> Layer | None:
        directory = self._directory / "layers" / key
        try:
            text = (directory / "manifest.json").read_text()
        except FileNotFoundError:
            return None
        mark_used(directory)
        return Layer(directory, LayerManifest.model_validate_json(text))

    async def _make(
        self, setup: Setup, manifest: LayerManifest, source: Path, limits: Limits, image: str, work: Work | None
    ) -> Layer:
        building = self._directory / "building" / manifest.key
        # The run has the key's name, so that what a dead worker left is found, ended and removed before the next try.
        run_id = f"setup-{manifest.key[:32]}"
        await self._clear(run_id, building)
        access = await self._registries()
        reach = await reach_of(
            setup, source, access, self._gateway, listener=f"{run_id}-index", certificates=CERTIFICATES
        )
        uid = self._sandboxes.take_uid()
        try:
            await _handled(copy_checkout, building, source, uid)
            spec = SandboxSpec(
                run_id=run_id,
                # Each by a shell of its own, so that a `cd` or a variable of one means nothing to the next.
                command=("sh", "-euc", "\n".join(f"sh -euc {shlex.quote(command)}" for command in setup.commands)),
                environment=_environment(reach, scripts=setup.install_scripts),
                workspace=building / "work",
                mounts=await _mounts(building, access),
                limits=limits,
                image=image,
                uid=uid,
                work=work,
            )
            status, output, records = await self._run(spec, reach)
            if status.end is not RunEnd.EXITED or status.exit_code != 0:
                raise SetupFailed(failure(status, output, records, reach, setup))
            frozen = await _handled(freeze, building / "tree")
            await asyncio.to_thread(remove, building / "work")
            (building / "certificates.pem").unlink(missing_ok=True)
            manifest = manifest.model_copy(
                update={
                    "packages": tuple(package.told for package in reach.packages),
                    "sha256": frozen.sha256,
                    "files": frozen.files,
                    "size": frozen.size,
                }
            )
            every = (*reach.records, *records)
            (building / "egress.jsonl").write_text("".join(f"{record.model_dump_json()}\n" for record in every))
            (building / "manifest.json").write_text(manifest.model_dump_json(indent=1))
            final = self._directory / "layers" / manifest.key
            # A sweep that died in the middle may have left some of it, without a manifest.
            await asyncio.to_thread(remove, final)
            building.rename(final)
            mark_used(final)
            return Layer(final, manifest)
        finally:
            await self._clear(run_id, building)
            self._sandboxes.give_back_uid(uid)

    async def _clear(self, run_id: str, building: Path) -> None:
        with contextlib.suppress(LookupError):
            await self._sandboxes.stop(run_id, "the environment is made anew")
            await self._sandboxes.forget(run_id)
        await asyncio.to_thread(remove, building)

    async def _run(self, spec: SandboxSpec, reach: Reach) -> tuple[RunStatus, bytes, tuple[EgressRecord, ...]]:
        try:
            egress = await self._gateway.open(spec.run_id, reach.rules, spec.uid)
        except RuleRefused as refused:
            raise SetupFailed(f"setting up the environment failed: {refused}") from refused
        records: tuple[EgressRecord, ...] = ()
        try:
            status, output = await self._sandboxes.run(spec.model_copy(update={"egress": egress}))
        finally:
            records = await self._gateway.close(spec.run_id)
            await self._gateway.forget(spec.run_id)
        return status, output, records


async def _mounts(building: Path, access: RegistryAccess) -> tuple[Mount, ...]:
    layer = Mount(source=building / "tree", target=LAYER, writable=True)
    if access.certificates is None:
        return (layer,)
    copy = building / "certificates.pem"
    await asyncio.to_thread(shutil.copyfile, access.certificates, copy)
    copy.chmod(0o444)
    return (layer, Mount(source=copy, target=CERTIFICATES))


def _hash(source: Path, name: str) -> str:
    return hashlib.sha256(read_lock_file(source, name)).hexdigest()


async def _handled(work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
    """Handle a tree in a thread. Raises SetupFailed if the tree is such that it can't be handled."""
    try:
        return await asyncio.to_thread(work, *arguments, **named)
    except (OSError, RecursionError) as error:
        raise SetupFailed(
            f"setting up the environment failed: its files can't be handled, for example because they are nested too "
            f"deep or the disk is full ({type(error).__name__}: {str(error)[:300]})"
        ) from error


_NO_SCRIPTS = {"NPM_CONFIG_IGNORE_SCRIPTS": "true", "PIP_ONLY_BINARY": ":all:"}
"""A source distribution is built by code of its own."""


def _environment(reach: Reach, *, scripts: bool) -> dict[str, str]:
    proxy = f"http://127.0.0.1:{PROXY_PORT}"
    return {
        **({} if scripts else _NO_SCRIPTS),
        "JOURNEYMAN_LAYER": LAYER,
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
        "PIP_NO_CACHE_DIR": "1",
        "CI": "true",
        **reach.environment,
    }
