"""Puts providers' keys where Envoy, and nobody else, reads them, and keeps them fresh without cutting a stream.

Several workers may share one gateway. Of two that take a provider's key from different places, the one that was
started last is right; of two that agree on a command, one runs it and both use what it printed.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from activities.egress.clusters import secret_file
from activities.egress.configuration import discovery
from activities.egress.credentials import CredentialError, read_key
from activities.egress.places import Places, write_aside
from activities.egress.services import Upstream
from activities.policy.agent_tables import KeySource
from workflows.models.base import Model

_log = logging.getLogger(__name__)
_RENEW_AT = 0.8
"""Of a printed key's lifetime: what is left is for the requests that already carry it, and for trying again."""
_AGAIN_SECONDS = 15.0


class _Written(Model):
    """What is known of the key that Envoy has: everything but the key."""

    owner_since: float
    """When the gateway that wrote it was made, or saw its configuration change."""
    source: str
    stamp: str = ""
    """Of a file: changes whenever it does."""
    renew: float | None = None
    """Of a command: when to run it again, in seconds since the epoch."""


class Keyring:
    """Callers hold the gateway's lock."""

    def __init__(self, places: Places, credentials: Mapping[str, KeySource | None]) -> None:
        """`credentials`: by name, where its key is found; None for a service that takes no key. It may change."""
        self._places = places
        self._credentials = credentials
        self._seen = dict(credentials)
        self._since = time.time()
        self._not_before: dict[str, float] = {}
        self._known: set[str] = set()

    def keyless(self, names: set[str]) -> tuple[str, ...]:
        """Those that stand for no key at all. Raises CredentialError for a name that is not known."""
        known = self._now()
        if unknown := sorted(names - known.keys()):
            raise CredentialError(
                f"no key for {', '.join(unknown)}: add [providers.{unknown[0]}] to journeyman.toml, with `key` if it "
                "takes one"
            )
        return tuple(sorted(name for name in names if known[name] is None))

    def provide(self, upstream: Upstream) -> None:
        """Have Envoy's copy of an upstream's key up to date. Raises CredentialError if there is none to be had."""
        source = self._now().get(upstream.credential)
        if source is None:
            return
        text = source.model_dump_json()
        before = self._written(upstream.name)
        if before is not None and not self._is_due(before, source, text):
            self._remember(upstream)
            return
        stamp = _stamp(source)
        key = read_key(upstream.credential, source)
        secret = {"name": upstream.name, "generic_secret": {"secret": {"inline_string": upstream.prefix + key}}}
        content = discovery("envoy.extensions.transport_sockets.tls.v3.Secret", [secret])
        # The version is a hash of all of it, and shown in places where the key is not.
        content["version_info"] = str(time.time_ns())
        write_aside(secret_file(self._places.secrets, upstream.name), json.dumps(content))
        renew = time.time() + source.seconds * _RENEW_AT if source.command else None
        written = _Written(owner_since=self._since, source=text, stamp=stamp, renew=renew)
        write_aside(self._record(upstream.name), written.model_dump_json())
        self._remember(upstream)

    def known(self) -> frozenset[str]:
        """Every key that this process has handed to Envoy, or found there: for those who take secrets out of text."""
        return frozenset(self._known)

    def _remember(self, upstream: Upstream) -> None:
        content = json.loads(secret_file(self._places.secrets, upstream.name).read_text())
        (secret,) = content["resources"]
        self._known.add(secret["generic_secret"]["secret"]["inline_string"].removeprefix(upstream.prefix))

    def refresh(self, upstream: Upstream) -> None:
        """As `provide`, but a key that can't be renewed is left as it is, and the reason goes to the log."""
        if time.monotonic() < self._not_before.get(upstream.name, 0):
            return
        try:
            self.provide(upstream)
        except CredentialError as error:
            self._not_before[upstream.name] = time.monotonic() + _AGAIN_SECONDS
            _log.warning("%s; requests go on with the key that was there before, if there was one", error)

    def forget_all_but(self, names: set[str]) -> None:
        """Remove the keys of upstreams that no sandbox uses."""
        for path in self._places.secrets.glob("upstream-*.json"):
            if path.stem not in names:
                path.unlink()
                self._record(path.stem).unlink(missing_ok=True)

    def _now(self) -> dict[str, KeySource | None]:
        now = dict(self._credentials)
        if now != self._seen:
            # Whoever has read the newer text is right, as is whoever was started last.
            self._seen, self._since = now, time.time()
        return now

    def _is_due(self, before: _Written, source: KeySource, text: str) -> bool:
        if before.source != text or source.environment:
            # The environment of a process does not change: only a later process can know better.
            return before.owner_since < self._since
        if source.file is not None:
            return before.stamp != _stamp(source)
        return before.renew is None or before.renew <= time.time()

    def _written(self, name: str) -> _Written | None:
        if not secret_file(self._places.secrets, name).exists():
            return None
        try:
            return _Written.model_validate_json(self._record(name).read_text())
        except (OSError, ValueError):
            return None

    def _record(self, name: str) -> Path:
        return self._places.kept / f"key-{name}.json"


def _stamp(source: KeySource) -> str:
    if source.file is None:
        return ""
    try:
        facts = os.stat(source.file)  # noqa: PTH116
    except OSError:
        return "missing"
    return f"{facts.st_dev}-{facts.st_ino}-{facts.st_mtime_ns}-{facts.st_size}"
