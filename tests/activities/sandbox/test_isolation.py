"""What a program inside can see, reach and call."""

import errno
import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyseccomp
import pytest

from activities.sandbox.contract import Mount
from tests.activities.sandbox.cell import TOKEN, Cell
from workflows.models.run import RunEnd

SYSTEM = {"bin", "lib", "lib32", "lib64", "libx32", "sbin"}
OF_AN_IMAGE = {".dockerenv", "boot", "media", "mnt", "srv", "sys", "var"}
"""Empty, or the image's own: a container's root is all of it."""
OURS = {"dev", "etc", "home", "opt", "proc", "tmp", "usr", "work", "run"}
NO_PERMISSION, NO_CALL = errno.EPERM, errno.ENOSYS


async def test_no_file_of_the_host_can_be_read(cell: Cell, home: Path) -> None:
    canary = home / "canary"
    canary.write_text("host secret")
    canary.chmod(0o644)
    code = f"""
import json, os
def attempt(path):
    try:
        return os.listdir(path) if os.path.isdir(path) else open(path).read()
    except OSError as error:
        return None
paths = {[str(canary), str(cell.runs), "/etc/shadow", "/run/docker.sock", "/run/podman", "/proc/1/root/var"]}
hidden = ["/sys", "/boot", "/var/lib/containers", "/var/lib/docker"]
print(json.dumps([attempt("/"), attempt("/home"), attempt("/root"), [attempt(path) for path in paths],
                  [attempt(path) or None for path in hidden]]))
"""
    root, homes, of_root, found, hidden = await cell.ask(code)
    assert hidden == [None] * len(hidden)
    interpreter = Path(sys.base_prefix).parts
    assert set(root) <= SYSTEM | OURS | {interpreter[1]} | (OF_AN_IMAGE if cell.engine else set())
    # An interpreter under a home is mounted where it was built for, and nothing beside it.
    assert set(homes) <= {"agent", *interpreter[2:3]}
    assert set(of_root or []) <= set(interpreter[2:3])
    assert found == [None] * len(found)


async def test_no_file_of_the_system_can_be_written(cell: Cell) -> None:
    code = """
import json, os
def writable(path):
    try:
        if os.path.isdir(path):
            open(path + "/planted", "w").close()
        else:
            os.close(os.open(path, os.O_WRONLY))
        return True
    except OSError:
        return False
paths = ["/", "/usr", "/usr/bin/env", "/etc", "/etc/passwd", "/opt", "/opt/journeyman/python/bin", "/dev", "/run",
         "/opt/journeyman/inside/inside.py", "/home", "/var", "/run/lock", "/sys", "/root", "/run/supervisor",
         "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
         "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward"]
for directory, _, files in os.walk("/proc/sys"):
    paths += [os.path.join(directory, name) for name in files]
print(json.dumps([[path for path in paths if writable(path)], [writable(path) for path in
    ("/work", "/tmp", "/home/agent", "/dev/shm", "/dev/null")]]))
"""
    planted, meant = await cell.ask(code)
    assert planted == []
    assert all(meant)


async def test_a_read_only_mount_cannot_be_written(cell: Cell) -> None:
    given = cell.workspace.with_name(f"{cell.token}-given")
    given.mkdir()
    (given / "prompt").write_text("do it")
    cell.own(given)
    code = """
import json
try:
    open("/run/task/prompt", "w")
except OSError as error:
    print(json.dumps([open("/run/task/prompt").read(), error.strerror]))
"""
    assert await cell.ask(code, mounts=[Mount(source=given, target="/run/task")]) == [
        "do it",
        "Read-only file system",
    ]


async def test_no_variable_of_the_host_is_inside(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", "s3cret-of-the-host")
    code = """
import glob, json, os
def read(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""
everything = b"".join(map(read, glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline")))
print(json.dumps([sorted(os.environ), b"tsoh-eht-fo-terc3s"[::-1] in everything, b"python3" in everything]))
"""
    names, leaked, looked = await cell.ask(code)
    assert set(names) <= {"PATH", "HOME", "TMPDIR", "USER", "LANG", "PWD", "LC_CTYPE", "PYTHONDONTWRITEBYTECODE", TOKEN}
    assert not leaked
    assert looked


async def test_no_name_server_of_the_host_is_known_inside(cell: Cell) -> None:
    code = """
import json
print(json.dumps([open("/etc/resolv.conf").read(), open("/etc/hosts").read()]))
"""
    servers, hosts = await cell.ask(code)
    assert servers == ""
    assert hosts.split() == ["127.0.0.1", "localhost", "::1", "localhost"]


async def test_no_descriptor_of_the_host_is_inside(cell: Cell, home: Path) -> None:
    code = """
import glob, json, os
def target(link):
    try:
        return os.readlink(link).split(":")[0]
    except OSError:
        return None
print(json.dumps([sorted({target(link) for link in glob.glob("/proc/%s/fd/*" % who)} - {None}) for who in
                  ("self", "[0-9]*")]))
"""
    directory = os.open(home, os.O_RDONLY)
    os.set_inheritable(directory, True)
    try:
        own, everyones = await cell.ask(code)
    finally:
        os.close(directory)
    # In a container, output leads through a pipe whose name is gone.
    output = "/run/supervisor/output (deleted)"
    assert set(own) <= {"/dev/null", "pipe", output, "/proc/" + own[0].split("/")[-1]} | {p for p in own if "/fd" in p}
    assert not any(str(home) in path or path == "/" for path in everyones)


async def test_an_exit_status_cannot_be_forged_through_the_sandboxs_own_pipes(cell: Cell) -> None:
    code = """
import glob, os, sys
for link in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        if os.readlink(link) == os.readlink("/proc/self/fd/1"):
            continue
        handle = os.open(link, os.O_WRONLY | os.O_NONBLOCK)
        os.write(handle, b'{"exit-code": 0}\\n')
    except OSError:
        pass
sys.exit(7)
"""
    status, _ = await cell.python(code)
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 7)


