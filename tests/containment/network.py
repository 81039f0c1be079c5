"""The network of the host and of other sandboxes: reached from inside, and reached into from outside."""

from tests.containment.attempt import Attempt
from tests.containment.inside import Control as Where
from tests.containment.inside import InNamespaces, Inside, Observe, OnHost, Prepare, Without
from tests.containment.network_scenes import (
    give_descriptors,
    knock,
    needs_six,
    nested,
    port,
    try_to_listen,
    vsock,
)
from tests.containment.observers import proof_was_left, reached, secret_came_out, seen_meanwhile
from tests.containment.scene import Scene

_SHARED = Without("the network namespace")


def _listen(scene: Scene) -> None:
    scene.listen()


def _of(
    name: str, success: str, script: str, observe: Observe, where: Where = _SHARED, prepare: Prepare = _listen,
    meanwhile: Prepare | None = None, may_lack: str = "",
) -> Inside:  # fmt: skip
    return Inside(
        name=name, group="network", success=success, script=script, observe=observe, where=where, prepare=prepare,
        meanwhile=meanwhile, may_lack=may_lack,
    )  # fmt: skip


_OUT = "a listener outside is reached"
_SAY = "connection.settimeout(3); tell(connection.recv(999).decode()); connection.sendall(b'out')"
_CONNECT = (
    "connection = socket.socket(socket.{family}); connection.settimeout(3); connection.connect({address}); " + _SAY
)

