"""The system calls that no program inside may make.

A list of refusals on top of what bubblewrap already takes away (namespaces, capabilities, mounts). It closes what
stays reachable for an unprivileged process: kernel surface with a history of escapes, sockets that leave a network
namespace, keyrings, and input injection into a terminal. Refused with EPERM; with ENOSYS where libc then uses an
older call that can be filtered.
"""

import errno
import os
import termios
from typing import Any

import pyseccomp

_REFUSED = (
    # Kernel surface with a history of privilege escalation.
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
    # Keys of the host user's session.
    "keyctl", "add_key", "request_key",
    # Other processes' memory.
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
    # Mounts and roots.
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr", "name_to_handle_at", "open_by_handle_at",
    # Namespaces: a new user namespace would give capabilities within it, and with them more kernel surface.
    "setns", "unshare",
    # The machine itself.
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff",
    "acct", "quotactl", "quotactl_fd", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "syslog",
    "ioperm", "iopl", "vhangup", "nfsservctl", "lookup_dcookie",
)  # fmt: skip
_CLONE_NEW = 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00020000 | 0x00000080
"""CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWNS, NEWTIME."""
_INT = 0xFFFFFFFF
"""The kernel reads 32 bits of these arguments; comparing 64 would let a caller hide a value behind high bits."""
_TIOCLINUX = 0x541C
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCKET_FAMILIES = (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK)
"""The only ones allowed; libc looks up addresses with netlink. Of the others, AF_VSOCK reaches the hypervisor from any
network namespace, and AF_ALG, AF_PACKET, AF_TIPC and their like are kernel code with a history of escapes.
"""


def program() -> bytes:
    """The filter as BPF for this machine's architecture, as bubblewrap's --seccomp reads it."""
    refuse = pyseccomp.ERRNO(errno.EPERM)
    refusals = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in _REFUSED:
        _add(refusals, refuse, name)
    for bit in (1 << n for n in range(32)):
        if _CLONE_NEW & bit:
            _add(refusals, refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, bit, bit))
    # clone3 keeps its flags behind a pointer, which a filter can't read; libc falls back to clone.
    _add(refusals, pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for call in ("socket", "socketpair"):
        # Compared in 64 bits, so that a family with high bits set is above, too.
        _add(refusals, refuse, call, pyseccomp.Arg(0, pyseccomp.GT, max(_SOCKET_FAMILIES)))
        for family in set(range(max(_SOCKET_FAMILIES))) - set(_SOCKET_FAMILIES):
            _add(refusals, refuse, call, pyseccomp.Arg(0, pyseccomp.EQ, family))
    for request in (termios.TIOCSTI, _TIOCLINUX):
        _add(refusals, refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _INT, request))
    descriptor = os.memfd_create("seccomp")
    with os.fdopen(descriptor, "w+b") as file:
        refusals.export_bpf(file)
        file.seek(0)
        return file.read()


def _add(refusals: Any, action: int, name: str, *conditions: Any) -> None:
    try:
        refusals.add_rule(action, name, *conditions)
    except ValueError:
        # This libseccomp does not know the call's name, so there is no number to filter.
        return
