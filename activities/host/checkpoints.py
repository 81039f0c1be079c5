"""Checkpoints of a run while it goes on: work tree and session together, from a moment in which all of it stands still.

Nearly everything is copied while the run goes on; it stands still only while the rest is. What is copied is read by the
git sandbox, like any tree that comes back, and put on record under the placement's epoch.
"""

import asyncio
import contextlib
import io
import logging
import os
import tarfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from activities.agents.adapter import AgentAdapter, Session
from activities.agents.handover import handover
from activities.agents.tool_calls import ToolCallCount
from activities.archive.contract import ArtifactStore
from activities.decisions.attested import Attested, AttestedPatch
from activities.egress.contract import EgressGateway
from activities.host.layout import HostLayout
from activities.host.placements import Held, Placements
from activities.removal import remove
from activities.repository.export import Exporter
from activities.repository.git import Git, GitError
from activities.repository.intake import ExportRefused
from activities.repository.mirror import Mirror
from activities.repository.patches import Patches
from activities.sandbox.contract import Sandboxes
from activities.sandbox.still_copy import StillCopy, TooMuch
from workflows.models.artifact import ArtifactRef
from workflows.models.checkpoint import Checkpoint
from workflows.models.halt import Work
from workflows.models.limits import MIB
from workflows.models.steps import RunOrder
from workflows.models.usage import Metered

_MOST_FILES = 100_000
_MOST_SESSION_BYTES = 64 * MIB
_STILL_SECONDS = 5.0
"""For a run to stand still; one that does not in time goes on, and is looked at again later."""
_LOOK_SECONDS = 0.2
_log = logging.getLogger(__name__)
_Still = Callable[[], AbstractAsyncContextManager[list[float]]]
"""In it nothing of a run moves; the list gets for how many milliseconds."""


class Pace:
    """When a checkpoint is due: at a boundary between tool calls, after so many of them or so long; later anywhere."""

    def __init__(self, seconds: float, calls: int) -> None:
        """`seconds`: 0 is never."""
        self.seconds, self.calls = seconds, calls

    def is_due(self, passed: float, calls: int, at_a_boundary: bool) -> bool:
        """After `passed` seconds and `calls` tool calls since the last one."""
        if not self.seconds:
            return False
        return (at_a_boundary and (calls >= self.calls or passed >= self.seconds)) or passed >= 2 * self.seconds


class Checkpointing:
    """What a host needs to take them."""

    def __init__(
        self,
        *,
        layout: HostLayout,
        git: Git,
        placements: Placements,
        sandboxes: Sandboxes,
        gateway: EgressGateway,
        exporter: Exporter,
        patches: Patches,
        artifacts: ArtifactStore,
        redacted: ArtifactStore,
        attested: Attested,
        pace: Pace,
    ) -> None:
        """`artifacts` keeps sessions byte for byte, `redacted` everything that people read."""
        self.layout = layout
        self.git = git
        self.placements = placements
        self.sandboxes = sandboxes
        self.gateway = gateway
        self.exporter = exporter
        self.patches = patches
        self.artifacts = artifacts
        self.redacted = redacted
        self.attested = attested
        self.pace = pace

    async def restore_session(self, checkpoint: Checkpoint | None, directory: Path, uid: int | None) -> str:
        """Make a run's session directory, with what a checkpoint has of it. The id to go on with, or nothing."""
        kept = checkpoint.session if checkpoint is not None else None
        # A step that starts again finds the run's own.
        if not directory.exists():
            data = await self.artifacts.get(kept) if kept is not None else b""
            draft = directory.with_name(f"{directory.name}.draft")
            await asyncio.to_thread(remove, draft)
            await asyncio.to_thread(_unpack, data, draft, uid)
            draft.rename(directory)
        return checkpoint.session_id if checkpoint is not None and kept is not None else ""

    def of(
        self, order: RunOrder, held: Held, mirror: Mirror, workspace: Path, adapter: AgentAdapter, session: Session
    ) -> "Checkpoints":
        """Those of one run."""
        return Checkpoints(self, order, held, mirror, workspace, adapter, session)


