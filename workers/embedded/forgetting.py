"""`journeyman forget`: a person's names and words, in the archive and beside it, by whoever has this machine's keys."""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.archive.schema import require_current
from activities.archive.tombstones import SignedTombstones
from activities.decisions import drills, halts, host_answers, observations, trust
from activities.decisions.attested import WORKER
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import GATEWAY, DecisionSigner, DecisionVerifier
from activities.forge.pulls import Pull, Pulls
from activities.forgetting.entries import Rewriting
from activities.forgetting.forgetting import Forgetting, Found
from activities.forgetting.words import FORGOTTEN, Words, without
from activities.policy.people import accounts
from activities.policy.reading import read_platform
from workers.gateway.peers import this_user
from workers.settings import Settings

BEYOND = (
    "commits: messages, trailers and authors are in git for good, in every clone; `journeyman revert` takes back code, "
    "not history",
    "Temporal's history of these tasks, until its retention ends (30 days, unless you chose otherwise)",
    "backups from before this: make a new one, and delete those",
    "what has left this installation: traces sent by OTLP, mail, chat, copies of repositories",
    "process logs below logs/, at most 40 MB each",
    "words of theirs that somebody else repeated in other words",
)
"""What no command here can take back."""
BESIDE_TASKS = (host_answers.FOLDER, trust.FOLDER, observations.FOLDER, halts.FOLDER, drills.FOLDER)
"""Folders of chains that name people and belong to no task."""


class ForgettingRefused(Exception):
    """It can't be done here; the message says why and what to do."""


