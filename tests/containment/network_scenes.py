"""What stands outside for attacks on the network, beside the listeners of every scene."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

from tests.containment.attempt import NotApplicable
from tests.containment.scene import Listener, Scene


def port(scene: Scene) -> None:
    """A port of 127.0.0.1 that nobody uses at the moment, for the attack to wait at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        scene.values["port"] = free.getsockname()[1]


def knock(scene: Scene) -> None:
    """Connects from outside until somebody answers or the attack is over."""
    while not scene.over.wait(0.02):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", scene.values["port"]), 1) as connection,
        ):
            connection.settimeout(1)
            if connection.recv(100) == b"backdoor":
                scene.seen.append("somebody outside was let in")
                return


def nested(scene: Scene) -> None:
    """A socket where container engines have theirs, as far as the suite may make one: in a directory of its own."""
    scene.listen()
    if not Path(scene.values["unix"]).exists():
        raise NotApplicable("there is no socket")


def vsock(scene: Scene) -> None:
    """A listener that is reached by the hypervisor's sockets on this very machine."""
    if not hasattr(socket, "AF_VSOCK"):
        raise NotApplicable("this Python knows no vsock")
    try:
        listener = Listener(socket.AF_VSOCK, socket.SOCK_STREAM, (1, 0xFFFFFFFF), scene.token)
    except OSError as error:
        raise NotApplicable(f"this machine has no loopback for vsock ({error.strerror})") from error
    scene.listeners["vsock"] = listener
    scene.closing.append(listener.close)
    scene.values["vsock"] = listener.address[1]


def needs_six(scene: Scene) -> None:
    scene.listen()
    if "tcp6" not in scene.listeners:
        raise NotApplicable("this machine has no IPv6")


def try_to_listen(scene: Scene) -> None:
    deadline = time.monotonic() + 5
    while not scene.over.wait(0.02) and time.monotonic() < deadline:
        try:
            socket.create_server(("127.0.0.1", scene.values["port"])).close()
        except OSError:
            scene.seen.append("the port is taken on the host")
            return


def give_descriptors(scene: Scene) -> None:
    """A server that passes the canary's descriptor to whoever comes."""
    path = str(scene.outside / "socket")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    os.chmod(path, 0o777)
    scene.values["giver"] = path
    scene.closing.append(lambda: shut(server))

    def give() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection, scene.secret.open() as file:
                socket.send_fds(connection, [b"x"], [file.fileno()])

    threading.Thread(target=give, daemon=True).start()


def shut(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)
    server.close()
