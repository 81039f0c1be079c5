"""The egress gateway: the only way out of a sandbox, and the record of what went that way."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from activities.egress import configuration
from activities.egress.authorities import staged_bundle, system_bundle
from activities.egress.clusters import ClusterPlaces, clusters
from activities.egress.contract import EgressRecord, EgressRules, Traffic, Wanted
from activities.egress.daemon import wait_for
from activities.egress.keyring import Keyring
from activities.egress.metering.books import Books
from activities.egress.opened import Opened, OpenList, distinct_upstreams, key
from activities.egress.packages import check_packages
from activities.egress.places import GatewayError, Places, write_aside
from activities.egress.process import METER_SOCKET, EnvoyProcess, MeterProcess
from activities.egress.records import empty_log, new_lines, outcomes, parse_log, read_log, wanted_hosts, with_usage
from activities.egress.routes import PROBE_HOST
from activities.egress.rules import parse_rules
from activities.egress.services import Upstream, check_services
from activities.egress.unix_http import ask
from activities.egress.written_routes import WrittenRoutes
from activities.policy.agent_tables import KeySource
from workflows.models.usage import Allowance, Metered

_APPLY_SECONDS = 10.0
_FILES_A_SECOND = 1_000
"""Of packages: a fraction of what Envoy takes in on a busy machine."""
_RESOLVE_SECONDS = 3.0
_T = TypeVar("_T")


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
        # An empty mapping may be one that gets its first entry later.
        self._keys = Keyring(self._places, {} if credentials is None else credentials)
        self._books = Books(self._places)
        self._open_list = OpenList(self._places)
        self._written = WrittenRoutes()
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

    async def wanted(self, sandbox: str, seen: int) -> Wanted:
        """Hosts that a sandbox was refused since an earlier look, and that people may be asked about."""
        return await self._alone(lambda: self._wanted(sandbox, seen))

    async def traffic(self, sandbox: str, before: Traffic) -> Traffic:
        """What has passed a sandbox's way out since an earlier look, added to it."""
        return await self._alone(lambda: self._traffic(sandbox, before))

    async def close(self, sandbox: str) -> tuple[EgressRecord, ...]:
        """Close the listener, cutting what is still open, and return every request it saw, in order."""
        return await self._alone(lambda: self._close(sandbox))

    async def opened(self) -> tuple[str, ...]:
        """Every sandbox that has a listener."""
        return await self._alone(lambda: tuple(opened.sandbox for opened in self._open_list.all()))

    async def forget(self, sandbox: str) -> None:
        """Remove the records of a sandbox that was closed."""
        await self._alone(lambda: self._forget(sandbox))

    def known_keys(self) -> frozenset[str]:
        """Keys that went through this process's hands: for taking them out of whatever is kept or shown."""
        return self._keys.known()

    async def _alone(self, work: Callable[[], _T]) -> _T:
        """Run blocking work in a thread, one at a time in this process, and one at a time on this directory."""

        def locked() -> _T:
            self._places.make()
            with FileLock(self._places.kept / "lock", timeout=120, mode=0o600):
                return work()

        async with self._turn:
            return await asyncio.to_thread(locked)

    def _ensure_running(self, opening: str = "") -> None:
        each = self._open_list.all()
        for upstream in distinct_upstreams(each):
            self._keys.refresh(upstream)
        changed = self._write_configuration()
        # Where nothing is brokered nothing is metered, and where no host is allowed no tunnel is looked at.
        if any(opened.rules.brokered or opened.rules.hosts for opened in each) and not self._meter.is_live():
            self._meter.start()
        started = not self._process.is_live()
        if started:
            self._process.start()
        for opened in each:
            # With many open, asking those that nothing changed for would be most of the work.
            if started or opened.sandbox == opening or opened.key in changed:
                self._wait_for_rules(opened)

    def _stop(self) -> None:
        self._process.stop()
        self._meter.stop()

    def _open(self, sandbox: str, rules: EgressRules, uid: int | None) -> Path:
        parse_rules(rules)
        check_services(rules.brokered)
        check_packages(rules.packages)
        keyless = self._keys.keyless({service.credential for service in rules.brokered})
        for service in rules.brokered:
            self._keys.provide(Upstream.of(service, keyless))
        before = self._open_list.find(sandbox)
        slot = before.slot if before else self._open_list.free_slot()
        if before is not None:
            # A worker that opens again knows only what the sandbox began with.
            rules = rules.model_copy(update={"allowance": before.rules.allowance})
        opened = Opened(sandbox=sandbox, rules=rules, uid=uid, slot=slot, keyless=keyless)
        directory = self._open_list.make_directory(opened)
        self._open_list.keep(opened)
        try:
            self._ensure_running(opening=sandbox)
            self._wait_for_upstreams(opened)
        except GatewayError:
            if before is None:
                self._open_list.drop(sandbox)
                self._open_list.remove_directory(sandbox)
            else:
                self._open_list.keep(before)
            self._write_configuration()
            raise
        return directory

    def _change(self, sandbox: str, rules: EgressRules) -> None:
        parse_rules(rules)
        self._open(sandbox, rules, self._open_list.expect(sandbox).uid)

    def _grant(self, sandbox: str, allowance: Allowance) -> None:
        before = self._open_list.expect(sandbox)
        rules = before.rules.model_copy(update={"allowance": allowance})
        self._open_list.keep(before.model_copy(update={"rules": rules}))
        self._write_configuration()

    def _metered(self, sandbox: str) -> Metered:
        opened = self._open_list.find(sandbox)
        return self._books.metered(key(sandbox), opened.rules.allowance if opened else None)

    def _wanted(self, sandbox: str, seen: int) -> Wanted:
        opened = self._open_list.find(sandbox)
        if opened is None or not opened.rules.asks:
            return Wanted(seen=seen)
        lines, seen = new_lines(self._open_list.log(opened), seen)
        return Wanted(hosts=wanted_hosts(lines, sandbox), seen=seen)

    def _traffic(self, sandbox: str, before: Traffic) -> Traffic:
        opened = self._open_list.find(sandbox)
        if opened is None:
            return before
        lines, seen = new_lines(self._open_list.log(opened), before.seen)
        well, badly = outcomes(lines, sandbox)
        used = self._books.metered(opened.key, None)
        return Traffic(
            answered=before.answered + well,
            failed=before.failed + badly,
            moved=seen + used.requests + used.bytes + used.tokens,
            seen=seen,
        )

    def _forget(self, sandbox: str) -> None:
        self._open_list.forget_records(sandbox)
        if self._open_list.find(sandbox) is None:
            self._books.forget(key(sandbox))

    def _close(self, sandbox: str) -> tuple[EgressRecord, ...]:
        closing = self._open_list.find(sandbox)
        if closing is not None:
            self._open_list.drop(sandbox)
            self._write_configuration()
            self._wait_until_logged(closing)
            log = self._open_list.log(closing)
            self._books.wait_until_ended(closing.key)
            before = self._open_list.records(sandbox)
            entries = self._books.entries(closing.key)
            now = with_usage(parse_log(read_log(log), sandbox), entries, sandbox, before)
            self._open_list.keep_records(sandbox, (*before, *now))
            empty_log(log)
            self._open_list.remove_directory(sandbox)
            (self._places.config / f"{closing.key}.json").unlink(missing_ok=True)
        return self._open_list.records(sandbox)

    def _wait_until_logged(self, closing: Opened) -> None:
        """Wait until Envoy has closed the listener's connections and written their records, or is dead."""

        def closed() -> bool:
            draining = self._process.stat("listener_manager.total_listeners_draining")
            return closing.key not in self._process.listeners() and draining == 0

        # An Envoy that does not answer has no more to write.
        with contextlib.suppress(OSError):
            wait_for(closed, _APPLY_SECONDS)
            wait_for(lambda: self._process.stat("filesystem.write_total_buffered") == 0, 2)

    def _wait_for_rules(self, opened: Opened) -> None:
        """Return when a sandbox's socket answers by the rules that were written last."""
        socket = self._open_list.socket(opened.sandbox)
        version = self._written.version(opened)

        def holds() -> bool:
            try:
                return ask(socket, PROBE_HOST) == (200, version)
            except OSError:
                return False

        files = sum(len(host.files) for host in opened.rules.packages)
        if not wait_for(holds, _APPLY_SECONDS + files / _FILES_A_SECOND):
            log = self._places.root / "envoy.log"
            raise GatewayError(
                f"the egress gateway did not take the rules of sandbox {opened.sandbox}. The end of {log}:\n"
                + log.read_text(errors="replace")[-2000:]
            )

    def _wait_for_upstreams(self, opened: Opened) -> None:
        """Give a new upstream a moment to be resolved, so that the first request finds it."""
        names = [upstream.name for upstream in opened.all_upstreams]

        def resolved() -> bool:
            return all(self._process.stat(f"cluster.{name}.membership_total") > 0 for name in names)

        # What does not resolve is told to whoever asks for it.
        with contextlib.suppress(OSError):
            wait_for(resolved, _RESOLVE_SECONDS)

    def _write_configuration(self) -> set[str]:
        """Bring every file that Envoy and the meter read up to what should be open; those that are right stay.

        Returns the keys of those whose rules are others than they were.
        """
        config = self._places.config
        each = self._open_list.all()
        self._books.write_policies({opened.key: opened.rules for opened in each})
        changed = {
            opened.key for opened in each if _write_if_new(config / f"{opened.key}.json", self._written.text(opened))
        }
        self._written.keep(each)
        listeners = [
            configuration.listener(
                opened.key,
                opened.sandbox,
                self._places.from_root(self._open_list.socket(opened.sandbox)),
                config / f"{opened.key}.json",
                self._open_list.log(opened),
            )
            for opened in each
        ]
        _write_if_new(
            config / "bootstrap.json", configuration.bootstrap(self._places.from_root(self._places.admin), config)
        )
        upstreams = distinct_upstreams(each)
        meter = self._places.from_root(self._places.meter / METER_SOCKET)
        places = ClusterPlaces(self._places.secrets, self._bundle(upstreams), meter)
        _write_if_new(config / "clusters.json", clusters(self._resolvers, upstreams, places))
        _write_if_new(config / "listeners.json", configuration.listeners(listeners))
        self._keys.forget_all_but({upstream.name for upstream in upstreams})
        return changed

    def _bundle(self, upstreams: Sequence[Upstream]) -> Path:
        if not any(upstream.tls for upstream in upstreams):
            return self._places.config / "none"
        return staged_bundle(self._places, self._authorities or system_bundle())


def _write_if_new(path: Path, content: configuration.Json | str) -> bool:
    text = content if isinstance(content, str) else json.dumps(content, sort_keys=True)
    if path.exists() and path.read_text() == text:
        return False
    write_aside(path, text)
    return True
