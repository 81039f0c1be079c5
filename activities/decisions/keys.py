"""Ed25519 keys: made once for each role of an installation, private to the OS user that has the role."""

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_SUFFIX = ".pub"


class Untrusted(Exception):
    """A signature does not hold; the message says why."""


class UnknownKey(Untrusted):
    """It may be a good signature, by somebody who may not sign here."""


class SigningKey:
    """A private key and its name."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = _key_id(key.public_key())

    @classmethod
    def load_or_create(cls, directory: Path, role: str) -> "SigningKey":
        """Read `<role>.key` in a directory, or make it, readable by this user alone; two processes agree on one key.

        The public half is kept beside it as `<role>.pub`, to be given to those who verify.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
        path = directory / f"{role}.key"
        if not path.exists():
            draft = directory / f"{role}.key.{os.getpid()}"
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
        path.chmod(0o600)
        key = cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))
        path.with_suffix(PUBLIC_SUFFIX).write_text(key.public_key.hex() + "\n")
        return key

    @property
    def public_key(self) -> bytes:
        """What verifiers are given; 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> str:
        """The signature over these bytes, in Base64."""
        return base64.b64encode(self._key.sign(message)).decode()


class TrustedKeys:
    """The public keys whose signatures count."""

    def __init__(self, public_keys: Iterable[bytes]) -> None:
        keys = [Ed25519PublicKey.from_public_bytes(raw) for raw in public_keys]
        self._keys: Mapping[str, Ed25519PublicKey] = {_key_id(key): key for key in keys}

    @classmethod
    def with_folder(cls, own: bytes, folder: Path) -> "TrustedKeys":
        """Our own key, and those of other machines: each a `.pub` file that somebody put into the folder."""
        others = [bytes.fromhex(path.read_text().strip()) for path in sorted(folder.glob(f"*{PUBLIC_SUFFIX}"))]
        return cls([own, *others])

    def verify(self, key_id: str, signature: str, message: bytes) -> None:
        """Raises Untrusted unless one of these keys signed exactly this."""
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownKey(f"{key_id} is not a key that is trusted here")
        try:
            key.verify(base64.b64decode(signature, validate=True), message)
        except (InvalidSignature, ValueError) as error:
            raise Untrusted("the signature does not fit") from error


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]
