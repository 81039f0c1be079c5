"""HTTP connections on a port that anybody may reach: how many there are, and how long one may wait to ask something.

Each holds a descriptor of the process, of which there is an end, and then no file can be opened any more.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 256


class BoundedProtocol(H11Protocol):
    """Closes a connection on which no request begins, and the oldest one where there are too many.

    Whoever opens many closes his own that way: one more of somebody else's is taken in at once.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio for each connection."""
        super().connection_made(transport)
        self._made_at = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            oldest = min((one for one in self.connections if isinstance(one, BoundedProtocol)), key=_age)
            # It is lost in asyncio's next turn, and another may be made in this one.
            self.connections.discard(oldest)
            oldest.transport.abort()
        self._look_again()

    def _look_again(self) -> None:
        self.loop.call_later(self.timeout_keep_alive, self._look, self.cycle)

    def _look(self, before: object) -> None:
        """`before`: the request that was the last one when this was looked at before."""
        if self.transport.is_closing():
            return
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self.cycle is before:
            self.transport.abort()
        else:
            self._look_again()


def _age(one: BoundedProtocol) -> float:
    return one._made_at
