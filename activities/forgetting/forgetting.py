"""What is on record about one person, and taking it out: blobs first, since entries say where they are and what to
look for; then traces, then entries, each replaced whole or not at all. Begun again, it finds what it did.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from activities.archive.artifacts import address
from activities.archive.chains import Chains
from activities.archive.contract import ChainEntry, Tombstone
from activities.archive.ended import ForgottenTasks
from activities.archive.holdings import Holding, Holdings
from activities.archive.kinds import Kind
from activities.archive.objects import ArchiveError, Objects
from activities.archive.retention import SETTLED
from activities.archive.tombstones import SignedTombstones
from activities.decisions.admissions import ADMISSION
from activities.decisions.keys import SigningKey
from activities.decisions.withdrawals import OUTCOME
from activities.forgetting.entries import Rewriting
from activities.forgetting.words import Words, mentions, people_in, taken_out
from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model
from workflows.models.plural import plural

_ALWAYS = frozenset({"transcript.jsonl", "output.log", "session.tar", "handover.md", "prompt.md"})
"""Of a person's own tasks: what repeats their words in ways that nobody can list."""
_HASHED = frozenset({Kind.PATCH, Kind.EVIDENCE})
"""What decisions, merges and commits were made about, by its hash: it stays, and it is said where it names somebody."""


@dataclass(frozen=True)
class Blobs:
    """What there is of artefacts with somebody's words."""

    going: dict[ArtifactRef, Kind | None] = field(default_factory=dict)
    staying: list[str] = field(default_factory=list)
    """Lines about what names them and stays."""
    unsettled: list[str] = field(default_factory=list)
    """Hashes of what no record refers to yet: a step of a running task may have stored it a moment ago."""


class Found(Model):
    """Everything about a person."""

    words: Words
    asked: tuple[str, ...]
    """Tasks that they asked for."""
    others: tuple[str, ...]
    """Tasks of others in which they decided something."""
    still_open: tuple[str, ...] = ()
    """Of both; left alone, since what is under way has to stay what it was."""
    lasting: tuple[tuple[str, str], ...] = ()
    """Folder and name of each chain of what was said beside any task, with a word of theirs."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those that are over."""
        return tuple(task for task in (*self.asked, *self.others) if task not in self.still_open)


class Forgotten(Model):
    """What is on record of it, without whom it was about."""

    alias: str
    by: str
    """Who did it: an OS user, as the installation knows people."""
    reason: str
    tasks: tuple[str, ...]
    artifacts: int


