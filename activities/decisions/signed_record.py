"""What one role puts on record about a task, signed, so that others can act on it without asking who wrote it.

An archive may be a bucket that many can write to, and steps can be scheduled by whoever reaches Temporal. So a fact
that a merge or a revert rests on counts only with the signature of the process that found it out. The signature is
over the task, the kind and the statement: none of it can be used for another task or as something else.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from pydantic import ValidationError

from activities.archive.contract import ChainEntry, TaskChains
from activities.archive.objects import ArchiveError
from activities.decisions.keys import SigningKey, TrustedKeys, Untrusted
from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model

Statement = TypeVar("Statement", bound=Model)


SCHEMA_VERSION = 1


class _Signed(Model):
    schema_version: int = SCHEMA_VERSION
    """Not signed: of a newer one only the program that wrote it knows what the signature is over."""
    statement: dict[str, object]
    key_id: str
    signature: str


class SignedRecord:
    """Reads those entries of tasks' chains whose signature holds; writes them where there is a key to sign with."""

    def __init__(self, chains: TaskChains, trusted: TrustedKeys, key: SigningKey | None = None) -> None:
        self._chains = chains
        self._trusted = trusted
        self._key = key

    async def append(
        self, task_id: str, entry_id: str, kind: str, statement: Model, artifacts: Sequence[ArtifactRef] = ()
    ) -> None:
        """Sign and append once: a second call with the same entry_id changes nothing.

        An entry that somebody else has put under this id before, so that this one would not be kept, is passed over.
        """
        assert self._key is not None, "who only reads the record has no key to sign with"
        stated = statement.model_dump(mode="json")
        signature = self._key.sign(_message(task_id, kind, stated))
        signed = _Signed(statement=stated, key_id=self._key.key_id, signature=signature)
        data = signed.model_dump(mode="json")
        there = await self._chains.append(task_id, entry_id, kind, data, artifacts)
        if there.data != data and (there.kind != kind or self._verified(task_id, kind, there.data) is None):
            await self._chains.append(task_id, f"{entry_id}-{signature[:16]}", kind, data, artifacts)

    def signed_anew(
        self, task_id: str, kind: str, data: Mapping[str, object], change: Callable[[object], object]
    ) -> dict[str, object]:
        """The same statement with something taken out of it, signed if it was signed: nobody's word stays that."""
        assert self._key is not None, "who only reads the record has no key to sign with"
        held = self._verified(task_id, kind, data)
        stated = change(data.get("statement"))
        signature = ""
        if held is not None and isinstance(stated, dict):
            signature = self._key.sign(_message(task_id, kind, stated))
        return {**data, "statement": stated, "key_id": self._key.key_id, "signature": signature}

    async def read(self, task_id: str, kind: str, model: type[Statement]) -> tuple[Statement, ...]:
        """Every statement of a kind whose signature holds, in order; others are nobody's word and left out."""
        stated = (self.stated(task_id, entry, kind, model) for entry in await self._chains.entries(task_id))
        return tuple(one for one in stated if one is not None)

    async def unconfirmed(self, task_id: str, kind: str, model: type[Statement]) -> tuple[Statement, ...]:
        """Statements of a kind whose signature does not hold: nobody's word, to be told of and never to act by."""
        found = []
        for entry in await self._chains.entries(task_id):
            if entry.kind == kind and self._verified(task_id, kind, entry.data) is None:
                with suppress(ValidationError):
                    found.append(model.model_validate(_Signed.model_validate(entry.data).statement))
        return tuple(found)

    def stated(self, task_id: str, entry: ChainEntry, kind: str, model: type[Statement]) -> Statement | None:
        """What one entry of a task's chain states, if it is of this kind and its signature holds for this task."""
        if entry.kind != kind or (stated := self._verified(task_id, kind, entry.data)) is None:
            return None
        return model.model_validate(stated)

    def _verified(self, task_id: str, kind: str, data: Mapping[str, object]) -> dict[str, object] | None:
        try:
            signed = _Signed.model_validate(data)
            if signed.schema_version > SCHEMA_VERSION:
                raise ArchiveError(
                    f"the {kind} of task {task_id} was signed by a newer Journeyman: upgrade this one to read it"
                )
            self._trusted.verify(signed.key_id, signed.signature, _message(task_id, kind, signed.statement))
        except (ValidationError, Untrusted):
            return None
        return signed.statement


def _message(task_id: str, kind: str, statement: Mapping[str, object]) -> bytes:
    # No decision begins like this: what was signed as one can't pass for the other.
    content = {"task_id": task_id, "kind": kind, "statement": statement}
    return b"journeyman record\n" + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
