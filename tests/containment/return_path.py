"""What an agent leaves behind for whoever takes its work: links to be followed, changes to be hidden, harm."""

import hashlib
import os
from collections.abc import Callable

from tests.containment.attempt import Attempt
from tests.containment.returned import NAIVE, Look, Returned, Taken, came_without, changed_outside
from tests.containment.scene import Scene
from tests.support.repositories import git, make_repository

_READ = "a file of the host is in the tree that comes back"
_HIDE = "what comes back is not what the agent has left to be judged"
_HARM = "taking the tree harms whoever takes it"


def _stolen(taken: Taken, scene: Scene) -> str:
    return "the canary is in the tree" if scene.token.encode() in taken.content() else ""


def _holds(matches: Callable[[str, str, bytes], bool], words: str) -> Look:
    def look(taken: Taken, _: Scene) -> str:
        return next(
            (f"{path!r}: {words}" for path, (mode, data) in taken.tree.items() if matches(path, mode, data)), ""
        )

    return look


def _hung(taken: Taken, _: Scene) -> str:
    return "whoever takes it waits for ever" if taken.hung else ""


def _private(scene: Scene) -> None:
    """Another repository of the host, that everybody may read there."""
    place = scene.directory / "private"
    make_repository(place, {"key": scene.token})
    scene.values |= {"private": str(place), "blob": git(place, "rev-parse", "HEAD:key")}
    os.chmod(place, 0o755)


def _of(
    name: str, agent: str, success: str, look: Look = changed_outside, naive: str = NAIVE, *, copied: bool = False,
    then: str = "export", prepare: Callable[[Scene], None] = lambda scene: None, may_lack: str = "",
    seconds: float = 25, patience: float = 60,
) -> Returned:  # fmt: skip
    return Returned(
        name=name, group="return path", success=success, agent=agent, look=look, naive=naive, copied=copied, then=then,
        prepare=prepare, may_lack=may_lack, seconds=seconds, patience=patience,
    )  # fmt: skip


_SWAP = (
    'printf %024d 0 > a; ln -s "$SECRET" b\n'
    "printf 'import ctypes, time\\nswap, end = ctypes.CDLL(None).renameat2, time.time() + 20\\n"
    'while time.time() < end: swap(-100, b"a", -100, b"b", 2)\\n\' > swap.py\n'
)
_LOOSE = "git -c core.protectNTFS=false -c core.protectHFS=false add -A && git commit -qm x"

