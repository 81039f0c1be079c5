"""The name that a TLS client asks for, from the first bytes of its connection. OpenSSL reads them, in this process."""

import ssl

_MOST_BYTES = 64 * 1024
"""A client's first message is a few hundred bytes, some kilobytes with keys for after quantum computers."""


class NoHello(ValueError):
    """These bytes are not how a TLS connection begins; the message says how not."""


class ClientHello:
    """Fed with a connection's first bytes until they hold the whole first message."""

    def __init__(self) -> None:
        self.name: str | None = None
        """As asked for, in lower case; empty if the client asked for none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Nothing is ever served: whatever a client can speak, its first message is to be read.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.sni_callback = self._asked
        self._bytes = ssl.MemoryBIO()
        self._reader = context.wrap_bio(self._bytes, ssl.MemoryBIO(), server_side=True)
        self._size = 0

    def feed(self, piece: bytes) -> bool:
        """Read on; True once the name is known. Raises NoHello."""
        self._size += len(piece)
        if self._size > _MOST_BYTES:
            raise NoHello("it does not begin with a first message of TLS that is of a size seen in practice")
        self._bytes.write(piece)
        try:
            self._reader.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            # Also how reading ends once the name is known.
            if self.name is None:
                raise NoHello("it is not TLS, which states the name it is meant for") from error
        return self.name is not None

    def _asked(self, _: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int:
        self.name = (name or "").lower().removesuffix(".")
        return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
