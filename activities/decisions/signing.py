"""Signatures over decisions.

The gateway that authenticated a person signs; whoever acts on the decision verifies. So an update that was sent
straight to Temporal, by somebody who reaches its port and no more, can't approve or merge anything.
"""

import json
from datetime import datetime
from pathlib import Path

from activities.decisions.keys import SigningKey, TrustedKeys, UnknownKey, Untrusted
from workflows.models.decision import Decision, SignedDecision

GATEWAY = "gateway"
"""The role whose key signs what people decided and which tasks were admitted."""


class SignatureRefused(Exception):
    """A decision's signature does not hold; the message says what to do."""


class DecisionSigner:
    """Signs decisions with a gateway's private key."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key

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


class DecisionVerifier:
    """Knows the public keys of the gateways that may sign."""

    def __init__(self, keys: TrustedKeys) -> None:
        self._keys = keys

    @classmethod
    def trusting(cls, *public_keys: bytes) -> "DecisionVerifier":
        """A verifier for these gateways."""
        return cls(TrustedKeys(public_keys))

    def verify(self, signed: SignedDecision, now: datetime) -> None:
        """Raises SignatureRefused unless a known gateway signed exactly this and it has not expired."""
        try:
            self._keys.verify(signed.key_id, signed.signature, _canonical(signed.decision))
        except UnknownKey as error:
            raise SignatureRefused(
                "refused: signed by an unknown gateway; decide through this installation's gateway"
            ) from error
        except Untrusted as error:
            raise SignatureRefused("refused: the signature does not fit the decision; decide again") from error
        if now > signed.decision.expires_at:
            raise SignatureRefused(
                f"refused: this decision expired at {signed.decision.expires_at:%Y-%m-%d %H:%M:%S}; decide again"
            )


def _canonical(decision: Decision) -> bytes:
    # Without defaults, so that a field that a later version adds does not break the signatures of today.
    return json.dumps(
        decision.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":")
    ).encode()
