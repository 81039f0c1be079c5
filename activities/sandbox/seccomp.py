"""The system calls that no program inside may make, whichever backend its sandbox is of.

A list of refusals on top of what a backend already takes away (namespaces, capabilities, mounts). It closes what
stays reachable for an unprivileged process: kernel surface with a history of escapes, sockets that leave a network
namespace, keyrings, and input injection into a terminal. Refused with EPERM; with ENOSYS where libc then uses an
older call that can be filtered.

One list, written in two forms: BPF for bubblewrap, and the JSON that container engines read.
"""

import errno
import os
import termios
from collections.abc import Iterator
from dataclasses import dataclass
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
LARGEST_SEGMENT = 16 * 1024
"""Bytes of a segment of System V's shared memory."""
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCKET_FAMILIES = (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK)
"""The only ones allowed; libc looks up addresses with netlink. Of the others, AF_VSOCK reaches the hypervisor from any
network namespace, and AF_ALG, AF_PACKET, AF_TIPC and their like are kernel code with a history of escapes.
"""


_EQUAL, _ABOVE, _MASKED_EQUAL = "EQ", "GT", "MASKED_EQ"
_ARCHITECTURES = {
    "x86_64": "SCMP_ARCH_X86_64",
    "aarch64": "SCMP_ARCH_AARCH64",
    "riscv64": "SCMP_ARCH_RISCV64",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "s390x": "SCMP_ARCH_S390X",
}
"""As engines name them. Calls by any other table of this machine's kernel end the process."""


@dataclass(frozen=True)
class Condition:
    """What an argument of a call must be for the call to be refused; compared in 64 bits."""

    argument: int
    comparison: str
    value: int
    """What it is compared with; for MASKED_EQ, the mask."""
    masked_value: int = 0


@dataclass(frozen=True)
class Refusal:
    """One call that is refused: always, or where its condition holds."""

    call: str
    error: int = errno.EPERM
    condition: Condition | None = None


def refusals() -> Iterator[Refusal]:
    """The list itself."""
    for name in _REFUSED:
        yield Refusal(name)
    for bit in (1 << n for n in range(32)):
        if _CLONE_NEW & bit:
            yield Refusal("clone", condition=Condition(0, _MASKED_EQUAL, bit, bit))
    # clone3 keeps its flags behind a pointer, which a filter can't read; libc falls back to clone.
    yield Refusal("clone3", errno.ENOSYS)
    # Segments outlive their process, and only a control group counts them. Of 4,096, which is the kernel's most, small
    # ones come to 64 MiB; databases need one of some bytes, and take the rest otherwise.
    yield Refusal("shmget", errno.ENOSPC, Condition(1, _ABOVE, LARGEST_SEGMENT))
    # Takes a disk's space faster than anybody who watches it can look; libc then writes instead.
    yield Refusal("fallocate", errno.EOPNOTSUPP)
    for call in ("socket", "socketpair"):
        # Compared in 64 bits, so that a family with high bits set is above, too.
        yield Refusal(call, condition=Condition(0, _ABOVE, max(_SOCKET_FAMILIES)))
        for family in sorted(set(range(max(_SOCKET_FAMILIES))) - set(_SOCKET_FAMILIES)):
            yield Refusal(call, condition=Condition(0, _EQUAL, family))
    for request in (termios.TIOCSTI, _TIOCLINUX):
        yield Refusal("ioctl", condition=Condition(1, _MASKED_EQUAL, _INT, request))


def program() -> bytes:
    """The filter as BPF for this machine's architecture, as bubblewrap's --seccomp reads it."""
    written = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for refusal in refusals():
        condition = refusal.condition
        conditions = [] if condition is None else [_as_argument(condition)]
        try:
            written.add_rule(pyseccomp.ERRNO(refusal.error), refusal.call, *conditions)
        except ValueError:
            # This libseccomp does not know the call's name, so there is no number to filter.
            continue
    descriptor = os.memfd_create("seccomp")
    with os.fdopen(descriptor, "w+b") as file:
        written.export_bpf(file)
        file.seek(0)
        return file.read()


def _as_argument(condition: Condition) -> Any:
    values = (condition.value, condition.masked_value) if condition.comparison == _MASKED_EQUAL else (condition.value,)
    return pyseccomp.Arg(condition.argument, getattr(pyseccomp, condition.comparison), *values)


def profile() -> dict[str, Any]:
    """The filter as container engines read it. Raises KeyError on an architecture whose name there is not known."""
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": [_ARCHITECTURES[os.uname().machine]],
        "syscalls": [
            {
                "names": [refusal.call],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": refusal.error,
                "args": [] if refusal.condition is None else [_as_json(refusal.condition)],
            }
            for refusal in refusals()
        ],
    }


def _as_json(condition: Condition) -> dict[str, Any]:
    return {
        "index": condition.argument,
        "value": condition.value,
        "valueTwo": condition.masked_value,
        "op": f"SCMP_CMP_{condition.comparison}",
    }
