"""What a sandbox could inherit from the worker that starts it: environment, descriptors, rights, identity."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.containment.attempt import Attempt, NotApplicable
from tests.containment.ground import Ran
from tests.containment.inside import AsRoot, Inside, Observe, OnHost, Prepare
from tests.containment.inside import Control as Where
from tests.containment.observers import proof_was_left, secret_came_out
from tests.containment.scene import Scene

_HELD: dict[str, int] = {}
"""By canary: the descriptor of the worker's that a control is given on purpose."""


def _of(
    name: str, success: str, script: str, observe: Observe, where: Where, prepare: Prepare = lambda scene: None,
    may_lack: str = "",
) -> Inside:  # fmt: skip
    return Inside(
        name=name, group="inheritance", success=success, script=script, observe=observe, where=where, prepare=prepare,
        may_lack=may_lack,
    )  # fmt: skip


def _plant_variable(scene: Scene) -> None:
    """In the environment of this process, which is the worker here."""
    name = f"JM_{scene.token[-8:]}"
    os.environ[name] = scene.token
    scene.closing.append(lambda: os.environ.pop(name, None))


def _plant_for_one_alone(scene: Scene) -> None:
    """For what reads the environment of every process: those of a real user are none of the suite's business."""
    if scene.uid is None:
        raise NotApplicable("trying every process of a uid takes one that is nobody else's, and so root")
    _plant_variable(scene)


def _with_environment(scene: Scene) -> Mapping[str, Any]:
    return {"env": {"PATH": "/usr/bin:/bin", "SECRET": scene.token}}


def _hold(scene: Scene, descriptor: int) -> None:
    """Leave a descriptor open in this process so that whatever it starts would have it."""
    os.set_inheritable(descriptor, True)
    _HELD[scene.token] = descriptor

    def end() -> None:
        _HELD.pop(scene.token, None)
        os.close(descriptor)

    scene.closing.append(end)


def _hold_directory(scene: Scene) -> None:
    _hold(scene, os.open(scene.directory, os.O_RDONLY))


def _hold_file(scene: Scene) -> None:
    scene.secret.chmod(0o600)
    _hold(scene, os.open(scene.secret, os.O_RDONLY))


def _hold_memory(scene: Scene) -> None:
    descriptor = os.memfd_create("canary")
    os.write(descriptor, scene.token.encode())
    _hold(scene, descriptor)


_ENDS: dict[str, socket.socket] = {}


