"""Numbers of system calls on this machine's architecture, for scripts that have no library for them."""

import pyseccomp

_NAMES = """
open_by_handle_at name_to_handle_at mount umount2 pivot_root chroot move_mount open_tree fsopen mount_setattr
setns unshare clone clone3 ptrace process_vm_readv process_vm_writev kcmp pidfd_open pidfd_getfd pidfd_send_signal
keyctl add_key request_key bpf perf_event_open userfaultfd io_uring_setup ioctl socket socketpair
syslog kexec_load finit_module delete_module reboot swapon acct quotactl settimeofday clock_settime vhangup getpid
"""
NUMBERS: dict[str, int] = {name: pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) for name in _NAMES.split()}
"""Negative for what an architecture does not have."""
