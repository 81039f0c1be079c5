"""Kernel surface: calls, families of sockets and tables of calls that no program in a sandbox needs.

Of most of them success is that the kernel's own code answers at all, whatever it says: that is what has a history of
escapes. A refusal by the filter (EPERM, ENOSYS) is none; and the control, the same sandbox without its filter, shows
that the call is made rightly and gets through. What this kernel itself refuses to a program without rights is tried
as root of namespaces of its own, or as root, with arguments that do nothing.
"""

import os

from tests.containment.attempt import Attempt
from tests.containment.calls import NUMBERS
from tests.containment.inside import AsRoot, InNamespaces, Inside, Nowhere, Without
from tests.containment.inside import Control as Where
from tests.containment.observers import proof_was_left

_FILTER = Without("the seccomp filter")
_ANSWERS = "the kernel's own code answers the call"
_HIGH = 1 << 32
"""The kernel reads 32 bits of some arguments; a filter that compares 64 can be passed by a bit above them."""
_PATH = "b'/tmp' + bytes(1)"


def _of(name: str, script: str, where: Where = _FILTER, success: str = _ANSWERS, may_lack: str = "") -> Inside:
    return Inside(
        name=name,
        group="kernel",
        success=success,
        script=script,
        observe=proof_was_left,
        where=where,
        may_lack=may_lack,
    )


def _call(words: str, name: str, arguments: str, where: Where = _FILTER, may_lack: str = "") -> Inside:
    """A call with arguments that do nothing, or fail for a reason of the kernel's."""
    comma = ", " if arguments else ""
    return _of(f"{words} ({name})", f"reached({NUMBERS[name]}{comma}{arguments})", where, may_lack=may_lack)


def _socket(words: str, family: int, kind: int, protocol: int = 0) -> Inside:
    return _of(f"open a socket {words}", f"reached({NUMBERS['socket']}, {family}, {kind}, {protocol})")


def _namespace(words: str, flag: int) -> Inside:
    """In a child, since a program that has left its namespaces can't leave its proof any more."""
    return _of(
        f"make a namespace of {words}",
        f"call({NUMBERS['unshare']}, {flag}); won('a namespace was made')",
        success="a namespace of its own, and with it more kernel surface",
    )


_USER = 0x10000000
_ROOT_OF_OWN = InNamespaces("mount")

