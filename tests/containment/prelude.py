"""What every script of an attack begins and ends with, inside a sandbox and in its control run.

A script ends with a line that says so. Without it, and without somebody outside having ended the script, the attack is
broken and has shown nothing.
"""

import json
from collections.abc import Mapping
from textwrap import indent

ENDED = "-- the attack went to its end:"
BROKEN = "-- the attack is broken:"
_HEAD = """
import array, ctypes, errno, fcntl, glob, json, mmap, os, resource, signal, socket, struct, subprocess, sys, threading
import time
V = json.loads(sys.argv[1])
WORK = V["work"]
os.chdir(WORK)
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *given):
    "A system call by its number; raises OSError."
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[
        ctypes.c_void_p(ctypes.addressof(each)) if isinstance(each, ctypes.Array) else
        ctypes.c_char_p(each) if isinstance(each, bytes) else ctypes.c_ulong(each & (1 << 64) - 1) for each in given])
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def won(what):
    "Leave the proof where it is looked for from outside."
    with open(os.path.join(WORK, "won"), "a") as file:
        file.write(str(what) + chr(10))
def reached(number, *given):
    "Whether the kernel's own code for a call answers, whatever it answers."
    try:
        result = call(number, *given)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOSYS):
            raise
        result = error.strerror
    won("the kernel answers: %s" % result)
def tell(text):
    "Send what was found out by the only way that is looked at."
    sys.stdout.write(str(text) + chr(10)); sys.stdout.flush()
def read(path):
    with open(path, "rb") as file:
        return file.read(1 << 16).decode(errors="replace")
def raise_limit(which, value):
    "As resource.setrlimit, whose refusal is no OSError."
    pair = struct.pack("QQ", value, value)
    if libc.setrlimit(which, pair):
        raise OSError(ctypes.get_errno(), "setrlimit")
def beat(seconds=8, pause=0.03):
    "Show that one goes on, for a while."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open(WORK + "/beat", "w") as file:
            file.write(str(time.monotonic()))
        time.sleep(pause)
def each_of(tries):
    "Carry out one after the other, whichever of them fail."
    last = None
    for attempt in tries:
        try:
            attempt()
        except OSError as error:
            last = error
    if last:
        raise last
def attack():
"""
_TAIL = f"""
try:
    attack()
    end = "{ENDED} nothing stopped it"
except (OSError, MemoryError, subprocess.SubprocessError) as error:
    end = "{ENDED} " + repr(error)
except BaseException as error:
    end = "{BROKEN} " + repr(error)
sys.stdout.write(chr(10) + end + chr(10)); sys.stdout.flush()
"""


def whole(script: str) -> str:
    """The program around a script."""
    return _HEAD + indent(script.strip("\n"), "    ") + _TAIL


def arguments(script: str, values: Mapping[str, object]) -> tuple[str, ...]:
    """What comes after `python3` to run a script with these values."""
    return ("-I", "-S", "-c", whole(script), json.dumps(values))