class Forgetter:
    """The parts of it, with the private keys of both roles."""

    def __init__(self, settings: Settings, keys: Path | None) -> None:
        """`keys`: the directory that `journeyman keys` made, where the two roles share none. Raises KeyUnusable."""
        self._settings = settings
        gateway, worker = (keys / GATEWAY, keys / WORKER) if keys else (settings.keys_location,) * 2
        for directory, role in ((gateway, GATEWAY), (worker, WORKER)):
            if not (directory / f"{role}.key").exists():
                raise ForgettingRefused(
                    f"there is no {directory / f'{role}.key'}: what is left of an entry is signed again by who signed "
                    "it, so both private keys are needed; --keys names the directory that `journeyman keys` made"
                )
        signer = DecisionSigner(SigningKey.load_or_create(gateway, GATEWAY))
        worker_key = SigningKey.load_or_create(worker, WORKER)
        gateways = TrustedKeys.of_role(worker if keys else gateway, GATEWAY)
        workers = TrustedKeys.of_role(gateway if keys else worker, WORKER)
        self._objects = Objects.open(settings.archive_location)
        chains = Chains(self._objects, erasers=gateways)
        self._signing = DecisionVerifier(gateways), signer, SignedRecord(chains, workers, worker_key)
        self._halts = SignedRecord(Chains(self._objects, halts.FOLDER, gateways), gateways, signer.key)
        tombstones = SignedTombstones(self._objects, workers, worker_key)
        lasting = {folder: Chains(self._objects, folder, gateways) for folder in BESIDE_TASKS}
        self._forgetting = Forgetting(self._objects, chains, lasting, tombstones, signer.key)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Until the block ends nobody else is forgotten: two would put back each other's words."""
        lock = FileLock(self._settings.prepare_state() / "forget.lock", mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout as taken:
            raise ForgettingRefused(
                "somebody is being forgotten just now: type this again when that is done"
            ) from taken
        try:
            yield
        finally:
            lock.release()

    async def look(self, person: str) -> Found:
        """What there is about them, with the words of a try that was killed. Raises ArchiveError."""
        await require_current(self._objects)
        begun = self._begun(person)
        alias = begun.words.alias if begun else f"forgotten-{secrets.token_hex(4)}"
        found = await self._forgetting.look(person, alias)
        if begun is None:
            return found
        names, texts = {*found.words.names, *begun.words.names}, {*found.words.texts, *begun.words.texts}
        return Found(
            words=Words(person=person, alias=alias, names=tuple(sorted(names)), texts=tuple(sorted(texts))),
            asked=tuple(dict.fromkeys((*begun.asked, *found.asked))),
            others=tuple(dict.fromkeys((*begun.others, *found.others))),
            still_open=found.still_open,
            lasting=tuple(dict.fromkeys((*begun.lasting, *found.lasting))),
        )

    async def preview(self, found: Found) -> AsyncIterator[str]:
        """What would be done, a line each, and what would stay."""
        blobs = await self._forgetting.blobs(found)
        yield f"tasks they asked for: {', '.join(found.asked) or 'none'}"
        yield f"tasks of others they decided in: {', '.join(found.others) or 'none'}"
        yield f"artefacts to be removed: {len(blobs.going)}, {sum(ref.size for ref in blobs.going)} bytes"
        if pulls := list(self._pulls(found)):
            yield f"pull requests whose words would go: {len(pulls)}"
        if self._directory_without(found.words.person) is not None:
            yield f"[people.{found.words.person}] would be taken out of {self._settings.config_file}"
        for task in found.still_open:
            yield f"left alone: task {task} is open; end it, and type this again"
        for line in (*blobs.staying, *self._lists(found.words.person)):
            yield f"stays: {line}"

    async def carry_out(self, found: Found, reason: str) -> AsyncIterator[str]:
        """Do it. Killed, it is begun again and ends as if it never was."""
        begun = self._place(found.words.person)
        begun.parent.mkdir(exist_ok=True, mode=0o700)
        draft = begun.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(found.model_dump_json())
        draft.rename(begun)
        verifier, signer, record = self._signing
        rewriting = Rewriting(found.words, verifier, signer, record, self._halts)
        reason = without(reason, found.words)
        blobs = await self._forgetting.blobs(found)
        async for line in self._forgetting.take_out(found, blobs, rewriting, by=self._by(), reason=reason):
            yield line
        for pulls, pull in self._pulls(found):
            pulls.save(pull)
        if (without_them := self._directory_without(found.words.person)) is not None:
            _replace(self._settings.config_file, without_them)
            yield f"[people.{found.words.person}] was taken out of {self._settings.config_file}"
        if blobs.unsettled:
            raise ForgettingRefused(
                f"not done with {len(blobs.unsettled)} blobs that were stored within a day and are on no record: "
                "a running task may need them; type this again in a day"
            )
        if not found.still_open:
            begun.unlink()

    def _pulls(self, found: Found) -> list[tuple[Pulls, Pull]]:
        """The local forge's records of their tasks, without them; those that are so already are not among them."""
        changed = []
        branches = {f"journeyman/{task}": task for task in found.tasks}
        for folder in sorted(self._settings.forge_location.glob("pulls/*/")):
            pulls = Pulls(folder)
            for pull in pulls.all():
                task = branches.get(pull.branch)
                if task is None:
                    continue
                told = {name: without(getattr(pull, name), found.words) for name in ("title", "body", "reason")}
                if task in found.asked:
                    told |= {"title": FORGOTTEN, "body": f"{FORGOTTEN}; `journeyman show {task}` has what is left."}
                if (left := pull.model_copy(update=told)) != pull:
                    changed.append((pulls, left))
        return changed

    def _directory_without(self, person: str) -> str | None:
        """The platform's file without their table; None if it has none, or is written so that a person has to do it."""
        file = self._settings.config_file
        if not file.exists():
            return None
        text = file.read_text()
        table = rf"(?ms)^\[people\.(?:{re.escape(person)}|\"{re.escape(person)}\")\][^\n]*\n.*?(?=^\[|\Z)"
        left = re.sub(table, "", text)
        wanted = tomllib.loads(text)
        if wanted.get("people", {}).pop(person, None) is None:
            return None
        if not wanted["people"]:
            del wanted["people"]
        return left if tomllib.loads(left) == wanted else None

    def _lists(self, person: str) -> list[str]:
        """Where the owners' files still name them; those are theirs to change."""
        told = []
        for file in (self._settings.config_file, self._settings.security_file):
            left = self._directory_without(person) if file == self._settings.config_file else None
            text = left if left is not None else file.read_text() if file.exists() else ""
            if re.search(rf"(?<![\w-]){re.escape(person)}(?![\w-])", text):
                told.append(f"{file} names {person}: take it out yourself, it is an owner's file")
        return told

    def _by(self) -> str:
        user = this_user()
        return f"{accounts(read_platform(self._settings.config_file), 'os').get(user, user)} (os:{os.geteuid()})"

    def _place(self, person: str) -> Path:
        return self._settings.state / "forgetting" / f"{hashlib.sha256(person.encode()).hexdigest()[:16]}.json"

    def _begun(self, person: str) -> Found | None:
        place = self._place(person)
        return Found.model_validate_json(place.read_bytes()) if place.exists() else None


def _replace(file: Path, text: str) -> None:
    """Whole or not at all, and as open or closed as it was: half a policy file is another policy."""
    file = file.resolve()
    owner = file.stat()
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600)
        draft.write_text(text)
        shutil.copymode(file, draft)
        os.chown(draft, owner.st_uid, owner.st_gid)
        draft.rename(file)
    finally:
        draft.unlink(missing_ok=True)