class Forgetting:
    """Finds and takes out."""

    def __init__(
        self,
        objects: Objects,
        chains: Chains,
        lasting: Mapping[str, Chains],
        tombstones: SignedTombstones,
        gateway_key: SigningKey,
    ) -> None:
        """`lasting`: by folder, chains of what was said beside any task. `tombstones`: with a key to sign them.

        `gateway_key`: it says who was taken out of an entry.
        """
        self._objects = objects
        self._chains = chains
        self._lasting = lasting
        self._tombstones = tombstones
        self._key = gateway_key

    async def look(self, person: str, alias: str) -> Found:
        """Read every record. Raises ArchiveError for one that is broken: it could name the person unseen."""
        names: set[str] = {person}
        texts: set[str] = set()
        asked: list[str] = []
        others: list[str] = []
        still_open: list[str] = []
        lasting: list[tuple[str, str]] = []
        for task_id in await self._chains.task_ids():
            entries = await self._chains.entries(task_id)
            met = [one for entry in entries for one in people_in(entry.data) if one["id"] == person]
            if not met:
                continue
            names |= {one[part] for one in met for part in ("name", "account")}
            is_theirs = any(_requester(entry) == person for entry in entries)
            (asked if is_theirs else others).append(task_id)
            if not any(entry.kind == OUTCOME for entry in entries):
                still_open.append(task_id)
            for entry in entries:
                texts |= _said(entry.data, person, theirs=is_theirs)
        for folder, name, entries in [each async for each in self._beside_tasks()]:
            if any(one["id"] == person for entry in entries for one in people_in(entry.data)):
                lasting.append((folder, name))
                for entry in entries:
                    texts |= _said(entry.data, person, theirs=False)
        words = Words(person=person, alias=alias, names=tuple(sorted(names - {""})), texts=tuple(sorted(texts - {""})))
        return Found(
            words=words,
            asked=tuple(asked),
            others=tuple(others),
            still_open=tuple(still_open),
            lasting=tuple(lasting),
        )

    async def _beside_tasks(self) -> AsyncIterator[tuple[str, str, tuple[ChainEntry, ...]]]:
        for folder, chains in self._lasting.items():
            for name in await chains.task_ids():
                yield folder, name, await chains.entries(name)

    async def blobs(self, found: Found) -> Blobs:
        """What is to be removed, what stays, and what can't be told yet."""
        names_them = mentions(found.words)
        holdings = [held async for held in Holdings(self._objects, self._chains).all()]
        holders: dict[str, set[str]] = {}
        for held in holdings:
            for _, ref in held.artifacts:
                holders.setdefault(ref.sha256, set()).add(held.task_id)
        blobs = Blobs()
        for held in (held for held in holdings if held.task_id in found.tasks):
            await self._choose(held, found, names_them, holders, blobs)
        # What no record refers to may be what an open task of theirs is yet to put on record.
        for name in await self._objects.names("blobs") if not found.still_open else ():
            digest = name.rpartition("/")[2]
            if digest in holders or not names_them(data := await self._objects.read(name) or b""):
                continue
            written = await self._objects.written_at(name)
            if written is not None and written + SETTLED > datetime.now(UTC):
                blobs.unsettled.append(digest)
            else:
                blobs.going[ArtifactRef(sha256=digest, size=len(data), name="what no record refers to")] = None
        return blobs

    async def _choose(
        self,
        held: Holding,
        found: Found,
        names_them: Callable[[bytes], bool],
        holders: Mapping[str, set[str]],
        blobs: Blobs,
    ) -> None:
        staying = dict.fromkeys(blobs.staying)
        for kind, ref in sorted(held.artifacts, key=lambda pair: (pair[1].name, pair[1].sha256)):
            data = await self._objects.read(address(ref.sha256))
            if data is None:
                continue
            told = names_them(data)
            if kind in _HASHED or ref.name.startswith("patch."):
                if told:
                    staying[f"{ref.name} of task {held.task_id}, which decisions were made about by its hash"] = None
            elif told or (held.task_id in found.asked and ref.name in _ALWAYS):
                elsewhere = holders[ref.sha256] - set(found.tasks)
                if told and elsewhere & set(found.still_open):
                    staying[f"{ref.name} of task {held.task_id}, which an open task needs"] = None
                elif told or not elsewhere:
                    blobs.going[ref] = kind
                else:
                    same = f"{ref.name} of task {held.task_id}, which does not name them and another task has, too"
                    staying[same] = None
        blobs.staying[:] = staying

    async def take_out(
        self, found: Found, blobs: Blobs, rewriting: Rewriting, *, by: str, reason: str
    ) -> AsyncIterator[str]:
        """Do it, and tell each part as it is done."""
        going = blobs.going
        now = datetime.now(UTC)
        for ref, kind in going.items():
            stone = Tombstone(
                sha256=ref.sha256,
                size=ref.size,
                kind=str(kind or ""),
                name=ref.name,
                removed_at=now,
                rule=f"request: {found.words.alias} is forgotten",
            )
            await self._tombstones.put(stone)
            await self._objects.remove(address(ref.sha256))
        yield f"{len(going)} artefacts were removed, each with a note in its place"
        for task_id in found.tasks:
            await self._rewrite_trace(task_id, found.words)
            await ForgottenTasks(self._objects).add(task_id)
            await self._rewrite(self._chains, task_id, rewriting)
        yield f"names and words were taken out of the records of {plural(len(found.tasks), 'task')}"
        for folder, name in found.lasting:
            await self._rewrite(self._lasting[folder], name, rewriting)
        if found.lasting:
            yield f"the same with {plural(len(found.lasting), 'record')} of what was said beside any task"
        done = Forgotten(alias=found.words.alias, by=by, reason=reason, tasks=found.tasks, artifacts=len(going))
        content = json.dumps(done.model_dump(mode="json"), sort_keys=True)
        entry_id = hashlib.sha256(content.encode()).hexdigest()[:16]
        signature = self._key.sign(b"journeyman forgotten\n" + content.encode())
        data = {"forgotten": done.model_dump(mode="json"), "key_id": self._key.key_id, "signature": signature}
        await Chains(self._objects, "forgettings").append(found.words.alias, entry_id, "forgotten", data)

    async def _rewrite(self, chains: Chains, name: str, rewriting: Rewriting) -> None:
        changed = rewriting.changed(await chains.entries(name))
        if changed:
            await chains.erase(name, changed, self._key)
        if rewriting.changed(await chains.entries(name)):
            raise ArchiveError(f"the record of {name} was added to meanwhile: type the command again")

    async def _rewrite_trace(self, task_id: str, words: Words) -> None:
        held = await Holdings(self._objects, self._chains).of(task_id)
        for name in await self._objects.names(f"traces/{held.trace_id}"):
            lines = (await self._objects.read(name) or b"").splitlines()
            left = [_span_without(line, words) for line in lines]
            if left != lines:
                await self._objects.replace(name, b"".join(line + b"\n" for line in left))


def _span_without(line: bytes, words: Words) -> bytes:
    try:
        span = json.loads(line)
    except ValueError:
        return line
    left = taken_out(span, words)
    return line if left == span else json.dumps(left).encode()


def _requester(entry: ChainEntry) -> str:
    if entry.kind != ADMISSION:
        return ""
    asked_by = [one["id"] for one in people_in(entry.data)]
    return asked_by[0] if asked_by else ""


def _said(value: object, person: str, *, theirs: bool) -> set[str]:
    """What somebody wrote: in decisions, and in tasks that they asked for."""
    if isinstance(value, list):
        return {text for inner in value for text in _said(inner, person, theirs=theirs)}
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    decided_by = value.get("person")
    if isinstance(decided_by, dict) and decided_by.get("id") == person:
        found |= {str(value.get(key, "")) for key in ("message", "detail", "reason")}
    if theirs:
        found |= {str(value[key]) for key in ("goal", "link", "title") if isinstance(value.get(key), str)}
        found |= {str(text) for text in value.get("acceptance", ()) if isinstance(text, str)}
    for inner in value.values():
        found |= _said(inner, person, theirs=theirs)
    return found