def _listener(address: object, family: socket.AddressFamily = socket.AF_INET) -> tuple[socket.socket, list[object]]:
    """A listening socket and everybody who came."""
    server = socket.socket(family)
    server.bind(address)  # type: ignore[arg-type]  # either kind of address
    server.listen()
    came: list[object] = []

    def serve() -> None:
        while True:
            try:
                came.append(server.accept())
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return server, came


async def test_nothing_on_the_hosts_network_can_be_reached(cell: Cell) -> None:
    loopback, reached = _listener(("127.0.0.1", 0))
    everywhere, reached_elsewhere = _listener(("", 0))
    abstract, reached_abstract = _listener(f"\0{cell.token}", socket.AF_UNIX)
    port, other = loopback.getsockname()[1], everywhere.getsockname()[1]
    own_address = socket.gethostbyname(socket.gethostname())
    code = f"""
import json, socket
def reach(family, address, kind=socket.SOCK_STREAM):
    try:
        connection = socket.socket(family, kind)
        connection.settimeout(2)
        connection.connect(address)
        return "connected"
    except OSError as error:
        return None
def resolve(name):
    try:
        return socket.gethostbyname(name)
    except OSError:
        return None
print(json.dumps([
    [name for _, name in socket.if_nameindex()],
    reach(socket.AF_INET, ("127.0.0.1", {port})),
    reach(socket.AF_INET, ({own_address!r}, {other})) if not {own_address!r}.startswith("127.") else None,
    reach(socket.AF_UNIX, "\\0{cell.token}"),
    reach(socket.AF_INET, ("169.254.169.254", 80)),
    reach(socket.AF_INET, ("1.1.1.1", 53), socket.SOCK_DGRAM),
    reach(socket.AF_INET6, ("2606:4700:4700::1111", 53), socket.SOCK_DGRAM),
    reach(socket.AF_INET, ("127.0.0.1", 3128)),
    resolve("pypi.org"),
]))
"""
    try:
        interfaces, *rest = await cell.ask(code)
    finally:
        for server in (loopback, everywhere, abstract):
            server.close()
    assert interfaces == ["lo"]
    assert rest == [None] * 8
    assert [*reached, *reached_elsewhere, *reached_abstract] == []


async def test_a_setuid_program_in_the_workspace_gives_no_rights(cell: Cell) -> None:
    planted = cell.workspace / "planted"
    shutil.copy("/usr/bin/id", planted)
    planted.chmod(0o6755)  # As root this belongs to root.
    code = """
import json, os, subprocess
subprocess.run(["cp", "/usr/bin/id", "/work/own"], check=True)
os.chmod("/work/own", 0o6755)
ids = [subprocess.run([path, "-u"], capture_output=True, text=True).stdout.strip()
       for path in ("/work/planted", "/work/own")]
flags = [line.split()[5] for line in open("/proc/self/mountinfo")]
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps([ids, [flag for flag in flags if "nosuid" not in flag], status["NoNewPrivs"], status["Seccomp"],
                  [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]]))
"""
    ids, suid_mounts, no_new_privileges, seccomp, capabilities = await cell.ask(code)
    assert ids == [str(cell.inside_uid)] * 2
    # An engine mounts what it is told as it is; there only the process itself is kept from gaining anything.
    assert suid_mounts == [] or cell.engine
    assert (no_new_privileges, seccomp) == ("1", "2")
    assert {int(value, 16) for value in capabilities} == {0}


