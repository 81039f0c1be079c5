"""Ed25519 keys: made once for each role of an installation, private to the OS user that has the role."""

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_SUFFIX = ".pub"


class Untrusted(Exception):
    """A signature does not hold; the message says why."""


class UnknownKey(Untrusted):
    """It may be a good signature, by somebody who may not sign here."""


class KeyUnusable(Exception):
    """A key file can't be used; the message says which, and what to do."""


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
        path = directory / f"{role}.key"
        if not path.exists():
            try:
                _make(path)
            except OSError as error:
                raise KeyUnusable(
                    f"there is no key {path}, and none can be made there ({error.strerror}): make keys with "
                    "`journeyman keys`, and set JOURNEYMAN_KEYS"
                ) from error
        _close(path)
        key = cls(_private_key(path))
        public, text = path.with_suffix(PUBLIC_SUFFIX), key.public_key.hex() + "\n"
        # Where keys are mounted read-only there is nothing to write: both halves are there.
        if not public.exists() or public.read_text() != text:
            write_public(public, key.public_key)
        return key

    @classmethod
    def load(cls, directory: Path, role: str, trusts: str) -> "SigningKey":
        """Read a key that was made before, and make sure that it is known who is trusted. Raises KeyUnusable.

        For a directory that somebody named: a new key there would be one that nobody else knows.
        """
        path = directory / f"{role}.key"
        if not path.exists():
            raise KeyUnusable(f"JOURNEYMAN_KEYS: there is no {path}: make keys with `journeyman keys`")
        if not any(directory.glob(f"{trusts}s/*{PUBLIC_SUFFIX}")) and not (directory / f"{trusts}.pub").exists():
            raise KeyUnusable(
                f"JOURNEYMAN_KEYS: {directory} has no public key of a {trusts}, so nothing of theirs would count: put "
                f"one into {directory / f'{trusts}s'}, as `journeyman keys` does"
            )
        return cls.load_or_create(directory, role)

    @property
    def public_key(self) -> bytes:
        """What verifiers are given; 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> str:
        """The signature over these bytes, in Base64."""
        return base64.b64encode(self._key.sign(message)).decode()


class TrustedKeys:
    """The public keys whose signatures count: those that are there now, not those that were when a process began."""

    def __init__(self, read: Callable[[], Iterable[bytes]], stamp: Callable[[], object] = lambda: None) -> None:
        """`stamp`: something else whenever what `read` gives may be."""
        self._read = read
        self._stamp = stamp
        self._seen = stamp()
        self._keys = self._loaded()

    @classmethod
    def of_role(cls, directory: Path, role: str) -> "TrustedKeys":
        """That of this installation, `<role>.pub`, and those of other machines: files in `<role>s/` beside it."""

        folder = directory / f"{role}s"

        def files() -> list[Path]:
            own = directory / f"{role}{PUBLIC_SUFFIX}"
            return [path for path in (own, *sorted(folder.glob(f"*{PUBLIC_SUFFIX}"))) if path.exists()]

        def read() -> Iterable[bytes]:
            found = files()
            for path in {directory, folder, *found}:
                _refuse_others(path)
            return [_public_key(path) for path in found]

        def stamp() -> object:
            return [(path, (facts := path.stat()).st_mtime_ns, facts.st_ino, facts.st_size) for path in files()]

        return cls(read, stamp)

    def _loaded(self) -> Mapping[str, Ed25519PublicKey]:
        keys = [Ed25519PublicKey.from_public_bytes(raw) for raw in self._read()]
        return {_key_id(key): key for key in keys}

    def any(self) -> bool:
        """Whether anybody is trusted at all."""
        self._refresh()
        return bool(self._keys)

    def _refresh(self) -> None:
        if (stamp := self._stamp()) != self._seen:
            # Made, brought here or taken away since: a gateway may start after the worker that trusts it.
            self._seen, self._keys = stamp, self._loaded()

    def verify(self, key_id: str, signature: str, message: bytes) -> None:
        """Raises Untrusted unless one of these keys signed exactly this."""
        self._refresh()
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownKey(f"{key_id} is not a key that is trusted here")
        try:
            key.verify(base64.b64decode(signature, validate=True), message)
        except (InvalidSignature, ValueError) as error:
            raise Untrusted("the signature does not fit") from error


def write_public(path: Path, key: bytes) -> None:
    """Write a public half at once: others read it meanwhile."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(key.hex() + "\n")
    draft.chmod(0o644)
    draft.replace(path)


def _refuse_others(path: Path) -> None:
    """Raises KeyUnusable for what says who is trusted, and could be written by somebody else."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if found.st_uid not in {0, os.geteuid()} or found.st_mode & 0o022:
        raise KeyUnusable(
            f"{path} belongs to uid {found.st_uid} with mode {found.st_mode & 0o777:o}: whoever can write there says "
            "who is trusted: make it yours, and closed to writing by others"
        )


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
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


def _close(path: Path) -> None:
    """Make a private key readable by its owner alone. Raises KeyUnusable for one that others own or can read."""
    found = path.stat()
    if found.st_uid not in {0, os.geteuid()}:
        raise KeyUnusable(f"{path} belongs to uid {found.st_uid}: who owns a signing key can sign; chown it")
    if found.st_mode & 0o077:
        try:
            path.chmod(0o600)
        except OSError as error:
            raise KeyUnusable(f"{path} can be read by others, and not be closed: {error.strerror}") from error


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"{path} can't be read as a signing key ({error}): put back the 32 bytes it had") from error


def _public_key(path: Path) -> bytes:
    try:
        raw = bytes.fromhex(path.read_text().strip())
        Ed25519PublicKey.from_public_bytes(raw)
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"{path} is no public key ({error}): copy the other machine's .pub file again") from error
    return raw


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]
