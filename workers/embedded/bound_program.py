"""Becomes a program that the kernel kills when the process that started it is gone, however that one ended.

Run as a script, `bound_program.py PARENT PROGRAM ARGUMENTS...`: asked for between fork and exec instead, it could hang,
since the parent has threads. The standard library only, so that it starts in milliseconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, then become the program. Ends at once if the parent is gone already."""
    parent, *command = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        sys.exit(f"the kernel does not tell of a parent's death: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        sys.exit("the process that wanted this one is gone")
    os.execv(command[0], command)  # noqa: S606  the parent chose the program


if __name__ == "__main__":
    main()
