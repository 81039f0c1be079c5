"""Packs of git's made by hand: what no git makes, and a hostile one could."""

import hashlib
import struct
import zlib
from collections.abc import Iterable

BLOB, TREE, DELTA = 3, 2, 7
_NAMES = {BLOB: b"blob", TREE: b"tree"}
_PIECE = bytes(1 << 20)


def identity(kind: int, content: bytes) -> bytes:
    """An object's id, as 20 bytes."""
    return hashlib.sha1(_NAMES[kind] + b" %d\0" % len(content) + content, usedforsecurity=False).digest()


def header(kind: int, size: int) -> bytes:
    """How an entry begins."""
    written, left = bytearray([kind << 4 | size & 15]), size >> 4
    while left:
        written[-1] |= 0x80
        written.append(left & 0x7F)
        left >>= 7
    return bytes(written)


def entry(kind: int, content: bytes) -> bytes:
    return header(kind, len(content)) + zlib.compress(content)


def noughts(mebibytes: int) -> bytes:
    """A file of nothing but noughts, packed to a thousandth."""
    packer = zlib.compressobj()
    packed = b"".join(packer.compress(_PIECE) for _ in range(mebibytes))
    return header(BLOB, mebibytes << 20) + packed + packer.flush()


def unfolding(times: int) -> list[bytes]:
    """A file of 15 MiB, and a delta of some bytes that makes a file of so many times its size."""
    content = bytes(15 << 20)
    delta = _length(len(content)) + _length(times * len(content))
    delta += (b"\xf0" + len(content).to_bytes(3, "little")) * times
    return [
        entry(BLOB, content),
        header(DELTA, len(delta)) + identity(BLOB, content) + zlib.compress(delta),
    ]


def _length(size: int) -> bytes:
    written = bytearray()
    while size > 0x7F:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*written, size])


def without_end(levels: int, width: int) -> tuple[list[bytes], str]:
    """A tree that has the next one so many times, and so on, and its id: width to the power of levels files."""
    below, mode, entries = identity(BLOB, b"x"), b"100644", [entry(BLOB, b"x")]
    for _ in range(levels):
        content = b"".join(mode + b" n%04d\0" % number + below for number in range(width))
        entries.append(entry(TREE, content))
        below, mode = identity(TREE, content), b"40000"
    return entries, below.hex()


def pack(entries: Iterable[bytes]) -> bytes:
    entries = list(entries)
    whole = b"PACK" + struct.pack(">II", 2, len(entries)) + b"".join(entries)
    return whole + hashlib.sha1(whole, usedforsecurity=False).digest()