def _hold_connection(scene: Scene) -> None:
    """One end of a connection of the worker's, such as the one to its Temporal."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    _ENDS[scene.token] = ours
    _hold(scene, theirs.detach())
    scene.closing.append(ours.close)


def _heard(scene: Scene, _: Ran) -> str:
    try:
        data = _ENDS.pop(scene.token).recv(100)
    except BlockingIOError:
        return ""
    return f"{data!r} came through a connection of the worker's" if data else ""


def _passed(scene: Scene) -> Mapping[str, Any]:
    return {"pass_fds": (_HELD[scene.token],)}


def _in_group(scene: Scene) -> Mapping[str, Any]:
    """With a group beside its own, as a worker has those of its user."""
    if scene.uid is None:
        raise NotApplicable("giving a process another group takes root")
    return {"extra_groups": [scene.uid + 20_000]}


def _close_to_group(scene: Scene) -> None:
    if scene.uid is None:
        raise NotApplicable("giving a file to another group takes root")
    shared = scene.given / "shared"
    shared.write_text(scene.token)
    os.chown(shared, 0, scene.uid + 20_000)
    shared.chmod(0o640)
    scene.values["shared"] = str(shared)


def _worker_owns(scene: Scene, _: Ran) -> str:
    made = scene.workspace / "made"
    return "what it makes is root's" if made.exists() and made.stat().st_uid == 0 else ""


def _names_this_machine(scene: Scene, ran: Ran) -> str:
    """An image may have an identity of its own, which says nothing."""
    known = Path("/etc/machine-id")
    said = proof_was_left(scene, ran)
    return f"it names {said[:8]}" if known.exists() and said and said == known.read_text().strip() else ""


_EVERY_DESCRIPTOR = "for descriptor in range(3, 256):\n    try:\n"
_MAY = "a right of the worker's is the sandbox's"

ATTEMPTS: tuple[Attempt, ...] = (
    _of(
        "find a variable of the worker's in the environment",
        "a variable of the worker's is inside",
        "tell(dict(os.environ))",
        secret_came_out,
        OnHost(given=_with_environment),
        _plant_variable,
    ),
    _of(
        "find a variable of the worker's in that of every process",
        "a variable of the worker's is inside",
        "for path in glob.glob('/proc/[0-9]*/environ'):\n    try: tell(read(path))\n    except OSError: pass",
        secret_came_out,
        OnHost(given=_with_environment),
        _plant_for_one_alone,
    ),
    _of(
        "find a variable of the worker's in one's own memory",
        "a variable of the worker's is inside",
        "word = b'can' + b'ary-'\nwith open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:\n"
        "    for line in maps.read().splitlines():\n        if '[stack]' not in line: continue\n"
        "        start, _, end = line.split()[0].partition('-'); memory.seek(int(start, 16))\n"
        "        data = memory.read(int(end, 16) - int(start, 16)); at = data.find(word)\n"
        "        if at >= 0: tell(data[at:at + 40].decode(errors='replace'))",
        secret_came_out,
        OnHost(given=_with_environment),
        _plant_variable,
    ),
    _of(
        "open a file by a directory that was left open",
        "a file of the host is read",
        _EVERY_DESCRIPTOR + "        tell(os.read(os.open('secret', os.O_RDONLY, dir_fd=descriptor), 999).decode())\n"
        "    except OSError: pass",
        secret_came_out,
        OnHost(given=_passed),
        _hold_directory,
    ),
    _of(
        "read a closed file that was left open",
        "a file of the host is read",
        _EVERY_DESCRIPTOR
        + "        tell(os.pread(descriptor, 999, 0).decode(errors='replace'))\n    except OSError: pass",
        secret_came_out,
        OnHost(given=_passed),
        _hold_file,
    ),
    _of(
        "read memory of the worker's that was left open",
        "memory of the worker's is read",
        _EVERY_DESCRIPTOR
        + "        tell(os.pread(descriptor, 999, 0).decode(errors='replace'))\n    except OSError: pass",
        secret_came_out,
        OnHost(given=_passed),
        _hold_memory,
    ),
    _of(
        "talk through a connection of the worker's",
        "somebody believes to hear the worker",
        _EVERY_DESCRIPTOR + "        if os.path.realpath('/proc/self/fd/%d' % "
        "descriptor).count('socket:'): os.write(descriptor, b'out')\n"
        "    except OSError: pass",
        _heard,
        OnHost(given=_passed),
        _hold_connection,
    ),
    _of(
        "read what a group of the worker's may",
        _MAY,
        "tell(read('/run/task/shared' if V['inside'] else V['shared']))",
        secret_came_out,
        OnHost(given=_in_group),
        _close_to_group,
    ),
    _of(
        "belong to a group beside one's own",
        _MAY,
        "others = set(os.getgroups()) - {os.getgid(), 65534}\nif others: won('groups %s' % others)",
        proof_was_left,
        OnHost(given=_in_group),
    ),
    _of(
        "be root for the host",
        _MAY,
        "open('made', 'w').close()",
        _worker_owns,
        AsRoot(),
    ),
    _of(
        "have a capability",
        _MAY,
        "rights = [line for line in read('/proc/self/status').splitlines() if line.startswith('Cap')]\n"
        "if any(int(line.split()[1], 16) for line in rights): won(rights)",
        proof_was_left,
        AsRoot(),
    ),
    _of(
        "gain rights by starting another program",
        "a program that gives rights would give them",
        "'NoNewPrivs:' + chr(9) + '0' in read('/proc/self/status') and won('new rights may be had')",
        proof_was_left,
        OnHost(),
        may_lack="this process may gain no rights itself",
    ),
    _of(
        "make calls that nobody filters",
        "there is no filter of calls",
        "'Seccomp:' + chr(9) + '0' in read('/proc/self/status') and won('no filter')",
        proof_was_left,
        OnHost(),
        may_lack="calls of this process are filtered already",
    ),
    _of(
        "find out who is on the machine",
        "the users of the host are known inside",
        "names = [line.split(':')[0] for line in read('/etc/passwd').splitlines()]\n"
        "if 'daemon' in names: won('%d users' % len(names))",
        proof_was_left,
        OnHost(),
        may_lack="this machine has no users but root",
    ),
    _of(
        "find out which machine it is",
        "the identity of the machine is known inside",
        "won(read('/etc/machine-id').strip())",
        _names_this_machine,
        OnHost(),
        may_lack="this machine has no identity",
    ),
)
