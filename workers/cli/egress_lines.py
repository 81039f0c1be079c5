"""How requests at a sandbox's way out look in a terminal."""

from collections.abc import Sequence

from rich.table import Table

from activities.egress.contract import EgressRecord
from workers.cli.terminal import out, plain
from workflows.models.plural import plural


def print_egress(records: Sequence[EgressRecord]) -> None:
    """A line for each request, refused ones in red, and what it comes to in all."""
    if not records:
        out().print("No request: nothing was asked for at the way out by a run that has ended.")
        return
    table = Table("time", "method", "what", "went by", "status", "sent", "received", "took", box=None, pad_edge=False)
    for record in records:
        shown = f"{record.host}{record.path}"
        rule = record.rule if record.allowed else f"refused ({record.rule})" if record.rule else "refused"
        table.add_row(
            *(plain(record.time[11:23], 12), plain(record.method, 10), plain(shown, 100), plain(rule, 60)),
            *(str(record.status or ""), str(record.bytes_sent), str(record.bytes_received)),
            f"{record.duration_ms} ms",
            style=None if record.allowed else "red",
        )
    out().print(table)
    refused = sum(not record.allowed for record in records)
    sent, received = (sum(sizes) for sizes in zip(*((r.bytes_sent, r.bytes_received) for r in records), strict=True))
    out().print(f"{plural(len(records), 'request')}, {refused} refused, {sent} bytes sent, {received} received")
