"""Encryption of everything that Temporal keeps, with keys that its server never has: AES-256-GCM, a nonce each.

The file of keys has a line for each, `NAME KEY`, the newest first: that one encrypts, all of them decrypt. So a key is
replaced by putting a new line before it, and taken away when nothing of its time is open any more.
"""

import base64
import binascii
import dataclasses
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

ENCODING = b"binary/encrypted"
"""As Temporal's own samples call it, so that its tools show such a payload as one."""
_KEY_NAME = "encryption-key-id"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class PayloadKeysBroken(Exception):
    """The file of keys can't be used; the message says why, and never holds a key."""


class PayloadUnreadable(Exception):
    """A payload is encrypted and can't be read with the keys that are here."""


class EncryptedPayloads(PayloadCodec):
    """Encrypts whatever leaves for Temporal, and decrypts what comes back."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys`: by name, 32 bytes each; the first one encrypts."""
        self._newest = next(iter(keys))
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each payload, metadata included, inside one that tells nothing but the key's name."""
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """What was encrypted is decrypted; what never was stays. Raises PayloadUnreadable."""
        return [self._decrypted(p) if p.metadata.get("encoding") == ENCODING else p for p in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        nonce, name = secrets.token_bytes(_NONCE_BYTES), self._newest.encode()
        sealed = self._ciphers[self._newest].encrypt(nonce, payload.SerializeToString(), name)
        return Payload(metadata={"encoding": ENCODING, _KEY_NAME: name}, data=nonce + sealed)

    def _decrypted(self, payload: Payload) -> Payload:
        name = payload.metadata.get(_KEY_NAME, b"").decode(errors="replace")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise PayloadUnreadable(
                f"a payload is encrypted with the key {name[:64]!r}, which is not in JOURNEYMAN_PAYLOAD_KEYS: put it "
                "back there, after the newest"
            )
        try:
            opened = cipher.decrypt(payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as error:
            raise PayloadUnreadable(
                f"a payload that names the key {name!r} was not encrypted with it, or was changed"
            ) from error
        return Payload.FromString(opened)


def encrypting(converter: DataConverter, keys: Path | None) -> DataConverter:
    """The converter with encryption, if there is a file of keys. Raises PayloadKeysBroken.

    Words of failures are encrypted too: they repeat what a step was about.
    """
    if keys is None:
        return converter
    return dataclasses.replace(
        converter,
        payload_codec=EncryptedPayloads(read_keys(keys)),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def is_key_name(name: str) -> bool:
    """Whether a key may be called this."""
    return _NAME.fullmatch(name) is not None


def new_key_line(name: str) -> str:
    """A line for the file of keys, with a new key."""
    return f"{name} {base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def read_keys(path: Path) -> dict[str, bytes]:
    """The keys of a file, in its order. Raises PayloadKeysBroken."""
    try:
        facts = path.stat()
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PayloadKeysBroken(f"JOURNEYMAN_PAYLOAD_KEYS: {path} can't be read: {error}") from error
    if facts.st_mode & 0o077 or facts.st_uid not in {0, os.geteuid()}:
        raise PayloadKeysBroken(f"JOURNEYMAN_PAYLOAD_KEYS: others may read or own {path}: chown and chmod 600 it")
    keys: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = _key(words[1]) if len(words) == 2 else b""
        if len(key) != _KEY_BYTES or not is_key_name(words[0]) or words[0] in keys:
            raise PayloadKeysBroken(
                f"JOURNEYMAN_PAYLOAD_KEYS: line {number} of {path} is not a name of its own and 32 bytes in Base64, as "
                "`journeyman payload-key NAME` prints them"
            )
        keys[words[0]] = key
    if not keys:
        raise PayloadKeysBroken(f"JOURNEYMAN_PAYLOAD_KEYS: {path} has no key: journeyman payload-key NAME > {path}")
    return keys


def _key(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
