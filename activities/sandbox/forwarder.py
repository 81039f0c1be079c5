"""Inside a sandbox: carries each connection on 127.0.0.1 to the egress gateway's unix socket, byte for byte.

Part of what runs inside, so standard library only. One thread and epoll, since threads would count against the
sandbox's own limit of processes. The gateway may be restarted at any time, which makes a new socket under the same
name; so every connection connects anew and waits a while for a gateway that is on its way back.
"""

import contextlib
import errno
import select
import socket
import time

RETRY_SECONDS = 10.0
RETRY_INTERVAL = 0.05
CHUNK = 65536
UNREACHABLE = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"journeyman: the egress gateway of this sandbox does not answer.\n"
)
COMING_BACK = (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN)


class End:
    """One end of a connection: what has been read from it, on its way to the other end."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.peer: End | None = None
        self.waiting = b""
        """Read here, not yet written to the peer."""
        self.finished = False
        """Nothing more will be read here."""
        self.shut = False
        """The peer has been told so."""
        self.interest = 0
        """What the loop waits for here; nothing at all if 0."""


class Forwarder:
    """The event loop over one listener and all its connections."""

    def __init__(self, listener: socket.socket, gateway: str) -> None:
        self._listener, self._gateway = listener, gateway
        listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(listener.fileno(), select.EPOLLIN)
        self._ends: dict[int, End] = {}
        self._pending: list[tuple[float, socket.socket]] = []
        """Accepted, waiting for the gateway: the moment to give up, and the connection."""
        self._refused: dict[int, socket.socket] = {}
        """Answered without a gateway; what they still send is thrown away."""

    def turn(self) -> None:
        """Wait for something to happen and handle it."""
        for descriptor, _ in self._poll.poll(RETRY_INTERVAL if self._pending else -1):
            if descriptor == self._listener.fileno():
                self._accept()
            elif descriptor in self._ends:
                self._move(self._ends[descriptor])
            elif descriptor in self._refused:
                self._discard(self._refused[descriptor])
        pending, self._pending = self._pending, []
        for deadline, client in pending:
            self._connect(client, deadline)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connect(client, time.monotonic() + RETRY_SECONDS)

    def _connect(self, client: socket.socket, deadline: float) -> None:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.setblocking(False)
        try:
            server.connect(self._gateway)
        except OSError as error:
            server.close()
            if error.errno in COMING_BACK and time.monotonic() < deadline:
                self._pending.append((deadline, client))
                return
            self._refuse(client)
            return
        client.setblocking(False)
        near, far = End(client), End(server)
        near.peer, far.peer = far, near
        for end in (near, far):
            self._ends[end.connection.fileno()] = end
            self._wait_for(end, select.EPOLLIN)

    def _refuse(self, client: socket.socket) -> None:
        """Answer, and close only after the client has: closed with a request unread, it would never see the answer."""
        try:
            client.sendall(UNREACHABLE)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            client.close()
            return
        client.setblocking(False)
        self._refused[client.fileno()] = client
        self._poll.register(client.fileno(), select.EPOLLIN)

    def _discard(self, client: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                if client.recv(CHUNK):
                    return
            except ConnectionError:
                pass
            del self._refused[client.fileno()]
            client.close()

    def _wait_for(self, end: End, interest: int) -> None:
        # Taken out when there is nothing to do: even unasked, epoll reports a closed connection again and again.
        descriptor = end.connection.fileno()
        if interest and end.interest:
            self._poll.modify(descriptor, interest)
        elif interest:
            self._poll.register(descriptor, interest)
        elif end.interest:
            self._poll.unregister(descriptor)
        end.interest = interest

    def _move(self, end: End) -> None:
        """Move what can be moved in both directions, then say what to wait for next."""
        peer = end.peer
        assert peer is not None  # Both are set before either is registered.
        try:
            for source, target in ((end, peer), (peer, end)):
                self._pump(source, target)
        except OSError:
            self._close(end, peer)
            return
        if end.shut and peer.shut:
            self._close(end, peer)
            return
        for one, other in ((end, peer), (peer, end)):
            interest = select.EPOLLOUT if other.waiting else 0
            if not one.finished and not one.waiting:
                interest |= select.EPOLLIN
            self._wait_for(one, interest)

    @staticmethod
    def _pump(source: End, target: End) -> None:
        if not source.finished and not source.waiting:
            try:
                source.waiting = source.connection.recv(CHUNK)
                source.finished = not source.waiting
            except BlockingIOError:
                pass
        if source.waiting:
            try:
                sent = target.connection.send(source.waiting)
                source.waiting = source.waiting[sent:]
            except BlockingIOError:
                pass
        if source.finished and not source.waiting and not source.shut:
            target.connection.shutdown(socket.SHUT_WR)
            source.shut = True

    def _close(self, *ends: End) -> None:
        for end in ends:
            self._ends.pop(end.connection.fileno(), None)
            end.connection.close()


def serve(listener: socket.socket, gateway: str) -> None:
    """Forward until killed."""
    loop = Forwarder(listener, gateway)
    while True:
        loop.turn()
