"""The egress gateway: the only way out of a sandbox, and the record of what went that way."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from activities.egress import configuration
from activities.egress.contract import SOCKET_NAME, EgressRecord, EgressRules
from activities.egress.process import ENVOY_UID, EnvoyProcess, GatewayError, Places, wait_for, write_aside
from activities.egress.records import parse_log, read_log
from activities.egress.routes import PROBE_HOST, routes
from activities.egress.rules import parse_rules
from activities.egress.unix_http import ask
from workflows.models.base import Model

_APPLY_SECONDS = 10.0
_T = TypeVar("_T")


class _Open(Model):
    """What should be open: kept on disk, so that any worker can bring it back."""

    sandbox: str
    rules: EgressRules
    uid: int | None
    slot: int
    """Names the log file. Slots are used again, since Envoy keeps a thread for every log it ever wrote."""


class EnvoyGateway:
    """Implements contract.EgressGateway with one Envoy a host and a listener per sandbox.

    Several workers may use one directory: what they share is on disk, and changed under a lock.
    """

    def __init__(self, directory: Path, *, resolvers: Sequence[str] = ()) -> None:
        """`directory` holds everything of it. `resolvers`: DNS servers as `address:port`, else the host's."""
        self._places = Places(directory.absolute())
        self._resolvers = tuple(resolvers)
        self._process = EnvoyProcess(self._places)
        self._turn = asyncio.Lock()

    async def ensure_running(self) -> None:
        """Adopt the Envoy that runs, or start one with every listener that should be open. Raises GatewayError."""
        await self._alone(self._ensure_running)

    async def stop(self) -> None:
        """End Envoy. What was open stays on record, and opens again with the next start."""
        await self._alone(self._process.stop)

    async def open(self, sandbox: str, rules: EgressRules, uid: int | None) -> Path:
        """Open a listener and return its socket's directory, once the listener answers by these rules.

        Raises RuleRefused for a rule that is no name, and GatewayError if Envoy does not take it.
        """
        return await self._alone(lambda: self._open(sandbox, rules, uid))

    async def change(self, sandbox: str, rules: EgressRules) -> None:
        """Change what a sandbox may reach from now on; streams that are open stay open.

        Raises RuleRefused, and GatewayError if the sandbox has no listener.
        """
        await self._alone(lambda: self._change(sandbox, rules))

    async def close(self, sandbox: str) -> tuple[EgressRecord, ...]:
        """Close the listener, cutting what is still open, and return every request it saw, in order."""
        return await self._alone(lambda: self._close(sandbox))

    async def forget(self, sandbox: str) -> None:
        """Remove the records of a sandbox that was closed."""
        await self._alone(lambda: self._records(sandbox).unlink(missing_ok=True))

    async def _alone(self, work: Callable[[], _T]) -> _T:
        """Run blocking work in a thread, one at a time in this process, and one at a time on this directory."""

        def locked() -> _T:
            self._places.make()
            with FileLock(self._places.kept / "lock", timeout=120):
                return work()

        async with self._turn:
            return await asyncio.to_thread(locked)

    def _ensure_running(self) -> None:
        self._write_configuration()
        if not self._process.is_live():
            self._process.start()
        for each in self._all_open():
            self._wait_for_rules(each)

    def _open(self, sandbox: str, rules: EgressRules, uid: int | None) -> Path:
        parse_rules(rules)
        known = {each.sandbox: each for each in self._all_open()}
        before = known.get(sandbox)
        taken = {each.slot for each in known.values()}
        slot = before.slot if before else next(n for n in range(len(taken) + 1) if n not in taken)
        wanted = _Open(sandbox=sandbox, rules=rules, uid=uid, slot=slot)
        directory = self._make_directory(wanted)
        write_aside(self._state(sandbox), wanted.model_dump_json())
        try:
            self._ensure_running()
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

    def _close(self, sandbox: str) -> tuple[EgressRecord, ...]:
        closing = next((each for each in self._all_open() if each.sandbox == sandbox), None)
        if closing is not None:
            self._state(sandbox).unlink()
            self._write_configuration()
            self._wait_until_logged(sandbox)
            log = self._log(closing.slot)
            seen = (*self._kept_records(sandbox), *parse_log(read_log(log), sandbox))
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

    def _write_configuration(self) -> None:
        """Bring every file that Envoy watches up to what should be open. Files that are right are left alone."""
        config = self._places.config
        each = self._all_open()
        for wanted in each:
            _write_if_new(config / f"{_key(wanted.sandbox)}.json", self._routes(wanted)[0])
        listeners = [
            configuration.listener(
                _key(wanted.sandbox),
                wanted.sandbox,
                self._places.as_envoy_names(self._directory(wanted.sandbox) / SOCKET_NAME),
                config / f"{_key(wanted.sandbox)}.json",
                self._log(wanted.slot),
            )
            for wanted in each
        ]
        _write_if_new(
            config / "bootstrap.json", configuration.bootstrap(self._places.as_envoy_names(self._places.admin), config)
        )
        _write_if_new(config / "clusters.json", configuration.clusters(self._resolvers))
        _write_if_new(config / "listeners.json", configuration.listeners(listeners))

    def _routes(self, each: _Open) -> tuple[configuration.Json, str]:
        return routes(_key(each.sandbox), parse_rules(each.rules), each.rules.allow_private)

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


def _write_if_new(path: Path, content: configuration.Json) -> None:
    text = json.dumps(content, sort_keys=True)
    if not path.exists() or path.read_text() != text:
        write_aside(path, text)


def _empty(log: Path) -> None:
    """Empty a log in Envoy's own directory without following a link there. Envoy appends, so it starts over."""
    with contextlib.suppress(OSError):
        os.close(os.open(log, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