ATTEMPTS: tuple[Attempt, ...] = (
    _namespace("users", _USER),
    _of(
        "make a namespace, with a bit that no filter of 32 bits sees (unshare)",
        f"reached({NUMBERS['unshare']}, {_USER | _HIGH})",
    ),
    _namespace("users and the network", _USER | 0x40000000),
    _namespace("users and mounts", _USER | 0x00020000),
    _namespace("users and time", _USER | 0x00000080),
    _namespace("users and control groups", _USER | 0x02000000),
    _of(
        "make a namespace while a process is made (clone)",
        f"child = call({NUMBERS['clone']}, {_USER | 17}, 0, 0, 0, 0)\n"
        "if child == 0: os._exit(0)\nos.waitpid(child, 0); won('a child in a namespace')",
        success="a namespace of its own, and with it more kernel surface",
    ),
    _of(
        "make a namespace by the call that hides its flags (clone3)",
        f"flags = array.array('Q', [{_USER}, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0]); "
        f"block = ctypes.create_string_buffer(flags.tobytes(), 88)\n"
        f"child = call({NUMBERS['clone3']}, block, 88)\n"
        "if child == 0: os._exit(0)\nos.waitpid(child, 0); won('a child in a namespace')",
        success="a namespace of its own, and with it more kernel surface",
    ),
    _call("enter a namespace", "setns", "-1, 0"),
    _call("mount", "mount", "1, 1, 1, 0, 1"),
    _call("unmount", "umount2", "1, 0", _ROOT_OF_OWN),
    _call("change the root of all mounts", "pivot_root", "1, 1", _ROOT_OF_OWN),
    _call("change the root", "chroot", "1"),
    _call("move a mount", "move_mount", "-1, 1, -1, 1, 0", _ROOT_OF_OWN),
    _call("open a tree of mounts", "open_tree", "-1, 1, 1", _ROOT_OF_OWN),
    _call("open a file system", "fsopen", "1, 0", _ROOT_OF_OWN),
    _call("change a mount", "mount_setattr", "-1, 1, 0, 1, 32", _ROOT_OF_OWN),
    _call("name a file by its handle", "name_to_handle_at", "-1, 1, 1, 1, 0"),
    _call("open a file by its handle", "open_by_handle_at", "-1, 1, 0"),
    _call("debug a process", "ptrace", "16, 999999, 0, 0"),
    _of(
        "be debugged by a child of one's own (ptrace)",
        f"child = os.fork()\nif child == 0:\n    try: call({NUMBERS['ptrace']}, 0, 0, 0, 0); os._exit(7)\n"
        "    finally: os._exit(1)\nos.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7 and won('traced')",
    ),
    _call("read another process's memory", "process_vm_readv", "999999, 0, 0, 0, 0, 0"),
    _call("write another process's memory", "process_vm_writev", "999999, 0, 0, 0, 0, 0"),
    _call("compare processes' kernel objects", "kcmp", "os.getpid(), os.getpid(), 0, 0, 1"),
    _call("take a descriptor out of a process", "pidfd_getfd", "-1, 0, 0"),
    _call("ask for a keyring", "keyctl", "0, -3, 0"),
    _call("ask for a keyring, with a bit that the kernel ignores", "keyctl", f"{_HIGH}, -3, 0"),
    _call("add a key", "add_key", "b'user' + bytes(1), b'jm' + bytes(1), b'x', 1, -2"),
    _call("ask for a key", "request_key", "b'user' + bytes(1), b'jm-none' + bytes(1), 0, 0"),
    _of(
        "make a map for programs in the kernel (bpf)",
        "attributes = ctypes.create_string_buffer(struct.pack('IIII', 2, 4, 4, 1), 72)\n"
        f"os.close(call({NUMBERS['bpf']}, 0, attributes, 72)); won('a map')",
        AsRoot(),
        may_lack="this machine lets not even root make one",
    ),
    _of(
        "count events of the processor (perf_event_open)",
        "settings = ctypes.create_string_buffer(struct.pack('IIQQQQQ', "
        "1, 112, 0, 0, 0, 0, 1 << 0 | 1 << 5 | 1 << 6), 112)\n"
        f"os.close(call({NUMBERS['perf_event_open']}, settings, 0, -1, -1, 0)); won('a counter')",
        may_lack="this kernel lets no program count events",
    ),
    _of(
        "handle page faults (userfaultfd)",
        f"os.close(call({NUMBERS['userfaultfd']}, 1)); won('page faults of its own')",
        may_lack="this kernel has no page faults for programs",
    ),
    _of(
        "make a ring of requests (io_uring)",
        f"os.close(call({NUMBERS['io_uring_setup']}, 2, ctypes.create_string_buffer(120))); won('a ring')",
        may_lack="this kernel has no rings",
    ),
    _of(
        "change the terminal's input (ioctl TIOCSTI)",
        f"reached({NUMBERS['ioctl']}, -1, 0x5412, 1)",
    ),
    _of(
        "change the terminal's input, with a bit that the kernel ignores",
        f"reached({NUMBERS['ioctl']}, -1, {0x5412 | _HIGH}, 1)",
    ),
    _of("use the console's clipboard (ioctl TIOCLINUX)", f"reached({NUMBERS['ioctl']}, -1, 0x541C, 1)"),
    _socket("to the hypervisor (vsock)", 40, 1),
    _socket("to the hypervisor, with a bit that the kernel ignores", 40 | _HIGH, 1),
    _socket("to the kernel's ciphers (alg)", 38, 5),
    _of(
        "open a socket for raw packets (packet)",
        f"os.close(call({NUMBERS['socket']}, 17, 3, 0x0300)); won('raw packets')",
        InNamespaces("net"),
    ),
    _socket("of a cluster's protocol (tipc)", 30, 1),
    _socket("of a car's bus (can)", 29, 3, 1),
    _socket("of bluetooth", 31, 3),
    _of(
        "open a socket that passes the network's code (xdp)",
        f"reached({NUMBERS['socket']}, 44, 3, 0)",
        InNamespaces("net"),
    ),
    _socket("of reliable datagrams (rds)", 21, 5),
    _socket("of a modem's bus (qipcrtr)", 42, 2),
    _socket("of a near field (nfc)", 39, 3),
    _socket("of a company's past (ipx)", 4, 2),
    _of(
        "open a pair of sockets of another family",
        f"reached({NUMBERS['socketpair']}, 30, 1, 0, ctypes.create_string_buffer(8))",
    ),
    _of(
        "open a raw socket of the internet's protocol",
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(); won('raw packets')",
        InNamespaces("net"),
        success="a socket that makes packets by itself",
    ),
    _of(
        "give an interface another address",
        "server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "where = struct.pack('HH4s8x', socket.AF_INET, 0, socket.inet_aton('169.254.169.254'))\n"
        "fcntl.ioctl(server, 0x8916, struct.pack('16s16s8x', b'lo', where))\n"
        "server.bind(('169.254.169.254', 0)); won('an address of its own')",
        InNamespaces("net"),
        success="the network of the sandbox is set up as the attack wants it",
    ),
    _call("read the kernel's log", "syslog", "10, 0, 0", may_lack="this kernel shows nobody without rights its log"),
    _call("load a kernel", "kexec_load", "0, 99, 0, 0", AsRoot(), "this kernel loads no other one"),
    _call("load a module", "finit_module", "-1, 1, 0", AsRoot(), "this kernel has no modules"),
    _call("unload a module", "delete_module", "1, 0", AsRoot(), "this kernel has no modules"),
    _call("restart the machine, with a word that does nothing", "reboot", "1, 2, 3, 0", AsRoot()),
    _call("swap to a file", "swapon", "1, 0", AsRoot()),
    _call("keep accounts of processes", "acct", "1", AsRoot(), "this kernel keeps none"),
    _call("set quotas", "quotactl", "-1, 1, 0, 0"),
    _call("set the clock, with a time that is none", "clock_settime", "999, 1", AsRoot()),
    _call("set the time of day", "settimeofday", "1, 0"),
    _call("hang up the terminal", "vhangup", "", Nowhere("a control would hang up a terminal of this machine")),
    _of(
        "call by the table for x32, past a filter for x86-64",
        f"number = 0x40000000 | {NUMBERS['getpid']}\nresult = call(number); won('a call of another table')",
        success="the filter is passed by another table of calls",
        may_lack="this kernel has no table for x32",
    ),
    _of(
        "call by the table for i386, past a filter for x86-64",
        "page = mmap.mmap(-1, 4096, prot=7)\npage.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))\n"
        "run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))\n"
        "run() > 0 and won('a call of another table')",
        success="the filter is passed by another table of calls",
        may_lack="this kernel has no table for i386",
    ),
)
if os.uname().machine != "x86_64":
    ATTEMPTS = tuple(attempt for attempt in ATTEMPTS if "past a filter for x86-64" not in attempt.name)
