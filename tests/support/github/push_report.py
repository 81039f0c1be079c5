"""Git's report on a push, with GitHub's reasons where git would give its own."""

from collections.abc import Iterator, Mapping

_REPORT = 1
"""The side band that carries the report."""
_HOOK = b" hook declined\n"


def reworded(answer: bytes, reasons: Mapping[str, str]) -> bytes:
    """Replace "hook declined" by a ref's own reason in an answer of `git receive-pack`, with side bands or without."""
    packets = list(_packets(answer))
    if not any(packet[:1] == bytes([_REPORT]) for packet in packets):
        return b"".join(_packet(_reason(packet, reasons)) for packet in packets)
    report = b"".join(packet[1:] for packet in packets if packet[:1] == bytes([_REPORT]))
    inner = b"".join(_packet(_reason(packet, reasons)) for packet in _packets(report))
    others = [packet for packet in packets if packet and packet[:1] != bytes([_REPORT])]
    return b"".join((*map(_packet, others), _packet(bytes([_REPORT]) + inner), _packet(b"")))


def _reason(packet: bytes, reasons: Mapping[str, str]) -> bytes:
    if not (packet.startswith(b"ng ") and packet.endswith(_HOOK)):
        return packet
    ref = packet[3 : -len(_HOOK)].decode()
    return f"ng {ref} {reasons[ref]}\n".encode() if ref in reasons else packet


def _packets(stream: bytes) -> Iterator[bytes]:
    """The pkt-lines of a stream; a flush is an empty one."""
    at = 0
    while at + 4 <= len(stream):
        size = int(stream[at : at + 4], 16)
        yield stream[at + 4 : at + size]
        at += max(size, 4)


def _packet(content: bytes) -> bytes:
    return b"%04x%b" % (len(content) + 4, content) if content else b"0000"