HIGH = 1 << 32
REFUSED: list[tuple[str, tuple[int, ...]]] = [
    # Bad pointers make the unfiltered call fail with EFAULT, so EPERM can only be the filter's.
    ("mount", (1, 1, 1, 0, 1)),
    ("umount2", (1, 0)),
    ("pivot_root", (1, 1)),
    ("chroot", (1,)),
    ("unshare", (0x10000000,)),
    ("unshare", (0x10000000 | HIGH,)),
    ("setns", (-1, 0)),
    ("clone", (0x10000000 | 17, 0, 0, 0, 0)),
    ("clone", (0x10000000 | 17 | HIGH, 0, 0, 0, 0)),
    ("clone", (0x00000080 | 17, 0, 0, 0, 0)),
    ("ptrace", (0, 0, 0, 0)),
    ("process_vm_readv", (1, 0, 0, 0, 0, 0)),
    ("process_vm_writev", (1, 0, 0, 0, 0, 0)),
    ("keyctl", (0, -3 & 0xFFFFFFFF, 0)),
    ("keyctl", (0 | HIGH, -3 & 0xFFFFFFFF, 0)),
    ("add_key", (1, 1, 0, 0, 0)),
    ("bpf", (0, 1, 0)),
    ("perf_event_open", (1, 0, 0, 0, 0)),
    ("userfaultfd", (1,)),
    ("io_uring_setup", (1, 1)),
    ("open_by_handle_at", (-1, 1, 0)),
    ("name_to_handle_at", (-1, 1, 1, 1, 0)),
    ("fsopen", (1, 0)),
    ("ioctl", (-1, 0x5412, 1)),
    ("ioctl", (-1, 0x5412 | HIGH, 1)),
    ("ioctl", (-1, 0x541C, 1)),
    *[
        ("socket", (family | high, kind, 0))
        # vsock, alg, packet, can, bluetooth, xdp, tipc, rds, qipcrtr
        for family, kind in ((40, 1), (38, 5), (17, 3), (29, 3), (31, 3), (44, 3), (30, 1), (21, 5), (42, 2))
        for high in (0, HIGH, HIGH << 31)
    ],
    ("socketpair", (30, 1, 0, 1)),
]


async def test_kernel_surface_that_a_program_does_not_need_is_refused_whatever_the_high_bits(cell: Cell) -> None:
    calls = [(pyseccomp.resolve_syscall(pyseccomp.system_arch(), name), *given) for name, given in REFUSED]
    clone3 = pyseccomp.resolve_syscall(pyseccomp.system_arch(), "clone3")
    code = f"""
import ctypes, json, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
parent = os.getpid()
def attempt(number, *given):
    ctypes.set_errno(0)
    result = call(ctypes.c_long(number), *[ctypes.c_ulong(value & (1 << 64) - 1) for value in given])
    if os.getpid() != parent:
        os._exit(0)
    return ctypes.get_errno() if result == -1 else "done"
print(json.dumps([[attempt(*each) for each in json.loads({json.dumps(calls)!r})], attempt({clone3}, 1, 88)]))
"""
    answers, clone = await cell.ask(code)
    refused = [(name, given, answer) for (name, given), answer in zip(REFUSED, answers, strict=True)]
    assert [each for each in refused if each[2] != NO_PERMISSION] == []
    assert clone == NO_CALL


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the other system call tables are those of x86-64")
@pytest.mark.parametrize(
    "attempt",
    [
        "ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 | 272), ctypes.c_ulong(0x10000000))",  # x32 unshare
        # mov eax, 20 (getpid); int 0x80; ret
        "page.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]));"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()",
    ],
    ids=["x32", "i386"],
)
async def test_the_filter_cannot_be_passed_by_another_system_call_table(cell: Cell, attempt: str) -> None:
    code = f"import ctypes, mmap; page = mmap.mmap(-1, 4096, prot=7); {attempt}"
    status, _ = await cell.python(code)
    assert (status.end, status.exit_code) == (RunEnd.EXITED, 128 + 31)  # SIGSYS


async def test_what_programs_commonly_do_is_allowed(cell: Cell) -> None:
    code = """
import json, os, socket, subprocess, tempfile, threading
left, right = socket.socketpair()
left.send(b"x"); right.recv(1)
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
    socket.socket(family, socket.SOCK_DGRAM if family != socket.AF_NETLINK else socket.SOCK_RAW).close()
server = socket.create_server(("127.0.0.1", 0)); socket.create_connection(server.getsockname())
thread = threading.Thread(target=os.getpid); thread.start(); thread.join()
subprocess.run(["git", "--version"], check=True, stdout=subprocess.DEVNULL) if os.path.exists("/usr/bin/git") else None
subprocess.run("id | cat >/dev/null", shell=True, check=True)
tempfile.TemporaryFile().write(b"x")
print(json.dumps([os.getuid(), os.path.expanduser("~"), os.getcwd(), socket.gethostname()]))
"""
    assert await cell.ask(code) == [cell.inside_uid, "/home/agent", "/work", "sandbox"]


@pytest.mark.parametrize(
    "smuggle",
    [
        lambda cell: cell.spec("cat", "/host/canary", environment={"X": "y\0--ro-bind\0/tmp\0/host"}),
        lambda cell: cell.spec("cat", mounts=[Mount(source=Path("/usr"), target="/x\0--ro-bind\0/tmp\0/host")]),
    ],
    ids=["environment", "mount"],
)
async def test_no_value_in_a_spec_becomes_another_option_of_bubblewrap(
    cell: Cell, smuggle: Callable[[Cell], object]
) -> None:
    spec = smuggle(cell)
    with pytest.raises(ValueError, match="zero byte"):
        await cell.sandboxes.start(spec)  # type: ignore[arg-type]