ATTEMPTS: tuple[Attempt, ...] = (
    _of(
        "take files of the host in by a work tree elsewhere",
        'git config core.worktree "$OUTSIDE"',
        _READ,
        _holds(lambda path, _, data: path == "kept" and data == b"untouched", "a file of the host"),
    ),
    _of(
        "take an object of another repository in, as an alternate",
        'echo "$PRIVATE/.git/objects" > .git/objects/info/alternates\n'
        'git update-index --add --cacheinfo "100644,$BLOB,key"\n',
        _READ,
        _stolen,
        "git commit -qm x",
        prepare=_private,
    ),
    _of(
        "leave links to files of the host",
        'ln -s "$SECRET" stolen; rm calc.py; ln -s "$SECRET" calc.py',
        _READ,
        _stolen,
        "cp -RL . ../copy",
        copied=True,
    ),
    _of(
        "leave a link to a directory of the host",
        'rm -rf src; ln -s "$PRIVATE" src',
        _READ,
        _stolen,
        "cp -RL . ../copy 2>/dev/null",
        copied=True,
        prepare=_private,
    ),
    _of(
        "swap a file for a link while it is read",
        _SWAP + "python3 -I -S swap.py > /dev/null 2>&1 &",
        _READ,
        lambda taken, scene: "the canary is in the tree" if scene.token.encode()[:20] in taken.content() else "",
        # Until it has won: the blob of the link itself is a path, that of the file is noughts.
        "python3 -I -S swap.py & n=0; while [ $n -lt 500 ]; do n=$((n+1)); git add a b 2> /dev/null\n"
        "for f in a b; do case $(git cat-file blob :$f 2> /dev/null) in canary*) git commit -qm x; "
        "kill $!; exit;; esac; done; done",
        may_lack="the race was not won within its time",
    ),
    _of(
        "write to the host through an index that is a link",
        'rm .git/index; ln -s "$OUTSIDE/planted" .git/index',
        "a file of the host is written",
    ),
    _of(
        "write to the host through a store of objects that is a link",
        "rm -rf .git/objects/*\n"
        "for n in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do for m in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do\n"
        'ln -s "$OUTSIDE" .git/objects/$n$m; done; done; echo new > new.txt',
        "a file of the host is written",
        naive="git hash-object -w new.txt",
    ),
    _of(
        "leave a pipe that is never written",
        "mkfifo pipe",
        _HARM,
        _hung,
        'for f in *; do cat "$f" > /dev/null 2>&1; done',
        seconds=3,
    ),
    _of(
        "leave a program that belongs to somebody else (set-user-id)",
        "cp /usr/bin/id tool; chmod 6755 tool",
        _HARM,
        _holds(lambda path, mode, _: path == "tool" and mode not in ("100755", "100644"), "with a set-user-id bit"),
        "cp -a . ../copy",
        copied=True,
    ),
    _of(
        "leave a pipe and a socket in the tree",
        "mkfifo pipe; python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\"",
        _HARM,
        _holds(lambda path, *_: path in ("pipe", "sock"), "no file at all"),
        "cp -a . ../copy",
        copied=True,
    ),
    _of(
        "leave names that another system takes for .git (a short name)",
        "mkdir 'git~1'; echo x > 'git~1/config'",
        _HARM,
        _holds(lambda path, *_: path.startswith("git~1/"), "a git directory on Windows"),
        _LOOSE,
    ),
    _of(
        "leave names that another system takes for .git (a letter of no width)",
        "d=$(printf '.g\\342\\200\\214it'); mkdir $d; echo x > $d/config",
        _HARM,
        _holds(lambda path, *_: path.endswith("it/config"), "a git directory on macOS"),
        _LOOSE,
    ),
    _of(
        "name an address of a submodule that is an option",
        "printf '[submodule \"a\"]\\n\\tpath = a\\n\\turl = -u./run.sh\\n' > .gitmodules",
        _HARM,
        _holds(lambda path, *_: path == ".gitmodules", "an option in the place of an address"),
    ),
    _of(
        "leave .gitmodules as a link",
        "printf '[x]\\n' > real; ln -s real .gitmodules",
        _HARM,
        _holds(lambda path, mode, _: path == ".gitmodules" and mode == "120000", "a link"),
        "git update-ref HEAD $(git commit-tree -m x $("
        "printf '120000 blob %s\\t.gitmodules\\n' $(printf real | git hash-object -w --stdin) | git mktree))",
    ),
    _of(
        "hide content in a repository within the repository",
        "mkdir -p vendor/lib; cd vendor/lib; git init -q; echo x > x; git add x; git commit -qm x",
        _HIDE,
        _holds(lambda _, mode, __: mode == "160000", "a commit in the place of files"),
    ),
    _of(
        "hide content in a link to a commit that nobody has",
        "git update-index --add --cacheinfo 160000,1234567890123456789012345678901234567890,dep; mkdir dep\n"
        "cd dep; git init -q; echo x > x; git add x; git commit -qm x",
        _HIDE,
        _holds(lambda _, mode, __: mode == "160000", "a commit in the place of files"),
        "git commit -qm x",
    ),
    _of(
        "hide a change that the index is told to ignore",
        "git update-index --assume-unchanged calc.py; echo evil >> calc.py",
        _HIDE,
        came_without("calc.py", b"evil"),
    ),
    _of(
        "hide a change that the index is told to leave alone",
        "git update-index --skip-worktree calc.py; echo evil >> calc.py",
        _HIDE,
        came_without("calc.py", b"evil"),
    ),
    _of(
        "hide a new file by a list of the repository's own",
        "echo hidden.py >> .git/info/exclude; echo evil > hidden.py",
        _HIDE,
        came_without("hidden.py", b"evil"),
    ),
    _of(
        "hide a new file by a list in the configuration",
        "echo hidden.py > list; git config core.excludesFile list; echo evil > hidden.py",
        _HIDE,
        came_without("hidden.py", b"evil"),
    ),
    _of(
        "hide a change behind the time and size of a file",
        "git config core.trustctime false; git config core.checkStat minimal; touch -d 2020-01-01 calc.py\n"
        "git update-index --refresh -q || true; git add calc.py; sleep 1.1; "
        "touch .git/index; printf 'z = 9\\n' > calc.py\n"
        "touch -d 2020-01-01 calc.py",
        _HIDE,
        came_without("calc.py", b"z = 9"),
    ),
    _of(
        "leave a file out by closing it",
        "echo evil > locked; chmod 000 locked",
        _HIDE,
        came_without("locked", b"evil"),
        "git add -A --ignore-errors; git commit -qm x",
        may_lack="root can read every file",
    ),
    _of(
        "leave more files than anybody looks at",
        "mkdir many; cd many; seq 20500 | xargs touch",
        _HARM,
        lambda taken, _: f"{taken.files} files came back" if taken.files > 20_000 else "",
    ),
    _of(
        "leave more than anybody can read",
        "head -c 80000000 /dev/urandom > big.bin",
        _HARM,
        _holds(lambda path, *_: path == "big.bin", "80 MB"),
    ),
    _of(
        "leave gigabytes of noughts that take nobody's room",
        # Short of what may be written, so that the run ends by itself.
        "for n in 1 2 3 4 5 6 7 8 9; do truncate -s 1000M noughts$n; done",
        _HARM,
        _hung,
        seconds=3,
        patience=15,
    ),
    _of(
        "have a directory of the host removed with the work tree",
        'ln -s "$OUTSIDE" gone; mkdir -p a/b; ln -s "$OUTSIDE" a/b/gone',
        "something of the host is removed",
        naive='for each in *; do rm -rf "$each"/*; done',
        then="remove",
    ),
    _of(
        "have rights of a file of the host changed when a layer is frozen",
        'ln -s "$OUTSIDE/kept" lib; ln -s "$OUTSIDE" libs; chmod 666 "$OUTSIDE/kept" 2>/dev/null || true',
        "a file of the host is changed",
        lambda _, scene: "its rights were changed" if (scene.outside / "kept").stat().st_mode & 0o777 == 0o555 else "",
        "chmod -R 555 lib libs/kept",
        then="freeze",
        copied=True,
        prepare=lambda scene: scene.own(scene.outside / "kept"),
    ),
    _of(
        "leave a program in a layer that gives rights, or that may be changed",
        "cp /usr/bin/id tool; chmod 6777 tool",
        "what runs in other sandboxes gives rights or can be changed",
        _holds(
            lambda path, mode, _: path == "tool" and int(mode, 8) & 0o6222 != 0, "with rights that nobody should have"
        ),
        "cp -a . ../copy",
        then="freeze",
        copied=True,
    ),
    _of(
        "have a file of the host hashed as a lock file",
        'ln -s "$SECRET" lock',
        _READ,
        lambda taken, scene: (
            "a hash of the canary" if taken.digest == hashlib.sha256(scene.token.encode()).hexdigest() else ""
        ),
        "cat lock",
        then="lock",
    ),
)
