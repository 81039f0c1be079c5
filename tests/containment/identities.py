"""Becoming somebody else by files: programs that give another user's, a group's or root's rights, and devices."""

import os
import shutil

from tests.containment.attempt import Attempt, NotApplicable
from tests.containment.inside import AsRoot, Inside, Observe, OnHost, Prepare
from tests.containment.inside import Control as Where
from tests.containment.observers import proof_was_left, secret_came_out
from tests.containment.scene import Scene


def _other_identity(scene: Scene) -> int:
    """A uid that is nobody's: far above those that the pool has."""
    if scene.uid is None:
        raise NotApplicable("planting a file of another user's takes root")
    return scene.uid + 20_000


def _plant_setuid(mode: int) -> Prepare:
    """In the workspace, a program that belongs to somebody else and makes whoever runs it that one."""

    def plant(scene: Scene) -> None:
        other = _other_identity(scene)
        program, safe = scene.workspace / "cat", scene.directory / "safe"
        shutil.copy("/usr/bin/cat", program)
        safe.mkdir(mode=0o770)
        (safe / "secret").write_text(scene.token)
        for path in (program, safe, safe / "secret"):
            os.chown(path, other, other)
        (safe / "secret").chmod(0o440)
        safe.chmod(0o770)
        program.chmod(mode)
        # In a sandbox there is no such path; so the program itself says whether it has become somebody else.
        scene.values["safe"] = str(safe / "secret")

    return plant


def _plant_capable(scene: Scene) -> None:
    """In the workspace, a program with the file capability to read every file."""
    if scene.uid is None:
        raise NotApplicable("giving a program capabilities takes root")
    program = scene.workspace / "cat"
    shutil.copy("/usr/bin/cat", program)
    # VFS_CAP_REVISION_2 with the effective bit, and CAP_DAC_READ_SEARCH (2) permitted.
    os.setxattr(program, "security.capability", bytes.fromhex("0100000204000000000000000000000000000000"))
    closed = scene.given / "closed"
    closed.write_text(scene.token)
    closed.chmod(0o400)
    scene.values["closed"] = str(closed)


def _of(
    name: str, success: str, script: str, observe: Observe = secret_came_out, where: Where | None = None,
    prepare: Prepare = lambda scene: None, may_lack: str = "",
) -> Inside:  # fmt: skip
    return Inside(
        name=name,
        group="files",
        success=success,
        script=script,
        observe=observe,
        where=where or OnHost(),
        prepare=prepare,
        may_lack=may_lack,
    )


ATTEMPTS: tuple[Attempt, ...] = (
    _of(
        "make a device node",
        "a device node is in the workspace",
        "os.mknod('node', 0o20666, os.makedev(1, 3)); os.stat('node').st_rdev and won('a device')",
        proof_was_left,
        AsRoot(),
    ),
    _of(
        "become another user by a set-user-id program in the workspace",
        "code runs as another uid of the host",
        "ids = subprocess.run(['./cat', '/proc/self/status'], capture_output=True, text=True).stdout.split()\n"
        "at = ids.index('Uid:'); set(ids[at + 1:at + 5]) == {ids[at + 1]} or won('effective uid %s' % ids[at + 2])",
        proof_was_left,
        prepare=_plant_setuid(0o4755),
    ),
    _of(
        "become another group by a set-group-id program in the workspace",
        "code runs as another gid of the host",
        "ids = subprocess.run(['./cat', '/proc/self/status'], capture_output=True, text=True).stdout.split()\n"
        "at = ids.index('Gid:'); set(ids[at + 1:at + 5]) == {ids[at + 1]} or won('effective gid %s' % ids[at + 2])",
        proof_was_left,
        prepare=_plant_setuid(0o2755),
    ),
    _of(
        "read a closed file by a program with file capabilities",
        "code has a capability of the host",
        "place = '/run/task/closed' if V['inside'] else V['closed']\n"
        "tell(subprocess.run(['./cat', place], capture_output=True, text=True).stdout)",
        secret_came_out,
        prepare=_plant_capable,
    ),
    _of(
        "become root by a program of the system (su)",
        "code runs with root's rights",
        "child = subprocess.Popen(['su'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)\n"
        "end = time.monotonic() + 2\n"
        "while time.monotonic() < end and child.poll() is None:\n"
        "    ids = [line.split() for line in read('/proc/%d/status' % "
        "child.pid).splitlines() if line.startswith('Uid:')][0]\n"
        "    if ids[2] != ids[1]:\n        won('effective uid %s' % ids[2])\n        break\n    time.sleep(0.005)\n"
        "child.stdin.close(); child.wait()",
        proof_was_left,
        may_lack="this machine has no su",
    ),
)
