"""The machine itself: its disks, its memory, its settings, its control groups, and what an image brings along.

Controls open such files as root and neither read nor write them, or move nothing but themselves.
"""

from tests.containment.attempt import Attempt
from tests.containment.inside import AsRoot, Inside, Without
from tests.containment.inside import Control as Where
from tests.containment.observers import proof_was_left

_OPEN = (
    "def first(paths, flags):\n    for path in paths:\n        try:\n"
    "            os.close(os.open(path, flags | os.O_NONBLOCK)); won(path); return\n        except OSError: pass\n"
)


def _of(name: str, success: str, script: str, where: Where | None = None, may_lack: str = "") -> Inside:
    return Inside(
        name=name, group="files", success=success, script=script, observe=proof_was_left, where=where or AsRoot(),
        may_lack=may_lack,
    )  # fmt: skip


ATTEMPTS: tuple[Attempt, ...] = (
    _of(
        "open the disk beneath all files",
        "a disk of the host can be read",
        _OPEN + "import stat\nfound = [folder + '/' + name for folder, _, names in os.walk('/dev') for name in names]\n"
        "first([path for path in found if stat.S_ISBLK(os.lstat(path).st_mode)], os.O_RDONLY)",
        may_lack="this machine shows no disk",
    ),
    _of(
        "open the memory of the machine",
        "memory of the kernel can be read",
        _OPEN + "first(['/proc/kcore', '/dev/mem', '/dev/kmem', '/dev/port'], os.O_RDONLY)",
        may_lack="this kernel shows no memory",
    ),
    _of(
        "open what rules the whole machine, to write it",
        "a setting of the host can be written",
        _OPEN + "first(['/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', "
        "'/proc/sys/vm/drop_caches', '/proc/sys/kernel/sysrq', '/proc/irq/default_smp_affinity'], os.O_WRONLY)",
    ),
    _of(
        "open what rules the machine's devices, to write it",
        "a setting of the host can be written",
        _OPEN + "found = []\nfor place in ('/sys/kernel', '/sys/fs', '/sys/power', '/sys/bus', '/sys/module'):\n"
        "    for folder, folders, names in os.walk(place):\n"
        "        found += [os.path.join(folder, name) for name in names]\n"
        "        folders[:] = [] if len(found) > 3000 else folders\n"
        "first([path for path in found if os.access(path, os.W_OK)], os.O_WRONLY)",
        may_lack="this machine has no such settings",
    ),
    _of(
        "leave one's control groups, and with them the limits",
        "nobody counts what it uses",
        "for path in ['/sys/fs/cgroup/cgroup.procs', *glob.glob('/sys/fs/cgroup/*/cgroup.procs'),\n"
        "             *glob.glob('/sys/fs/cgroup/*/*/cgroup.procs')]:\n    try:\n"
        "        with open(path, 'w') as file: file.write(str(os.getpid()))\n"
        "    except OSError: continue\n    won(path); break",
        may_lack="this machine has no control groups",
    ),
    _of(
        "become root by a program that the image brings along",
        "code runs with root's rights",
        "for path in ('/usr/bin/cat-as-root', '/usr/bin/su', '/usr/bin/passwd', '/usr/bin/mount'):\n"
        "    words = [path, '/proc/self/status'] if 'cat' in path else [path, '--version']\n"
        "    if not os.path.exists(path) or not os.stat(path).st_mode & 0o4000: continue\n"
        "    said = subprocess.run(words, capture_output=True, text=True).stdout.split()\n"
        "    if 'Uid:' in said and said[said.index('Uid:') + 2] == '0': won('it is root by %s' % path)",
        Without("the bar to new rights"),
    ),
)
