"""Signatures over decisions, and over the tasks that were admitted.

The gateway that authenticated a person signs; whoever acts on it verifies. So an update that was sent straight to
Temporal, by somebody who reaches its port and no more, can't approve or merge anything, and a workflow that was started
there has no task that anybody admitted.
"""

import json
from datetime import datetime
from pathlib import Path

from activities.decisions.keys import SigningKey, TrustedKeys, UnknownKey, Untrusted
from workflows.models.base import Model
from workflows.models.decision import SIGNED_VERSION, Decision, SignedDecision
from workflows.models.observation import Observation, SignedObservation
from workflows.models.task import Task

GATEWAY = "gateway"
"""The role whose key signs what people decided and which tasks were admitted."""
_OBSERVATION = b"journeyman observation\n"
_ADMISSION = b"journeyman admission\n"
"""Before a task that is signed, so that no signature over one kind of thing counts for another."""


class SignatureRefused(Exception):
    """A decision's signature does not hold; the message says what to do."""


class SignedByNewer(SignatureRefused):
    """A newer version signed it. On record, it must not be passed over like a forgery: it may take something back."""


class SignedAdmission(Model):
    """A task as a gateway admitted it, with its signature."""

    schema_version: int = SIGNED_VERSION
    task: Task
    key_id: str
    signature: str
    """Base64."""


class DecisionSigner:
    """Signs decisions and admissions with a gateway's private key."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key

    @classmethod
    def load(cls, directory: Path) -> "DecisionSigner":
        """With the gateway's key in a directory that somebody made for it. Raises KeyUnusable."""
        return cls(SigningKey.load(directory, GATEWAY, "worker"))

    @classmethod
    def load_or_create(cls, directory: Path) -> "DecisionSigner":
        """With the gateway's key in a directory, made if missing."""
        return cls(SigningKey.load_or_create(directory, GATEWAY))

    @property
    def public_key(self) -> bytes:
        """What verifiers are given; 32 bytes."""
        return self.key.public_key

    def sign(self, decision: Decision) -> SignedDecision:
        """Sign a decision by a person this gateway has authenticated."""
        signature = self.key.sign(_canonical(decision))
        return SignedDecision(decision=decision, key_id=self.key.key_id, signature=signature)

    def admit(self, task: Task) -> SignedAdmission:
        """Sign a task that was asked for by a person this gateway has authenticated, and who may ask for it."""
        signature = self.key.sign(_ADMISSION + _canonical(task))
        return SignedAdmission(task=task, key_id=self.key.key_id, signature=signature)

    def observe(self, observation: Observation) -> SignedObservation:
        """Sign what somebody this gateway has authenticated says of a commit."""
        signature = self.key.sign(_OBSERVATION + _canonical(observation))
        return SignedObservation(observation=observation, key_id=self.key.key_id, signature=signature)


class DecisionVerifier:
    """Knows the public keys of the gateways that may sign."""

    def __init__(self, keys: TrustedKeys) -> None:
        self._keys = keys

    @classmethod
    def trusting(cls, *public_keys: bytes) -> "DecisionVerifier":
        """A verifier for these gateways."""
        return cls(TrustedKeys(lambda: public_keys))

    def verify(self, signed: SignedDecision, now: datetime) -> None:
        """Raises SignatureRefused unless a known gateway signed exactly this and it has not expired."""
        _refuse_newer(signed, "this decision")
        self._check(signed.key_id, signed.signature, _canonical(signed.decision), "the decision; decide again")
        if now > signed.decision.expires_at:
            raise SignatureRefused(
                f"refused: this decision expired at {signed.decision.expires_at:%Y-%m-%d %H:%M:%S}; decide again"
            )

    def verify_admission(self, signed: SignedAdmission) -> Task:
        """The task that was admitted. Raises SignatureRefused unless a known gateway signed exactly this."""
        _refuse_newer(signed, "this task")
        self._check(signed.key_id, signed.signature, _ADMISSION + _canonical(signed.task), "the task; ask for it again")
        return signed.task

    def verify_observation(self, signed: SignedObservation) -> None:
        """Raises SignatureRefused unless a known gateway signed exactly this."""
        content = _OBSERVATION + _canonical(signed.observation)
        self._check(signed.key_id, signed.signature, content, "the observation; report it again")

    def _check(self, key_id: str, signature: str, content: bytes, what: str) -> None:
        try:
            self._keys.verify(key_id, signature, content)
        except UnknownKey as error:
            raise SignatureRefused(
                "refused: signed by an unknown gateway, or by this one before its key was replaced"
            ) from error
        except Untrusted as error:
            raise SignatureRefused(f"refused: the signature does not fit {what}") from error


def _refuse_newer(signed: SignedDecision | SignedAdmission, what: str) -> None:
    if signed.schema_version > SIGNED_VERSION:
        raise SignedByNewer(f"refused: {what} was signed by a newer Journeyman: upgrade this one")


def _canonical(signed: Decision | Task | Observation) -> bytes:
    # Without defaults, so that a field that a later version adds does not break the signatures of today.
    return json.dumps(
        signed.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":")
    ).encode()