ATTEMPTS: tuple[Attempt, ...] = (
    _of(
        "connect to the host's loopback",
        _OUT,
        _CONNECT.format(family="AF_INET", address="('127.0.0.1', V['tcp'])"),
        reached("tcp"),
    ),
    _of(
        "connect to another address of the host's loopback",
        _OUT,
        _CONNECT.format(family="AF_INET", address="('127.0.0.77', V['elsewhere'])"),
        reached("elsewhere"),
    ),
    _of(
        "connect to the host by loopback of the next protocol",
        _OUT,
        _CONNECT.format(family="AF_INET6", address="('::1', V['tcp6'])"),
        reached("tcp6"),
        prepare=needs_six,
    ),
    _of(
        "connect to the host by an address of the old protocol in the new one",
        _OUT,
        _CONNECT.format(family="AF_INET6", address="('::ffff:127.0.0.1', V['tcp'])"),
        reached("tcp"),
        may_lack="this machine has no IPv6",
    ),
    _of(
        "connect to the host by the address that stands for any",
        _OUT,
        _CONNECT.format(family="AF_INET", address="('0.0.0.0', V['tcp'])"),
        reached("tcp"),
    ),
    _of(
        "send a datagram to the host",
        _OUT,
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'out', ('127.0.0.1', V['udp'])); time.sleep(0.2)",
        reached("udp"),
    ),
    _of(
        "connect with the first bytes along (fast open)",
        _OUT,
        "connection = socket.socket(); connection.settimeout(3)\n"
        "connection.sendto(b'out', 0x20000000, ('127.0.0.1', V['tcp'])); tell(connection.recv(999).decode())",
        reached("tcp"),
    ),
    _of(
        "reach a socket with an abstract name",
        _OUT,
        _CONNECT.format(family="AF_UNIX", address="chr(0) + V['abstract']"),
        reached("abstract"),
    ),
    _of(
        "reach a socket of the host by its path, as an engine of containers has one",
        _OUT,
        _CONNECT.format(family="AF_UNIX", address="V['unix']"),
        reached("unix"),
        OnHost(),
        nested,
    ),
    _of(
        "reach a socket of the host through a link in the workspace",
        _OUT,
        "os.symlink(V['unix'], 'engine'); " + _CONNECT.format(family="AF_UNIX", address="'engine'"),
        reached("unix"),
        OnHost(),
        nested,
    ),
    _of(
        "reach the engine of containers where it usually is",
        "an engine answers that can start anything on the host",
        "if not V['inside']:\n"
        "    subprocess.run(['mount', '-t', 'tmpfs', 'own', '/run'], check=True)\n"
        "    engine = socket.socket(socket.AF_UNIX); engine.bind('/run/docker.sock'); engine.listen()\n"
        "for name in ('docker.sock', 'podman/podman.sock', 'containerd/containerd.sock', 'crio/crio.sock'):\n"
        "    for path in ('/run/' + name, '/var/run/' + name):\n"
        "        if os.path.exists(path): socket.socket(socket.AF_UNIX).connect(path); won(path)",
        proof_was_left,
        InNamespaces("mount"),
    ),
    _of(
        "find out what interfaces and routes the host has",
        "a route or an interface beside loopback is in the sandbox",
        "names = [name for _, name in socket.if_nameindex() if name != 'lo']\n"
        "routes = read('/proc/net/route').splitlines()[1:]\n"
        "if names or routes: won('%s, %d routes' % (names, len(routes)))",
        proof_was_left,
        may_lack="this machine has no interface but loopback",
    ),
    _of(
        "let somebody in from outside",
        "whoever is on the host connects to a listener inside",
        "server = socket.create_server(('127.0.0.1', V['port'])); server.settimeout(1.5)\n"
        "try:\n    connection, _ = server.accept()\nexcept TimeoutError:\n    raise OSError('nobody came')\n"
        "connection.sendall(b'backdoor'); connection.close(); time.sleep(0.2)",
        seen_meanwhile,
        prepare=port,
        meanwhile=knock,
    ),
    _of(
        "take a port of the host away",
        "nobody outside can listen there while the sandbox runs",
        "server = socket.create_server(('127.0.0.1', V['port'])); time.sleep(0.5)",
        seen_meanwhile,
        prepare=port,
        meanwhile=try_to_listen,
    ),
    _of(
        "talk to the hypervisor by a socket that no namespace holds",
        _OUT,
        _CONNECT.format(family="AF_VSOCK", address="(1, V['vsock'])"),
        reached("vsock"),
        Without("the seccomp filter"),
        vsock,
    ),
    _of(
        "ask for the address where clouds keep credentials",
        "somebody answers at 169.254.169.254",
        "if not V['inside']:\n"
        "    ask = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    where = struct.pack('HH4s8x', socket.AF_INET, 0, socket.inet_aton('169.254.169.254'))\n"
        "    fcntl.ioctl(ask, 0x8916, struct.pack('16s16s8x', b'lo', where))\n"
        "    fcntl.ioctl(ask, 0x8914, struct.pack('16sH22x', b'lo', 1))\n"
        "    cloud = socket.create_server(('169.254.169.254', 80))\n"
        "connection = socket.create_connection(('169.254.169.254', 80), 3); won('somebody answers')",
        proof_was_left,
        InNamespaces("net"),
    ),
    _of(
        "find a name server and ask it",
        "a name server is known, and a question reaches it",
        "servers = [line.split()[1] for line in open('/etc/resolv.conf') if line.startswith('nameserver')]\n"
        "if servers: won('it knows %s' % servers)",
        proof_was_left,
        OnHost(),
        may_lack="this machine names no server",
    ),
    _of(
        "see the connections of the host",
        "a listener outside is in the sandbox's tables",
        "text = read('/proc/net/tcp')\nfor line in text.splitlines()[1:]:\n"
        "    if line.split()[1].endswith(':%04X' % V['tcp']): won('port %d is in view' % V['tcp'])",
        proof_was_left,
    ),
    _of(
        "see the sockets of the host by their paths",
        "a socket outside is in the sandbox's tables",
        "if V['abstract'] in read('/proc/net/unix') or V['unix'] in read('/proc/net/unix'): won('sockets of the host')",
        proof_was_left,
    ),
    _of(
        "use the port of the gateway without having one",
        "a proxy answers at the port where sandboxes with a way out have theirs",
        "if not V['inside']:\n    server = socket.create_server(('127.0.0.1', 3128))\n"
        "    fcntl.ioctl(server, 0x8914, struct.pack('16sH22x', b'lo', 1))\n"
        "socket.create_connection(('127.0.0.1', 3128), 2); won('somebody answers')",
        proof_was_left,
        InNamespaces("net"),
    ),
    _of(
        "send what was found to the host in the options of a packet",
        _OUT,
        "server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "server.setsockopt(0, 4, bytes([7, 7, 4, 0, 0, 0, 0, 0]))\n"
        "server.sendto(b'out', ('127.0.0.1', V['udp'])); time.sleep(0.2)",
        reached("udp"),
    ),
    _of(
        "be given a descriptor by somebody outside",
        "a file of the host is open inside",
        "connection = socket.socket(socket.AF_UNIX); connection.connect(V['giver'])\n"
        "_, (descriptor,), _, _ = socket.recv_fds(connection, 10, 1); os.lseek(descriptor, 0, 0)\n"
        "tell(os.read(descriptor, 999).decode())",
        secret_came_out,
        OnHost(),
        prepare=give_descriptors,
    ),
)
