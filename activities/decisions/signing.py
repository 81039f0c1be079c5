"""Ed25519 signatures over decisions, and over the tasks that were admitted.

The gateway that authenticated a person signs; whoever acts on it verifies. So an update that was sent straight to
Temporal, by somebody who reaches its port and no more, can't approve or merge anything, and a workflow that was started
there has no task that anybody admitted.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from workflows.models.base import Model
from workflows.models.decision import Decision, SignedDecision
from workflows.models.task import Task

_ADMISSION = b"journeyman admission\n"
"""Before a task that is signed, so that no signature over one kind of thing counts for another."""


class SignatureRefused(Exception):
    """A decision's signature does not hold; the message says what to do."""


class SignedAdmission(Model):
    """A task as a gateway admitted it, with its signature."""

    task: Task
    key_id: str
    signature: str
    """Base64."""


class DecisionSigner:
    """Signs decisions and admissions with a gateway's private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = _key_id(key.public_key())

    @classmethod
    def load_or_create(cls, directory: Path) -> "DecisionSigner":
        """Read the key in a directory, or make one, readable by this user alone; two processes agree on one key."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = directory / "gateway.key"
        if not path.exists():
            draft = directory / f"gateway.key.{os.getpid()}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(Ed25519PrivateKey.generate().private_bytes_raw())
            try:
                # A link can't replace: the first of two processes wins and the other reads the winner's key.
                path.hardlink_to(draft)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))

    @property
    def public_key(self) -> bytes:
        """What verifiers are given; 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, decision: Decision) -> SignedDecision:
        """Sign a decision by a person this gateway has authenticated."""
        return SignedDecision(decision=decision, key_id=self.key_id, signature=self._signature(_canonical(decision)))

    def admit(self, task: Task) -> SignedAdmission:
        """Sign a task that was asked for by a person this gateway has authenticated, and who may ask for it."""
        return SignedAdmission(task=task, key_id=self.key_id, signature=self._signature(_ADMISSION + _canonical(task)))

    def _signature(self, content: bytes) -> str:
        return base64.b64encode(self._key.sign(content)).decode()


class DecisionVerifier:
    """Knows the public keys of the gateways that may sign."""

    def __init__(self, public_keys: Mapping[str, bytes]) -> None:
        self._keys = {key_id: Ed25519PublicKey.from_public_bytes(raw) for key_id, raw in public_keys.items()}

    @classmethod
    def trusting(cls, *public_keys: bytes) -> "DecisionVerifier":
        """A verifier for these gateways."""
        return cls({_key_id(Ed25519PublicKey.from_public_bytes(raw)): raw for raw in public_keys})

    def verify(self, signed: SignedDecision, now: datetime) -> None:
        """Raises SignatureRefused unless a known gateway signed exactly this and it has not expired."""
        self._check(signed.key_id, signed.signature, _canonical(signed.decision), "the decision; decide again")
        if now > signed.decision.expires_at:
            raise SignatureRefused(
                f"refused: this decision expired at {signed.decision.expires_at:%Y-%m-%d %H:%M:%S}; decide again"
            )

    def verify_admission(self, signed: SignedAdmission) -> Task:
        """The task that was admitted. Raises SignatureRefused unless a known gateway signed exactly this."""
        self._check(signed.key_id, signed.signature, _ADMISSION + _canonical(signed.task), "the task; ask for it again")
        return signed.task

    def _check(self, key_id: str, signature: str, content: bytes, what: str) -> None:
        key = self._keys.get(key_id)
        if key is None:
            raise SignatureRefused("refused: signed by an unknown gateway; decide through this installation's gateway")
        try:
            key.verify(base64.b64decode(signature, validate=True), content)
        except (InvalidSignature, ValueError) as error:
            raise SignatureRefused(f"refused: the signature does not fit {what}") from error


def _canonical(signed: Decision | Task) -> bytes:
    # Without defaults, so that a field that a later version adds does not break the signatures of today.
    return json.dumps(
        signed.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":")
    ).encode()


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]