class Checkpoints:
    """The checkpoints of one run, for as long as a step follows it."""

    def __init__(
        self,
        host: Checkpointing,
        order: RunOrder,
        held: Held,
        mirror: Mirror,
        workspace: Path,
        adapter: AgentAdapter,
        session: Session,
    ) -> None:
        self._host, self._order, self._held, self._mirror = host, order, held, mirror
        place = host.layout.checkpoints_of(order.run_id)
        most = order.prepared.policy.run_limits.disk_bytes
        self._tree = lambda: StillCopy(
            workspace, place / "tree", uid=held.uid, most_bytes=2 * most, most_files=_MOST_FILES, skip=".git"
        )
        self._session = lambda: StillCopy(
            session.directory, place / "session", uid=None, most_bytes=_MOST_SESSION_BYTES, most_files=_MOST_FILES
        )
        self._copies: tuple[StillCopy, StillCopy | None] | None = None
        self._place = place
        self._adapter = adapter
        self._last = time.monotonic()
        self._calls = 0
        self._number = 0
        self._is_first = True
        self._told = 0
        """Tool calls that the last one tells of."""

    async def keep_taking(self, counting: ToolCallCount) -> None:
        """Take one whenever it is due, until cancelled. What can't be taken is logged, and the run goes on."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            passed = time.monotonic() - self._last
            if not self._host.pace.is_due(passed, counting.calls - self._calls, counting.at_a_boundary):
                continue
            # What is called while one is taken is for the next.
            self._last, self._calls = time.monotonic(), counting.calls
            await self._take(counting, self._standing_still, "the machine it ran on was lost")

    async def take_paused(self, counting: ToolCallCount) -> None:
        """Take one of a run that stands still, and leave it so: its host may be lost before somebody answers."""
        if self._host.pace.seconds:
            still = partial(self._standing_still, thaws=False)
            await self._take(counting, still, "the machine on which it stood still was lost")

    async def take_last(self, counting: ToolCallCount) -> None:
        """Take one of a run that was ended before it was done; also where none are taken while runs go on."""
        await self._take(counting, _nothing_moves, "it hung or came to a limit, and was ended")

    async def _take(self, counting: ToolCallCount, still: _Still, why: str) -> None:
        try:
            await self.take(counting, still, why)
        except (TooMuch, ExportRefused, GitError, LookupError, OSError) as error:
            _log.warning("no checkpoint of %s: %s", self._order.run_id, error)

    async def take(self, counting: ToolCallCount, still: _Still, why: str) -> Checkpoint | None:
        """Take one now; None if nothing has changed since the last. `why` is what an agent is told that begins anew.

        What it has printed is read a moment later than it works: a call that is counted only now is a change, since the
        last one says of less than it holds.
        """
        if self._copies is None:
            self._copies = (await asyncio.to_thread(self._tree), await asyncio.to_thread(self._session))
            taken = await self._host.attested.checkpoints(self._order.task.id)
            # A worker before this one may have taken some.
            self._number = max((one.number for one in taken if one.run_id == self._order.run_id), default=0)
            self._is_first = True
        tree, session = self._copies
        changed = await asyncio.to_thread(tree.refresh)
        async with still() as paused:
            changed |= await asyncio.to_thread(tree.refresh)
            kept = await asyncio.to_thread(_refreshed, session)
            calls, session_id, words = counting.calls, counting.session, list(counting.recent)
        if not (changed or kept or self._is_first or calls != self._told):
            return None
        self._is_first, self._told = False, calls
        metered = await self._host.gateway.metered(self._order.run_id)
        words_so_far = handover(words, why)
        return await self._put(calls, session_id, words_so_far, metered=metered, paused_ms=round(sum(paused), 1))

    @asynccontextmanager
    async def _standing_still(self, *, thaws: bool = True) -> AsyncIterator[list[float]]:
        """While every process of the run has stopped. The list gets for how long, in milliseconds."""
        sandboxes, run_id = self._host.sandboxes, self._order.run_id
        paused: list[float] = []
        await sandboxes.freeze(run_id)
        try:
            async with asyncio.timeout(_STILL_SECONDS):
                while not sandboxes.stands_still(run_id):
                    await asyncio.sleep(0.002)
            began = time.monotonic()
            yield paused
            paused.append((time.monotonic() - began) * 1000)
        except TimeoutError as error:
            raise OSError(f"it did not stand still within {_STILL_SECONDS:g} s") from error
        finally:
            if thaws:
                with contextlib.suppress(LookupError):
                    await sandboxes.thaw(run_id)

    async def _put(self, calls: int, session_id: str, words: str, *, metered: Metered, paused_ms: float) -> Checkpoint:
        host, order, held = self._host, self._order, self._held
        prepared, task = order.prepared, order.task
        base = prepared.base_commit
        name = f"{order.run_id}-c"
        exported = await host.exporter.export(
            name,
            self._place / "tree",
            self._mirror,
            base,
            held.uid,
            prepared.policy.image,
            Work.of(task, prepared.policy),
        )
        tree = exported.tree
        now = datetime.now(UTC)
        patch = None
        base_tree = await host.git.line(
            "rev-parse", f"{base}^{{tree}}", purpose="reading base", git_dir=self._mirror.path
        )
        if tree != base_tree:
            patch = await host.patches.make(
                self._mirror, name, base=base, tree=tree, message=f"Checkpoint of {order.run_id}\n", when=now
            )
        packed = await asyncio.to_thread(_pack, self._place / "session")
        session = await self._kept(packed)
        checkpoint = Checkpoint(
            run_id=order.run_id,
            epoch=prepared.placement.epoch,
            number=self._number + 1,
            base_commit=base,
            patch=patch,
            session=session,
            session_id=session_id if session else "",
            handover=await host.redacted.put(words.encode(), name="handover.md", media_type="text/markdown"),
            tool_calls=calls,
            metered=metered,
            taken_at=now,
            paused_ms=paused_ms,
        )
        # Whoever was given up since puts nothing on record.
        host.placements.expect(task.id, prepared.placement.epoch)
        if patch is not None:
            await host.attested.add_patch(task.id, AttestedPatch(patch=patch, run_id=order.run_id))
        await host.attested.add_checkpoint(task.id, checkpoint)
        self._number += 1
        return checkpoint

    async def _kept(self, packed: bytes) -> ArtifactRef | None:
        if not packed:
            return None
        return await self._host.artifacts.put(packed, name="session.tar", media_type="application/x-tar")


@asynccontextmanager
async def _nothing_moves() -> AsyncIterator[list[float]]:
    """Around the copy of a run whose processes are all dead."""
    yield []


def _refreshed(copy: StillCopy | None) -> bool:
    try:
        return copy is not None and copy.refresh()
    except TooMuch:
        return False


def _pack(directory: Path) -> bytes:
    """The same files always give the same bytes."""
    buffer = io.BytesIO()
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and not path.is_symlink()]
    if not files:
        return b""
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in files:
            entry = tarfile.TarInfo(str(path.relative_to(directory)))
            entry.size, entry.mode = path.stat().st_size, path.stat().st_mode & 0o700
            with path.open("rb") as file:
                tar.addfile(entry, file)
    return buffer.getvalue()


def _unpack(data: bytes, directory: Path, uid: int | None) -> None:
    """Regular files below the directory, and nothing else, whoever made the archive."""
    directory.mkdir(parents=True, mode=0o700)
    if data:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for entry in tar:
                place = directory / entry.name
                inside = Path(entry.name)
                if not entry.isreg() or inside.is_absolute() or ".." in inside.parts:
                    continue
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                content = tar.extractfile(entry)
                assert content is not None, "it is a regular file"
                # By hand, since the Python of Debian 12 has no filters for this. There is no link to follow yet.
                place.write_bytes(content.read())
                place.chmod(entry.mode & 0o700)
    if uid is not None:
        for folder, folders, files in os.walk(directory):
            for each in (*folders, *files):
                os.chown(Path(folder) / each, uid, uid, follow_symlinks=False)
        os.chown(directory, uid, uid)
