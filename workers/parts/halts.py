"""The record of halts, for whoever reads it and for whoever may add to it."""

from pathlib import Path

from activities.archive.objects import Objects
from activities.decisions.halts import HaltRecord
from activities.decisions.keys import KeyUnusable, SigningKey, TrustedKeys
from activities.decisions.signing import GATEWAY
from workers.settings import Settings


def read_halts(settings: Settings, objects: Objects, memory: Path | None = None) -> HaltRecord:
    """To be read only."""
    return HaltRecord(objects, TrustedKeys.of_role(settings.keys_location, GATEWAY), memory=memory)


def kept_halts(settings: Settings, objects: Objects, key: SigningKey) -> HaltRecord:
    """To be added to with a gateway's key."""
    return HaltRecord(objects, TrustedKeys.of_role(settings.keys_location, GATEWAY), key)


def gateway_key(settings: Settings) -> SigningKey:
    """The gateway's key of this installation, that is there and that this OS user can read. Raises KeyUnusable."""
    path = settings.keys_location / f"{GATEWAY}.key"
    try:
        path.read_bytes()
    except OSError as error:
        raise KeyUnusable(f"{path} can't be read: {error.strerror}") from error
    return SigningKey.load_or_create(settings.keys_location, GATEWAY)
