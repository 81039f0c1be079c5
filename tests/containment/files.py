"""Files of the host: read, written, taken in by links, handles and identities."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.containment.attempt import Attempt, NotApplicable
from tests.containment.calls import NUMBERS
from tests.containment.inside import AsRoot, InNamespaces, Inside, Lifted, Observe, OnHost, Prepare, Without
from tests.containment.inside import Control as Where
from tests.containment.observers import proof_was_left, secret_came_out, something_changed_outside
from tests.containment.scene import Scene


def _name_by_handle(scene: Scene) -> None:
    """The kernel's handle of the canary, as an attacker may have guessed it."""
    handle = ctypes.create_string_buffer((128).to_bytes(4, "little"), 8 + 128)
    mount = ctypes.c_int()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.name_to_handle_at(-100, str(scene.secret).encode(), handle, ctypes.byref(mount), 0):
        raise NotApplicable("this file system has no handles")
    scene.values["handle"] = bytes(handle).hex()


def _leave_in_tmp(scene: Scene) -> None:
    """The canary in a directory that everybody may list, to be found by its name."""
    place = Path(tempfile.mkdtemp(prefix="jm-open-", dir="/tmp"))
    scene.closing.append(lambda: shutil.rmtree(place))
    place.chmod(0o755)
    (place / place.name).write_text(scene.token)
    (place / place.name).chmod(0o644)
    scene.values["name"] = place.name


def _pack(scene: Scene) -> None:
    """A tool of the host's that the workspace could point to."""
    subprocess.run(["tar", "-C", str(scene.directory), "-cf", str(scene.directory / "all.tar"), "secret"], check=True)


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


_READ = "a file of the host is read"
_WRITTEN = "a file of the host is written"
_RUN = "tell(read(V['secret']))"

