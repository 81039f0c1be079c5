"""Reads an answer as it streams by, in pieces of any size, and keeps of it no more than it needs.

The answer itself is passed on by Envoy; this is a copy. It may be anything: an event of fifty megabytes, broken UTF-8,
a compressed bomb. What can't be read is counted in bytes, from which usage is then estimated.
"""

import json
import zlib

from activities.egress.contract import UsageDialect
from activities.egress.metering.usage import Usage, read_message

MOST_EVENT_BYTES = 8 * 1024 * 1024
"""The longest line of a stream, or whole answer, that is read: the last event of a Responses stream holds it all."""
_MOST_INFLATED = 64 * 1024
"""Inflated at once; the rest waits in zlib's own hands."""
_MOST_RATIO = 200


class AnswerReader:
    """One answer with status, headers and body."""

    def __init__(self, dialect: UsageDialect | None) -> None:
        self.usage = Usage()
        self.status = 0
        self.received = 0
        """Bytes of the body as they came."""
        self._dialect = dialect
        self._events: bool | None = None
        """Whether the body is a stream of events; None until it has begun."""
        self._inflate: zlib._Decompress | None = None
        self._opaque = False
        """Compressed in a way that is not read here, or not as it said."""
        self._inflated = 0
        self._line = bytearray()
        self._skipping = False
        self._data = bytearray()

    def begin(self, status: int, content_type: str, encoding: str) -> None:
        """Note the head of the answer."""
        self.status = status
        self._events = True if "event-stream" in content_type.lower() else None
        encoding = encoding.strip().lower()
        if encoding in ("gzip", "x-gzip", "deflate"):
            # 32 finds out by itself whether it is gzip or zlib.
            self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        elif encoding not in ("", "identity"):
            self._opaque = True

    def feed(self, piece: bytes) -> None:
        """Read the next piece of the body. Never raises on what it holds."""
        self.received += len(piece)
        if self._dialect is None:
            return
        if self._opaque:
            self.usage.text_bytes += len(piece)
        elif self._inflate is None:
            self._read(piece)
        else:
            self._unpack(piece)

    def finish(self) -> None:
        """The body has ended, whole or cut: read what is left."""
        if self._events:
            self._end_of_line()
            self._end_of_event()
        elif self._line:
            whole = bytes(self._line)
            self._line.clear()
            self._parse(whole)
            # Counts only if the answer said nothing of its usage; its words are then somewhere in it.
            self.usage.text_bytes += len(whole)

    def unread_bytes(self) -> int:
        """Bytes held that may yet be read."""
        return len(self._line) + len(self._data)

    def _unpack(self, piece: bytes) -> None:
        inflate = self._inflate
        assert inflate is not None
        try:
            more = True
            while more and not self._opaque:
                unpacked = inflate.decompress(piece, _MOST_INFLATED)
                self._inflated += len(unpacked)
                self._read(unpacked)
                piece = inflate.unconsumed_tail
                # Output that found no room comes with the next call, even if no input is left.
                more = len(unpacked) == _MOST_INFLATED
                self._opaque = inflate.eof or self._inflated > MOST_EVENT_BYTES + _MOST_RATIO * self.received
        except zlib.error:
            self._opaque = True
            self.usage.text_bytes += len(piece)

    def _read(self, piece: bytes) -> None:
        if self._events is None and piece.strip():
            # Not every server names its content type; JSON begins with a brace and events never do.
            self._events = piece.lstrip()[:1] not in (b"{", b"[")
        if not self._events:
            self._keep(piece)
            return
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            self._keep(piece[start:end])
            self._end_of_line()
            start = end + 1
        self._keep(piece[start:])

    def _keep(self, part: bytes) -> None:
        if self._skipping or len(self._line) + len(self._data) + len(part) > MOST_EVENT_BYTES:
            self.usage.text_bytes += len(part) + len(self._line) + len(self._data)
            self._line.clear()
            self._data.clear()
            self._skipping = True
        else:
            self._line += part

    def _end_of_line(self) -> None:
        line = bytes(self._line.removesuffix(b"\r"))
        self._line.clear()
        if self._skipping:
            # Only the line that was too long; the next one may be read again.
            self._skipping = False
        elif not line:
            self._end_of_event()
        elif line.startswith(b"data:"):
            self._data += b"\n" + line[5:] if self._data else line[5:]
        elif not line.startswith((b"event:", b"id:", b"retry:", b":")):
            self.usage.text_bytes += len(line)

    def _end_of_event(self) -> None:
        data = bytes(self._data).strip()
        self._data.clear()
        if data and data != b"[DONE]" and not self._parse(data):
            self.usage.text_bytes += len(data)

    def _parse(self, text: bytes) -> bool:
        assert self._dialect is not None
        try:
            read_message(self._dialect, json.loads(text), self.usage)
        except (ValueError, RecursionError):
            return False
        return True
