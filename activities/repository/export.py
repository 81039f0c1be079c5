"""Export: the one way back from a sandbox. Only a tree crosses.

The git that reads a workspace runs in a sandbox of its own: workspace read-only, a scratch directory, no network, no
configuration but the command line's. It starts when every process of the agent's sandbox is dead, since a file that is
swapped for a link while `git add` looks can make it read something else. The host then takes the objects in with
`index-pack --strict` and looks at the tree only, never at the workspace.
"""

import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path

from activities.repository.git import Git, GitError
from activities.repository.mirror import Mirror
from activities.repository.workspace import OBJECTS
from activities.sandbox.contract import Mount, Sandboxes, SandboxSpec
from workflows.models.base import Model
from workflows.models.limits import MIB, Limits
from workflows.models.run import RunEnd

_SCRATCH = "/scratch"
_VAULT = "/opt/journeyman/vault"
_LIMITS = Limits(
    wall_seconds=240,
    memory_bytes=2048 * MIB,
    processes=64,
    disk_bytes=1024 * MIB,
    file_bytes=512 * MIB,
    output_bytes=MIB,
)
_MOST_PACK_BYTES = 64 * MIB
_MOST_FILES = 20_000
_DISK_FULL = "No space left on device"
_SCRIPT = """set -e
umask 077
export GIT_DIR={scratch} GIT_WORK_TREE=/work GIT_INDEX_FILE={scratch}/index
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_LITERAL_PATHSPECS=1
git read-tree {base}
git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.autocrlf=false -c advice.addEmbeddedRepo=false \
    add --all .
git write-tree > {scratch}/tree
git rev-list --objects --no-object-names "$(cat {scratch}/tree)" --not {base} > {scratch}/new
git pack-objects --quiet --stdout < {scratch}/new > {scratch}/pack
"""


class ExportRefused(Exception):
    """The tree can't be taken as it is; the message is for the agent, with the path and what to do."""


class Exporter:
    """Brings trees out of workspaces."""

    def __init__(self, sandboxes: Sandboxes, git: Git, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._sandboxes = sandboxes
        self._git = git
        self._directory = directory

    async def export(
        self, name: str, workspace: Path, mirror: Mirror, base: str, uid: int | None, image: str = ""
    ) -> str:
        """The workspace's tree, its objects in the vault. Raises ExportRefused or GitError.

        `name` is unique on this host and the same for a retry, which starts over.
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
            await self._write_tree(name, workspace, scratch, mirror, base, uid, image)
            tree = _read_plain(scratch / "tree", 100).decode("ascii", errors="replace").strip()
            pack = _read_plain(scratch / "pack", _MOST_PACK_BYTES)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        await self._take_in(mirror, pack)
        await self._inspect(mirror, base, tree)
        return tree

    async def _write_tree(
        self, name: str, workspace: Path, scratch: Path, mirror: Mirror, base: str, uid: int | None, image: str
    ) -> None:
        run_id = f"export-{name}"
        await self._discard(run_id)
        spec = SandboxSpec(
            run_id=run_id,
            command=("sh", "-c", _SCRIPT.format(scratch=_SCRATCH, base=shlex.quote(base))),
            workspace=workspace,
            workspace_writable=False,
            mounts=(
                Mount(source=scratch, target=_SCRATCH, writable=True),
                Mount(source=mirror.objects, target=OBJECTS),
                Mount(source=mirror.vault / "objects", target=_VAULT),
            ),
            limits=_LIMITS,
            image=image,
            uid=uid,
        )
        status, output = await self._sandboxes.run(spec)
        await self._discard(run_id)
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

    async def _take_in(self, mirror: Mirror, pack: bytes) -> None:
        try:
            await self._git.run(
                *("index-pack", "--stdin", "--strict", f"--max-input-size={_MOST_PACK_BYTES}"),
                purpose="taking in the tree",
                git_dir=mirror.vault,
                stdin=pack,
            )
        except GitError as error:
            raise ExportRefused(f"the tree has something git refuses to store: {error.said[-500:]}") from error

    async def _inspect(self, mirror: Mirror, base: str, tree: str) -> None:
        changed = await changes(self._git, mirror.vault, base, tree)
        if len(changed) > _MOST_FILES:
            raise ExportRefused(f"{len(changed)} files changed, more than {_MOST_FILES}: split the task")
        for change in changed:
            if change.new_mode == "160000":
                raise ExportRefused(
                    f"{change.path!r} is a repository of its own or a new submodule, whose content would be lost: "
                    "remove its .git directory, or leave it out"
                )


class Change(Model):
    """One path that differs between two trees."""

    path: str
    status: str
    """A added, M modified, D deleted, T type changed."""
    old_mode: str
    new_mode: str
    old_blob: str
    new_blob: str


async def changes(git: Git, git_dir: Path, old: str, new: str) -> tuple[Change, ...]:
    """What differs between two trees, without following renames. Names that are not UTF-8 keep their bytes."""
    raw = await git.run(
        *("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", old, new),
        purpose="comparing trees",
        git_dir=git_dir,
    )
    fields = raw.split(b"\0")
    found = []
    for described, name in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old_blob, new_blob, status = described.decode().lstrip(":").split(" ")
        found.append(
            Change(
                path=os.fsdecode(name).encode("utf-8", "backslashreplace").decode(),
                status=status[:1],
                old_mode=old_mode,
                new_mode=new_mode,
                old_blob=old_blob,
                new_blob=new_blob,
            )
        )
    return tuple(found)


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
