"""From Envoy's access log to records. Everything in it may have been chosen by the sandbox."""

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from activities.egress.contract import EgressRecord
from activities.egress.metering.body import REFUSED_DETAILS
from activities.egress.metering.ledger import Entry
from activities.egress.metering.tunnels import OTHER_NAME_DETAILS
from activities.egress.packages import PACKAGES_RULE
from activities.egress.rate import OVER_RATE_DETAILS
from activities.egress.replies import ASKED_RULE, BOUND_DETAILS, DENIED_DETAILS, UNDECLARED_RULE, UNLOCKED_RULE
from activities.egress.routes import PROBE_RULE, REFUSED_RULE

UNREADABLE_RULE = "unreadable"
"""A line that was not written as expected; shown rather than dropped, since it may hide a request."""
TRUNCATED_RULE = "truncated"
"""Stands, as the last record, for all that were more than is kept."""
HELD_RULE = "held"
"""A request for which a sandbox's allowance had no room until its client gave up or the sandbox closed."""
OVER_RATE_RULE = "over the rate"
"""Stands for about a hundred requests that were refused because there were too many at once."""
OVER_BOUND_RULE = "over its bound"
"""A request that was refused because too many of the same sandbox were under way or waited."""
UNCOUNTED_RULE = "can't be counted"
"""A request that was refused because what it asks for would not be counted."""
OTHER_NAME_RULE = "another name in TLS"
"""A tunnel that was allowed, and cut when it turned out to be meant for another name, or to be no TLS at all."""
MOST_RECORDS = 100_000
MOST_LOG_BYTES = 128 * 1024 * 1024
_LOOK_BYTES = 1024 * 1024
_LONGEST_LINE = 16 * 1024
_LONGEST_FIELD = 1024


def read_log(path: Path) -> Iterator[bytes]:
    """Lines of a log in a directory that Envoy can write: never follows a link, never waits on what is not a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return
        left = MOST_LOG_BYTES
        while left > 0 and (line := file.readline(_LONGEST_LINE)):
            left -= len(line)
            yield line


def new_lines(path: Path, start: int) -> tuple[list[bytes], int]:
    """The whole lines of a log that come after an offset, and the offset after them; about a megabyte at most."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return [], start
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return [], start
        data = os.pread(descriptor, _LOOK_BYTES, start)
    finally:
        os.close(descriptor)
    whole = data.rfind(b"\n") + 1 or (len(data) if len(data) == _LOOK_BYTES else 0)
    return data[:whole].splitlines(), start + whole


def wanted_hosts(lines: Iterable[bytes], sandbox: str) -> tuple[str, ...]:
    """The hosts that were refused in a way that people may be asked about, each once and with its port, in order."""
    records = (record for record in parse_log(lines, sandbox) if record.rule == ASKED_RULE)
    return tuple(dict.fromkeys(record.host for record in records if record.host))


def outcomes(lines: Iterable[bytes], sandbox: str) -> tuple[int, int]:
    """How many requests to brokered services were answered well, and how many were not, though they were let through.

    One that its client gave up counts as failed. One that was held at a cap is neither.
    """
    well = badly = 0
    for record in parse_log(lines, sandbox):
        if record.request and record.allowed:
            answered = 200 <= record.status < 400
            well, badly = well + answered, badly + (not answered)
    return well, badly


def empty_log(path: Path) -> None:
    """Empty a log in Envoy's own directory without following a link there. Envoy appends, so it starts over."""
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))