ATTEMPTS: tuple[Attempt, ...] = (
    _of("read a file by its path on the host", _READ, _RUN),
    _of("climb out of the workspace with dots", _READ, "tell(read(WORK + '/' + '../' * 40 + V['secret']))"),
    _of(
        "read through a symbolic link planted in the workspace",
        _READ,
        "os.symlink(V['secret'], 'link'); tell(read('link'))",
    ),
    _of(
        "read through a chain of links to directories",
        _READ,
        "os.symlink('/', 'root'); os.symlink('root', 'again'); tell(read('again' + V['secret']))",
    ),
    _of("read through the root of the first process", _READ, "tell(read('/proc/self/root' + V['secret']))"),
    _of(
        "read through every process's root and working directory",
        _READ,
        "each_of([lambda path=path: tell(read(path + V['secret'])) for kind in ('root', 'cwd')\n"
        "         for path in glob.glob('/proc/[0-9]*/' + kind)])",
    ),
    _of(
        "read relative to a descriptor of a directory above",
        _READ,
        "top = os.open(WORK + '/../../../../..', os.O_PATH)\n"
        "handle = os.open(V['secret'].lstrip('/'), os.O_RDONLY, dir_fd=top)\ntell(os.read(handle, 999).decode())",
    ),
    _of(
        "take a host's file in by a hard link",
        _READ,
        "os.link(V['secret'], 'taken'); tell(read('taken'))",
        where=AsRoot(),
    ),
    _of(
        "find the canary by walking the whole file system",
        _READ,
        "for place in ('/tmp', '/var/tmp', '/run', '/home', '/root', '/mnt', '/srv', '/dev/shm'):\n"
        "    for folder, folders, names in os.walk(place):\n"
        "        folders[:] = [] if folder.count('/') > 2 else folders\n"
        "        if V['name'] in names: tell(read(os.path.join(folder, V['name'])))",
        prepare=_leave_in_tmp,
    ),
    _of(
        "open the canary by its handle in the file system",
        _READ,
        "handle = ctypes.create_string_buffer(bytes.fromhex(V['handle']))\nmount = os.open(WORK, os.O_RDONLY)\n"
        f"tell(os.read(call({NUMBERS['open_by_handle_at']}, mount, handle, os.O_RDONLY), 999).decode())",
        where=AsRoot(),
        prepare=_name_by_handle,
    ),
    _of(
        "let a shell and tar follow paths of the host",
        _READ,
        "each_of([lambda: tell(subprocess.run(['sh', '-c', 'cat ' + "
        "V['secret']], capture_output=True).stdout.decode()),\n"
        "         lambda: tell(subprocess.run(['tar', '-xOf', os.path.dirname(V['secret']) + '/all.tar'],\n"
        "                                     capture_output=True).stdout.decode())])",
        prepare=_pack,
    ),
    _of(
        "write into a directory of the host that all may write",
        _WRITTEN,
        "open(V['outside'] + '/planted', 'w').close()",
        something_changed_outside,
    ),
    _of(
        "write through a link planted in the workspace",
        _WRITTEN,
        "os.symlink(V['outside'], 'out'); open('out/planted', 'w').close()",
        something_changed_outside,
    ),
    _of(
        "remove a file of the host through a link",
        _WRITTEN,
        "os.symlink(V['outside'], 'out'); os.unlink('out/kept')",
        something_changed_outside,
    ),
    _of(
        "rename something of the workspace out of it",
        _WRITTEN,
        "open('mine', 'w').close(); os.rename('mine', V['outside'] + '/planted')",
        something_changed_outside,
    ),
    _of(
        "write to the read-only input",
        "the input that the host gave is changed on the host",
        "each_of([lambda place=place: open(place + '/input', 'w').close() for place in ('/run/task', V['given'])])",
        something_changed_outside,
        Lifted(input_writable=True),
    ),
    _of(
        "write to the read-only input through its file of a descriptor",
        "the input that the host gave is changed on the host",
        "held = os.open('/run/task/input', os.O_RDONLY)\nopen('/proc/self/fd/%d' % held, 'w').close()",
        something_changed_outside,
        Lifted(input_writable=True),
    ),
    _of(
        "change mode and times of the read-only input",
        "the input that the host gave is changed on the host",
        "os.chmod('/run/task/input', 0o600); os.truncate('/run/task/input', 0)",
        something_changed_outside,
        Lifted(input_writable=True),
    ),
    _of(
        "make the read-only input writable by mounting it again",
        "the input that the host gave is changed on the host",
        "place = '/run/task' if V['inside'] else V['given']\n"
        "if not V['inside']:\n"
        "    subprocess.run(['mount', '--bind', place, place], check=True)\n"
        "    subprocess.run(['mount', '-o', 'remount,bind,ro', place], check=True)\n"
        f"call({NUMBERS['mount']}, 0, place.encode() + bytes(1), 0, 0x1000 | 0x20, 0)\n"
        "open(place + '/input', 'w').close()",
        something_changed_outside,
        InNamespaces("mount"),
    ),
    _of(
        "take a mount away to see what it hides",
        "what a mount covers comes to light",
        "place = '/tmp' if V['inside'] else os.path.dirname(V['secret'])\n"
        "if not V['inside']:\n    subprocess.run(['mount', '-t', 'tmpfs', 'cover', place], check=True)\n"
        f"os.chdir('/'); call({NUMBERS['umount2']}, place.encode() + bytes(1), 2)\n"
        "tell(read(V['secret'])); won('uncovered') if V['inside'] else None",
        secret_came_out,
        InNamespaces("mount"),
    ),
    _of(
        "leave the root by changing into another one",
        "the file system of the host is the root",
        "inner = WORK + '/inner'; os.mkdir(inner); above = os.open('/', os.O_RDONLY)\n"
        "os.chroot(inner); os.fchdir(above)\nfor _ in range(64): os.chdir('..')\n"
        "os.chroot('.')\ntell(read(V['secret']))\n"
        "won('the root was changed')",
        proof_was_left,
        InNamespaces("mount"),
    ),
    _of(
        "write among the programs of the system",
        "a program or a setting of the system is changed",
        "for place in ('/usr/local', '/etc', '/opt', '/usr/bin', '/lib'):\n    try:\n"
        "        if not V['inside']: subprocess.run(['mount', '-t', 'tmpfs', 'own', place], check=True)\n"
        "        open(place + '/planted', 'w').close(); won(place)\n    except OSError: pass",
        proof_was_left,
        InNamespaces("mount"),
    ),
    _of(
        "fill the root of the sandbox, which is memory or the host's disk",
        "more is written to the root than any scratch space holds",
        "for place in ('/', '/usr/', '/var/'):\n    try: file = open(place + 'filled', 'wb', 0)\n"
        "    except OSError: continue\n    for _ in range(48): file.write(bytes(1 << 20))\n"
        "    won('48 MiB in ' + place)\n    break",
        proof_was_left,
        Without("the read-only root"),
    ),
    _of(
        "fill /dev, which is memory",
        "more is written to /dev than any scratch space holds",
        "with open('/dev/filled', 'wb') as file:\n"
        "    for _ in range(48): file.write(bytes(1 << 20))\nwon('48 MiB in /dev')",
        proof_was_left,
        Without("the read-only /dev"),
    ),
    _of(
        "change a setting of the kernel",
        "a value below /proc/sys is changed",
        "name = '/proc/sys/net/ipv4/ip_forward'\nbefore = read(name)\n"
        "with open(name, 'w') as file: file.write('1' if before.strip() == '0' else '0')\n"
        "read(name) != before and won('a setting of a namespace')",
        proof_was_left,
        InNamespaces("net"),
    ),
)
