"""Terminals of the host, into which whoever has one may type for everybody else who has."""

import os
import pty
import termios

from tests.containment.attempt import Attempt
from tests.containment.inside import Inside, Observe, OnHost
from tests.containment.observers import proof_was_left
from tests.containment.scene import Scene


def _terminal(scene: Scene) -> None:
    """A terminal that a control can be given; in a sandbox there is none to be had."""
    ours, theirs = pty.openpty()
    scene.closing += [lambda: os.close(ours), lambda: os.close(theirs)]
    settings = termios.tcgetattr(theirs)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    path = os.ttyname(theirs)
    if scene.uid is not None:
        os.chown(path, scene.uid, scene.uid)
    os.set_blocking(theirs, False)
    scene.values |= {"terminal": path}
    _THEIRS[scene.token] = theirs


_THEIRS: dict[str, int] = {}


def _typed(scene: Scene, _: object) -> str:
    """What whoever reads from the terminal next would get."""
    try:
        data = os.read(_THEIRS.pop(scene.token), 100)
    except BlockingIOError:
        return ""
    return f"{data!r} was typed into a terminal outside" if data else ""


def _of(name: str, success: str, script: str, observe: Observe) -> Inside:
    return Inside(
        name=name, group="processes", success=success, script=script, observe=observe, where=OnHost(),
        prepare=_terminal, may_lack="this kernel lets nobody type into a terminal",
    )  # fmt: skip


ATTEMPTS: tuple[Attempt, ...] = (
    _of(
        "type into a terminal outside",
        "what the attack types is read outside",
        "handle = os.open(V['terminal'], os.O_RDWR)\nfcntl.ioctl(handle, 0x540E, 0)\n"
        "for letter in b'rm -rf x' + bytes([10]): fcntl.ioctl(handle, 0x5412, bytes([letter]))",
        _typed,
    ),
    _of(
        "type into the sandbox's own controlling terminal",
        "there is a controlling terminal, and what is typed into it is taken",
        "handle = os.open('/dev/tty' if V['inside'] else V['terminal'], os.O_RDWR)\n"
        "V['inside'] or fcntl.ioctl(handle, 0x540E, 0)\n"
        "for letter in b'id' + bytes([10]): fcntl.ioctl(handle, 0x5412, bytes([letter]))\nwon('typed')",
        proof_was_left,
    ),
)
