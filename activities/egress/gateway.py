"""The egress gateway: the only way out of a sandbox, and the record of what went that way."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from activities.egress import configuration
from activities.egress.authorities import staged_bundle, system_bundle
from activities.egress.clusters import ClusterPlaces, clusters
from activities.egress.contract import SOCKET_NAME, EgressRecord, EgressRules
from activities.egress.daemon import wait_for
from activities.egress.keyring import Keyring
from activities.egress.metering.books import Books
from activities.egress.places import ENVOY_UID, GatewayError, Places, write_aside
from activities.egress.process import METER_SOCKET, EnvoyProcess, MeterProcess
from activities.egress.records import parse_log, read_log, with_usage
from activities.egress.routes import PROBE_HOST, routes
from activities.egress.rules import parse_rules
from activities.egress.services import Upstream, check_services
from activities.egress.unix_http import ask
from activities.policy.agent_tables import KeySource
from workflows.models.base import Model
from workflows.models.usage import Allowance, Metered

_APPLY_SECONDS = 10.0
_RESOLVE_SECONDS = 3.0
_T = TypeVar("_T")


class _Open(Model):
    """What should be open: kept on disk, so that any worker can bring it back."""

    sandbox: str
    rules: EgressRules
    uid: int | None
    slot: int
    """Names the log file. Slots are used again, since Envoy keeps a thread for every log it ever wrote."""
    keyless: tuple[str, ...] = ()
    """Names of credentials that stand for none, as the gateway knew that opened it."""

    def upstreams(self) -> tuple[Upstream, ...]:
        """Of its brokered services, in their order."""
        return tuple(Upstream.of(service, self.keyless) for service in self.rules.brokered)


class EnvoyGateway:
    """Implements contract.EgressGateway with one Envoy a host and a listener per sandbox.

    Several workers may use one directory: what they share is on disk, and changed under a lock.
    """

    def __init__(
        self,
        directory: Path,
        *,
        resolvers: Sequence[str] = (),
        credentials: Mapping[str, KeySource | None] | None = None,
        authorities: Path | None = None,
    ) -> None:
        """`directory` holds everything of the gateway's. `resolvers`: DNS servers as `address:port`, else the host's.

        `credentials`: where the key of each brokered service's `credential` is found, None for one that takes no key.
        `authorities`: a file of certificates to verify upstreams against, else the system's.
        """
        self._places = Places(directory.absolute())
        self._resolvers = tuple(resolvers)
        self._authorities = authorities
        self._process = EnvoyProcess(self._places)
        self._meter = MeterProcess(self._places)
        self._keys = Keyring(self._places, credentials or {})
        self._books = Books(self._places)
        self._turn = asyncio.Lock()

    async def ensure_running(self) -> None:
        """Adopt the Envoy that runs, or start one with every listener that should be open. Raises GatewayError."""
        await self._alone(self._ensure_running)

    async def stop(self) -> None:
        """End Envoy and the meter. What was open stays on record, and opens again with the next start."""
        await self._alone(self._stop)

    async def open(self, sandbox: str, rules: EgressRules, uid: int | None) -> Path:
        """Open a listener and return its socket's directory, once the listener answers by these rules.

        Raises RuleRefused for a rule that is no name, CredentialError if the key of a brokered service can't be had,
        and GatewayError if Envoy does not take it. Of a sandbox that is open already, a grant is kept.
        """
        return await self._alone(lambda: self._open(sandbox, rules, uid))

    async def change(self, sandbox: str, rules: EgressRules) -> None:
        """Change what a sandbox may reach from now on; streams that are open stay open.

        Raises RuleRefused, and GatewayError if the sandbox has no listener.
        """
        await self._alone(lambda: self._change(sandbox, rules))

    async def grant(self, sandbox: str, allowance: Allowance) -> None:
        """Replace what a sandbox may use in all; what was held and now fits goes on within a fraction of a second.

        Raises GatewayError if the sandbox has no listener.
        """
        await self._alone(lambda: self._grant(sandbox, allowance))

    async def metered(self, sandbox: str) -> Metered:
        """What a sandbox has used, requests under way included; nothing for one that is not known."""
        return await self._alone(lambda: self._metered(sandbox))

    async def close(self, sandbox: str) -> tuple[EgressRecord, ...]:
        """Close the listener, cutting what is still open, and return every request it saw, in order."""
        return await self._alone(lambda: self._close(sandbox))

    async def forget(self, sandbox: str) -> None:
        """Remove the records of a sandbox that was closed."""
        await self._alone(lambda: self._forget(sandbox))

    async def _alone(self, work: Callable[[], _T]) -> _T:
        """Run blocking work in a thread, one at a time in this process, and one at a time on this directory."""

        def locked() -> _T:
            self._places.make()
            with FileLock(self._places.kept / "lock", timeout=120):
                return work()

        async with self._turn:
            return await asyncio.to_thread(locked)

    def _ensure_running(self) -> None:
        each = self._all_open()
        for upstream in _distinct(each):
            self._keys.refresh(upstream)
        self._write_configuration()
        # Where nothing is brokered nothing is metered.
        if any(wanted.rules.brokered for wanted in each) and not self._meter.is_live():
            self._meter.start()
        if not self._process.is_live():
            self._process.start()
        for wanted in each:
            self._wait_for_rules(wanted)

    def _stop(self) -> None:
        self._process.stop()
        self._meter.stop()

    def _open(self, sandbox: str, rules: EgressRules, uid: int | None) -> Path:
        parse_rules(rules)
        check_services(rules.brokered)
        keyless = self._keys.keyless({service.credential for service in rules.brokered})
        for service in rules.brokered:
            self._keys.provide(Upstream.of(service, keyless))
        known = {each.sandbox: each for each in self._all_open()}
        before = known.get(sandbox)
        taken = {each.slot for each in known.values()}
        slot = before.slot if before else next(n for n in range(len(taken) + 1) if n not in taken)
        if before is not None:
            # A worker that opens again knows only what the sandbox began with.
            rules = rules.model_copy(update={"allowance": before.rules.allowance})
        wanted = _Open(sandbox=sandbox, rules=rules, uid=uid, slot=slot, keyless=keyless)
        directory = self._make_directory(wanted)
        write_aside(self._state(sandbox), wanted.model_dump_json())
        try:
            self._ensure_running()
            self._wait_for_upstreams(wanted)
        except GatewayError:
            if before is None:
                self._state(sandbox).unlink()
                shutil.rmtree(directory)
            else:
                write_aside(self._state(sandbox), before.model_dump_json())
            self._write_configuration()
            raise
        return directory

    def _change(self, sandbox: str, rules: EgressRules) -> None:
        parse_rules(rules)
        before = next((each for each in self._all_open() if each.sandbox == sandbox), None)
        if before is None:
            raise GatewayError(f"the sandbox {sandbox} has no egress listener to change: open one first")
        self._open(sandbox, rules, before.uid)

    def _grant(self, sandbox: str, allowance: Allowance) -> None:
        before = next((each for each in self._all_open() if each.sandbox == sandbox), None)
        if before is None:
            raise GatewayError(f"the sandbox {sandbox} has no egress listener to grant anything: open one first")
        rules = before.rules.model_copy(update={"allowance": allowance})
        write_aside(self._state(sandbox), before.model_copy(update={"rules": rules}).model_dump_json())
        self._write_configuration()

    def _metered(self, sandbox: str) -> Metered:
        state = next((each for each in self._all_open() if each.sandbox == sandbox), None)
        return self._books.metered(_key(sandbox), state.rules.allowance if state else None)

    def _forget(self, sandbox: str) -> None:
        self._records(sandbox).unlink(missing_ok=True)
        if not self._state(sandbox).exists():
            self._books.forget(_key(sandbox))

    def _close(self, sandbox: str) -> tuple[EgressRecord, ...]:
        closing = next((each for each in self._all_open() if each.sandbox == sandbox), None)
        if closing is not None:
            self._state(sandbox).unlink()
            self._write_configuration()
            self._wait_until_logged(sandbox)
            log = self._log(closing.slot)
            self._books.wait_until_ended(_key(sandbox))
            before = self._kept_records(sandbox)
            entries = self._books.entries(_key(sandbox))
            seen = (*before, *with_usage(parse_log(read_log(log), sandbox), entries, sandbox, before))
            write_aside(self._records(sandbox), "".join(f"{record.model_dump_json()}\n" for record in seen))
            _empty(log)
            shutil.rmtree(self._directory(sandbox), ignore_errors=True)
            (self._places.config / f"{_key(sandbox)}.json").unlink(missing_ok=True)
        return self._kept_records(sandbox)

    def _kept_records(self, sandbox: str) -> tuple[EgressRecord, ...]:
        try:
            lines = self._records(sandbox).read_text().splitlines()
        except FileNotFoundError:
            return ()
        return tuple(EgressRecord.model_validate_json(line) for line in lines)

    def _wait_until_logged(self, sandbox: str) -> None:
        """Wait until Envoy has closed the listener's connections and written their records, or is dead."""
        name = _key(sandbox)

        def closed() -> bool:
            draining = self._process.stat("listener_manager.total_listeners_draining")
            return name not in self._process.listeners() and draining == 0

        # An Envoy that does not answer has no more to write.
        with contextlib.suppress(OSError):
            wait_for(closed, _APPLY_SECONDS)
            wait_for(lambda: self._process.stat("filesystem.write_total_buffered") == 0, 2)

    def _wait_for_rules(self, each: _Open) -> None:
        """Return when a sandbox's socket answers by the rules that were written last."""
        socket = self._directory(each.sandbox) / SOCKET_NAME
        _, version = self._routes(each)

        def holds() -> bool:
            try:
                return ask(socket, PROBE_HOST) == (200, version)
            except OSError:
                return False

        if not wait_for(holds, _APPLY_SECONDS):
            log = self._places.root / "envoy.log"
            raise GatewayError(
                f"the egress gateway did not take the rules of sandbox {each.sandbox}. The end of {log}:\n"
                + log.read_text(errors="replace")[-2000:]
            )

    def _wait_for_upstreams(self, each: _Open) -> None:
        """Give a new upstream a moment to be resolved, so that the first request finds it."""
        names = [upstream.name for upstream in each.upstreams()]

        def resolved() -> bool:
            return all(self._process.stat(f"cluster.{name}.membership_total") > 0 for name in names)

        # What does not resolve is told to whoever asks for it.
        with contextlib.suppress(OSError):
            wait_for(resolved, _RESOLVE_SECONDS)

    def _write_configuration(self) -> None:
        """Bring every file that Envoy and the meter read up to what should be open; those that are right stay."""
        config = self._places.config
        each = self._all_open()
        self._books.write_policies({_key(wanted.sandbox): wanted.rules for wanted in each})
        for wanted in each:
            _write_if_new(config / f"{_key(wanted.sandbox)}.json", self._routes(wanted)[0])
        listeners = [
            configuration.listener(
                _key(wanted.sandbox),
                wanted.sandbox,
                self._places.from_root(self._directory(wanted.sandbox) / SOCKET_NAME),
                config / f"{_key(wanted.sandbox)}.json",
                self._log(wanted.slot),
            )
            for wanted in each
        ]
        _write_if_new(
            config / "bootstrap.json", configuration.bootstrap(self._places.from_root(self._places.admin), config)
        )
        upstreams = _distinct(each)
        meter = self._places.from_root(self._places.meter / METER_SOCKET)
        places = ClusterPlaces(self._places.secrets, self._bundle(upstreams), meter)
        _write_if_new(config / "clusters.json", clusters(self._resolvers, upstreams, places))
        _write_if_new(config / "listeners.json", configuration.listeners(listeners))
        self._keys.forget_all_but({upstream.name for upstream in upstreams})

    def _bundle(self, upstreams: Sequence[Upstream]) -> Path:
        if not any(upstream.tls for upstream in upstreams):
            return self._places.config / "none"
        return staged_bundle(self._places, self._authorities or system_bundle())

    def _routes(self, each: _Open) -> tuple[configuration.Json, str]:
        brokered = tuple(zip(each.rules.brokered, each.upstreams(), strict=True))
        return routes(_key(each.sandbox), parse_rules(each.rules), brokered, each.rules.allow_private)

    def _make_directory(self, wanted: _Open) -> Path:
        """The socket's directory: Envoy makes the socket in it, the sandbox's uid alone may reach it."""
        directory = self._directory(wanted.sandbox)
        directory.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            group = ENVOY_UID if wanted.uid is None else wanted.uid
            os.chown(directory, ENVOY_UID, group)
            # Set-group-id, so that each socket Envoy makes here, after a restart too, is the sandbox's group's.
            directory.chmod(0o2750)
        return directory

    def _all_open(self) -> list[_Open]:
        return [_Open.model_validate_json(path.read_text()) for path in sorted(self._places.kept.glob("open-*.json"))]

    def _state(self, sandbox: str) -> Path:
        return self._places.kept / f"open-{_key(sandbox)}.json"

    def _records(self, sandbox: str) -> Path:
        return self._places.kept / f"records-{_key(sandbox)}.jsonl"

    def _log(self, slot: int) -> Path:
        return self._places.logs / f"requests-{slot}.jsonl"

    def _directory(self, sandbox: str) -> Path:
        return self._places.sandboxes / _key(sandbox)


def _key(sandbox: str) -> str:
    """A short name for files and listeners, whatever the sandbox is called."""
    return hashlib.sha256(sandbox.encode()).hexdigest()[:16]


def _distinct(each: Sequence[_Open]) -> tuple[Upstream, ...]:
    """The upstreams of all that is open: services that differ in their paths alone share one."""
    return tuple({upstream.name: upstream for wanted in each for upstream in wanted.upstreams()}.values())


def _write_if_new(path: Path, content: configuration.Json) -> None:
    text = json.dumps(content, sort_keys=True)
    if not path.exists() or path.read_text() != text:
        write_aside(path, text)


def _empty(log: Path) -> None:
    """Empty a log in Envoy's own directory without following a link there. Envoy appends, so it starts over."""
    with contextlib.suppress(OSError):
        os.close(os.open(log, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
