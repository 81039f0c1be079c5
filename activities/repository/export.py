"""Export: the one way back from a sandbox. Only a tree crosses.

The git that reads a workspace runs in a sandbox of its own: workspace read-only, a scratch directory, no network, no
configuration but the command line's. It starts when every process of the agent's sandbox is dead, since a file that is
swapped for a link while `git add` looks can make it read something else. Files that are too large are left out by name,
so that the rest of the work is kept whatever it was that filled the disk. The host then takes the objects in, see
intake.py, and looks at the tree only, never at the workspace.
"""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from activities.repository import tree_writer
from activities.repository.git import Git, GitError
from activities.repository.intake import MOST_FILES, MOST_PACK_BYTES, ExportRefused, Intake
from activities.repository.mirror import Mirror
from activities.repository.workspace import OBJECTS
from activities.sandbox.contract import Mount, Sandboxes, SandboxSpec
from workflows.models.halt import Work
from workflows.models.limits import MIB, Limits
from workflows.models.patch import LeftOut
from workflows.models.run import RunEnd

_VAULT = "/opt/journeyman/vault"
_LIMITS = Limits(
    wall_seconds=240,
    memory_bytes=2048 * MIB,
    processes=64,
    disk_bytes=1024 * MIB,
    file_bytes=512 * MIB,
    output_bytes=MIB,
)
MOST_FILE_BYTES = 32 * MIB
"""Of one new or changed file."""
MOST_BYTES = 48 * MIB
"""Of all new and changed files: what they pack to is not larger."""
_MOST_LEFT_OUT_BYTES = MIB
_DISK_FULL = "No space left on device"
_PROGRAM = Path(tree_writer.__file__).read_text()


@dataclass(frozen=True)
class Exported:
    """What came back."""

    tree: str
    """Its objects are in the vault."""
    left_out: LeftOut


class Exporter:
    """Brings trees out of workspaces."""

    def __init__(self, sandboxes: Sandboxes, git: Git, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._sandboxes = sandboxes
        self._git = git
        self._intake = Intake(git)
        self._directory = directory

    async def export(
        self,
        name: str,
        workspace: Path,
        mirror: Mirror,
        base: str,
        uid: int | None,
        image: str = "",
        work: Work | None = None,
    ) -> Exported:
        """The workspace's tree, its objects in the vault. Raises ExportRefused or GitError.

        `name` is unique on this host and the same for a retry, which starts over. `work`: whose it is.
        """
        scratch = self._directory / name
        shutil.rmtree(scratch, ignore_errors=True)
        await self._git.run("init", "--quiet", "--bare", str(scratch), purpose="making a scratch directory")
        (scratch / "objects" / "info").mkdir(exist_ok=True)
        (scratch / "objects" / "info" / "alternates").write_text(f"{OBJECTS}\n{_VAULT}\n")
        if uid is not None:
            for folder, folders, files in os.walk(scratch):
                for each in (*folders, *files):
                    os.chown(Path(folder) / each, uid, uid, follow_symlinks=False)
            os.chown(scratch, uid, uid)
        try:
            spec = _spec(name, workspace, scratch, mirror, base, uid, image)
            await self._write_tree(spec.model_copy(update={"work": work}))
            tree = _read_plain(scratch / "tree", 100).decode("ascii", errors="replace").strip()
            left_out = _read_left_out(scratch / "left-out")
            pack = _read_plain(scratch / "pack", MOST_PACK_BYTES)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        await self._intake.take(mirror.vault, pack)
        await self._intake.inspect(mirror.vault, base, tree)
        return Exported(tree, left_out)

    async def _write_tree(self, spec: SandboxSpec) -> None:
        await self._discard(spec.run_id)
        status, output = await self._sandboxes.run(spec)
        await self._discard(spec.run_id)
        said = output.decode(errors="replace").strip()[-1000:]
        if status.end in {RunEnd.NOT_STARTED, RunEnd.LOST, RunEnd.STOPPED, RunEnd.LEASE_LAPSED}:
            raise GitError("reading the workspace", f"{status.end}: {status.detail}", 1)
        if status.end is not RunEnd.EXITED:
            raise ExportRefused(
                f"the work tree is too much to take ({status.detail}): remove what does not belong to the change"
            )
        if status.exit_code != 0 and _DISK_FULL in said:
            raise GitError("reading the workspace", f"the host's disk is full, free space on it ({said[-200:]})", 1)
        if status.exit_code != 0:
            raise ExportRefused(f"git could not read the work tree, make every file readable: {said}")

    async def _discard(self, run_id: str) -> None:
        """An earlier attempt's run is of no use: this reads again from the beginning."""
        with suppress(LookupError):
            await self._sandboxes.stop(run_id, "reading the workspace starts over")
            await self._sandboxes.forget(run_id)


def _spec(
    name: str, workspace: Path, scratch: Path, mirror: Mirror, base: str, uid: int | None, image: str
) -> SandboxSpec:
    return SandboxSpec(
        run_id=f"export-{name}",
        command=("python3", "-I", "-S", "-c", _PROGRAM, base, *map(str, (MOST_FILE_BYTES, MOST_BYTES, MOST_FILES))),
        workspace=workspace,
        workspace_writable=False,
        mounts=(
            Mount(source=scratch, target=tree_writer.SCRATCH, writable=True),
            Mount(source=mirror.objects, target=OBJECTS),
            Mount(source=mirror.vault / "objects", target=_VAULT),
        ),
        limits=_LIMITS,
        image=image,
        uid=uid,
    )


def _read_plain(path: Path, most: int) -> bytes:
    """A regular file that is no link, up to a size. What wrote it read hostile bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise GitError(
            "reading the workspace", f"there is no {path.name} in the result: {error.strerror}", 1
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ExportRefused(f"the change is larger than {most // MIB} MiB when packed: leave generated files out")
    return data


def _read_left_out(path: Path) -> LeftOut:
    try:
        return LeftOut.model_validate_json(_read_plain(path, _MOST_LEFT_OUT_BYTES))
    except ValidationError as error:
        raise GitError("reading the workspace", "what was left out is not told in a form that is known", 1) from error
