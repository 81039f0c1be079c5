"""Entries without a person, signed anew by who had signed them: only what held before holds afterwards."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from activities.archive.contract import ChainEntry
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import DecisionSigner, DecisionVerifier, SignatureRefused, SignedAdmission
from activities.forgetting.words import Words, taken_out
from workflows.models.decision import Decision, SignedDecision
from workflows.models.observation import Observation, SignedObservation
from workflows.models.task import Task


class Rewriting:
    """Takes one person out of entries of one chain."""

    def __init__(self, words: Words, verifier: DecisionVerifier, signer: DecisionSigner, record: SignedRecord) -> None:
        """`signer`: with a gateway's key. `record`: with a worker's."""
        self._words = words
        self._verifier = verifier
        self._signer = signer
        self._record = record
        self._signatures: dict[str, str] = {}
        """Old to new: an old one would tell who was meant to anybody who guesses it."""

    def changed(self, entries: Sequence[ChainEntry]) -> dict[int, dict[str, object]]:
        """By number, what entries say without the person; those that never named them are not among them."""
        for entry in entries:
            # A first look finds every signature, since some entries refer to decisions by theirs.
            self._data(entry)
        found = {entry.number: self._data(entry) for entry in entries}
        return {entry.number: found[entry.number] for entry in entries if found[entry.number] != entry.data}

    def _data(self, entry: ChainEntry) -> dict[str, object]:
        data = entry.data
        if "statement" in data:
            if self._without(data["statement"]) == data["statement"]:
                return data
            return self._record.signed_anew(entry.task_id, entry.kind, data, self._without)
        return {**data, **dict(self._mapping(data))}

    def _without(self, value: object) -> object:
        """Any JSON value: what is signed inside it first, then the rest."""
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, list):
            return [self._without(inner) for inner in value]
        return self._signatures.get(value, value) if isinstance(value, str) else value

    def _mapping(self, value: Mapping[str, object]) -> Mapping[str, object]:
        if {"decision", "key_id", "signature"} <= value.keys():
            return self._decision(value)
        if {"observation", "key_id", "signature"} <= value.keys():
            return self._observation(value)
        if {"task", "key_id", "signature"} <= value.keys():
            return self._admission(value)
        inside = {name: self._without(inner) for name, inner in value.items()}
        left = taken_out(inside, self._words)
        assert isinstance(left, dict)
        return left

    def _decision(self, value: Mapping[str, object]) -> Mapping[str, object]:
        left = taken_out(value["decision"], self._words)
        if left == value["decision"]:
            return value
        try:
            signed = SignedDecision.model_validate(value)
            self._verifier.verify(signed, signed.decision.decided_at)
            anew = self._signer.sign(Decision.model_validate(left))
        except (SignatureRefused, ValidationError):
            return {**value, "decision": left, "signature": ""}
        self._signatures[signed.signature] = anew.signature
        return {**value, **anew.model_dump(mode="json")}

    def _observation(self, value: Mapping[str, object]) -> Mapping[str, object]:
        left = taken_out(value["observation"], self._words)
        if left == value["observation"]:
            return value
        try:
            self._verifier.verify_observation(SignedObservation.model_validate(value))
            anew = self._signer.observe(Observation.model_validate(left))
        except (SignatureRefused, ValidationError):
            return {**value, "observation": left, "signature": ""}
        return {**value, **anew.model_dump(mode="json")}

    def _admission(self, value: Mapping[str, object]) -> Mapping[str, object]:
        left = taken_out(value["task"], self._words)
        if left == value["task"]:
            return value
        try:
            self._verifier.verify_admission(SignedAdmission.model_validate(value))
            anew = self._signer.admit(Task.model_validate(left))
        except (SignatureRefused, ValidationError):
            return {**value, "task": left, "signature": ""}
        return {**value, **anew.model_dump(mode="json")}