def parse_log(lines: Iterable[bytes], sandbox: str) -> tuple[EgressRecord, ...]:
    """Records of one sandbox in the order in which the requests began. Never raises on what a line holds.

    A tunnel has two lines, one when it opened and one when it closed; the later one counts.
    """
    found: dict[tuple[object, ...], EgressRecord] = {}
    for number, line in enumerate(lines):
        try:
            entry = json.loads(line)
            if entry["sandbox"] != sandbox or entry["rule"] == PROBE_RULE:
                continue
            key: tuple[object, ...] = (str(entry["connection"]), str(entry["began"]))
            record = _record(entry, sandbox)
        except (ValueError, KeyError, TypeError, RecursionError):
            if not line.strip():
                continue
            key = (number,)
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            text = line.decode(errors="backslashreplace")
            record = EgressRecord(time=now, sandbox=sandbox, rule=UNREADABLE_RULE, path=_text(text))
        if key not in found and len(found) >= MOST_RECORDS:
            last = EgressRecord(time=record.time, sandbox=sandbox, rule=TRUNCATED_RULE)
            return (*found.values(), last)
        found[key] = record
    return tuple(found.values())


def with_usage(
    seen: Sequence[EgressRecord], entries: Sequence[Entry], sandbox: str, known: Sequence[EgressRecord] = ()
) -> tuple[EgressRecord, ...]:
    """Records with what their requests used. `known`: records from before, whose usage is not told again.

    A request that was let through and has no record, because Envoy died under it, gets one from the meter's books.
    """
    left = {entry.id: entry for entry in entries}
    for record in known:
        left.pop(record.request, None)
    together = []
    for record in seen:
        entry = left.pop(record.request, None)
        used = {} if entry is None else {"model": entry.model, "metered": entry.metered}
        together.append(record.model_copy(update=used))
    lost = [
        EgressRecord(
            time=entry.began,
            sandbox=sandbox,
            method=entry.method,
            host=f"{entry.host}:80",
            path=entry.path,
            allowed=True,
            rule=entry.rule,
            status=entry.status,
            bytes_received=entry.metered.bytes,
            duration_ms=entry.duration_ms,
            model=entry.model,
            metered=entry.metered,
            request=entry.id,
        )
        for entry in left.values()
    ]
    return tuple(sorted(together + lost, key=lambda record: record.time)) if lost else tuple(together)


def _record(entry: dict[str, Any], sandbox: str) -> EgressRecord:
    rule, details, host = _text(entry["rule"]), _text(entry["details"]), _text(entry["host"])
    path, request, status = _text(entry["path"]), _text(entry.get("request")), _count(entry["status"])
    if inside := _text(entry.get("inside")):
        # Once it is sent on, it has the upstream's name and path.
        host, path = inside, _text(entry.get("declared")) + "".join(path.partition("?")[1:])
        if not request and not status and not rule.startswith(PACKAGES_RULE):
            rule = HELD_RULE
    if details.startswith(OTHER_NAME_DETAILS):
        allowed, shown = False, OTHER_NAME_RULE
    elif details == BOUND_DETAILS:
        allowed, shown = False, OVER_BOUND_RULE
    elif REFUSED_DETAILS in details:
        allowed, shown = False, UNCOUNTED_RULE
    elif details == OVER_RATE_DETAILS:
        allowed, shown = False, OVER_RATE_RULE
    elif rule and rule not in (REFUSED_RULE, ASKED_RULE, UNDECLARED_RULE, UNLOCKED_RULE):
        denied = details.startswith(DENIED_DETAILS)
        allowed, shown = not denied, "private address" if denied else rule
    else:
        # No route at all: Envoy refused the request as malformed before it looked for one.
        allowed, shown = False, rule or "malformed"
    method = _text(entry["method"])
    if host and ":" not in host and method != "CONNECT":
        host += ":80"
    return EgressRecord(
        time=_text(entry["time"]),
        sandbox=sandbox,
        method=method,
        host=host,
        path=path[:_LONGEST_FIELD],
        allowed=allowed,
        rule=shown,
        status=status,
        bytes_sent=_count(entry["from_sandbox"]),
        bytes_received=_count(entry["to_sandbox"]),
        duration_ms=_count(entry["duration_ms"]),
        request=request,
    )


def _text(value: object) -> str:
    """Printable, on one line, and not longer than a record should be."""
    if not isinstance(value, str):
        return ""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value[:_LONGEST_FIELD])


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
