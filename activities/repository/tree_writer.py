"""Writes a work tree as a git tree and a pack: the program of the git sandbox, which gets it as a text.

Standard library only. Everything it reads is hostile, but stands still: the agent's processes are dead, and the work
tree is read-only. It looks at names and sizes before git reads any content, and follows no link.

Its arguments are base's commit and what the tree may have at most: bytes of one new or changed file, bytes of all of
them, and files. What is over that is left out and named, so that the rest is not lost. Of changed files the small ones
go first, and those that base has before new ones. It leaves `tree`, `pack` and `left-out` in the scratch directory.
"""

import json
import os
import stat
import subprocess
import sys
from collections import Counter

WORK, SCRATCH = "/work", "/scratch"
MOST_NAMED = 20
"""Of what is left out; the rest is counted."""
MOST_DIRECTORIES = 20
"""That are left out one by one for having too many files; then all new files are."""
LONGEST_NAME = 300
EVERY_OTHER = "every other new file"
REFUSED = 3
"""Exit code if the tree can't be taken; what is said is for the agent."""
_GIT = (
    *("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false"),
    *("-c", "pack.threads=1"),
)

Sized = tuple[int, bytes]
"""Bytes and path."""


def git(*arguments: str, given: bytes = b"") -> bytes:
    """The output of a command. Ends the program if it fails."""
    done = subprocess.run([*_GIT, *arguments], input=given, capture_output=True, check=False)
    if done.returncode or b"Ignoring path" in done.stderr:
        # A name that git does not store would be left out without a word.
        sys.stderr.write(done.stderr.decode(errors="replace"))
        sys.exit(REFUSED)
    return done.stdout


def listed(*arguments: str) -> list[bytes]:
    """The output of a command that ends each entry with a zero byte."""
    return [entry for entry in git(*arguments).split(b"\0") if entry]


def joined(paths: list[bytes]) -> bytes:
    """Paths as git reads them."""
    return b"".join(path + b"\0" for path in paths)


def size_of(path: bytes) -> int:
    """Of what git would read; 0 for what is no file, or has gone."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def changed_in_size() -> list[Sized]:
    """Files of base that have another size now. One of the same size costs git no more than base itself does."""
    entries = [entry.split(b"\t", 1) for entry in listed("ls-files", "-z", "--stage")]
    blobs = [(described.split()[1], path) for described, path in entries if not described.startswith(b"160000")]
    told = git("cat-file", "--batch-check=%(objectsize)", given=b"".join(blob + b"\n" for blob, _ in blobs)).split()
    sizes = ((size_of(path), int(was), path) for (_, path), was in zip(blobs, told, strict=True))
    return [(size, path) for size, was, path in sizes if size != was]


def within(found: list[Sized], most_of_one: int, room: int) -> tuple[list[Sized], list[Sized]]:
    """What is taken and what is left out, the small ones first."""
    taken: list[Sized] = []
    out: list[Sized] = []
    for size, path in sorted(found):
        fits = size <= min(most_of_one, room)
        room -= size if fits else 0
        (taken if fits else out).append((size, path))
    return taken, out


def most_crowded(paths: list[bytes]) -> bytes:
    """The directory, as deep as possible, that has most of these files; empty for the root's own."""
    place = b""
    while True:
        below = Counter(path[len(place) :].partition(b"/") for path in paths if path.startswith(place))
        counts: Counter[bytes] = Counter()
        for (name, slash, _), count in below.items():
            counts[name + slash if slash else b""] += count
        name, count = counts.most_common(1)[0]
        if not name or (place and count * 2 < sum(counts.values())):
            return place
        place += name


def leave_directories_out(found: list[Sized], most: int) -> tuple[list[Sized], list[dict[str, object]]]:
    """What is left of so many new files, and the directories that are left out."""
    named: list[dict[str, object]] = []
    while len(found) > most:
        place = most_crowded([path for _, path in found]) if len(named) < MOST_DIRECTORIES else None
        if place == b"":
            gone = [each for each in found if b"/" not in each[1]]
        else:
            gone = [each for each in found if place is None or each[1].startswith(place)]
        told = describe(place or b"./", sum(size for size, _ in gone), len(gone))
        named.insert(0 if place is None else len(named), told if place is not None else {**told, "path": EVERY_OTHER})
        dropped = set(gone)
        found = [each for each in found if each not in dropped]
    return found, named


def describe(path: bytes, size: int, files: int = 1) -> dict[str, object]:
    """One file or directory that is left out."""
    shown = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
    return {"path": shown[:LONGEST_NAME], "bytes": size, "files": files}


def write(name: str, data: bytes) -> None:
    """For whoever asked for the tree."""
    with open(f"{SCRATCH}/{name}", "wb") as file:  # noqa: PTH123  nothing that starts inside loads pathlib
        file.write(data)


def main(base: str, most_of_one: int, most_bytes: int, most_files: int) -> None:
    """Write the tree."""
    os.umask(0o077)
    os.chdir(WORK)
    os.environ.update(
        {
            "GIT_DIR": SCRATCH, "GIT_WORK_TREE": WORK, "GIT_INDEX_FILE": f"{SCRATCH}/index",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_LITERAL_PATHSPECS": "1",
            "LC_ALL": "C.UTF-8",
        }
    )  # fmt: skip
    git("read-tree", base)
    taken, out = within(changed_in_size(), most_of_one, most_bytes)
    if out:
        git("update-index", "-z", "--assume-unchanged", "--stdin", given=joined([path for _, path in out]))
    git("add", "--update", ".")
    changed = git("diff-index", "--cached", "--raw", "-z", "--no-renames", base).count(b"\0") // 2
    # A repository within has a slash behind its name. Without one it is taken for what it is, and so refused.
    new = [path.removesuffix(b"/") for path in listed("ls-files", "-z", "--others", "--exclude-standard")]
    found, crowded = leave_directories_out([(size_of(path), path) for path in new], max(0, most_files - changed))
    kept, over = within(found, most_of_one, most_bytes - sum(size for size, _ in taken))
    git("update-index", "--add", "-z", "--stdin", given=joined([path for _, path in kept]))
    tree = git("write-tree").strip()
    objects = git("rev-list", "--objects", "--no-object-names", tree.decode(), "--not", base)
    # Without deltas, which the host does not take: what they unpack to can't be seen from outside.
    write("pack", git("pack-objects", "--quiet", "--stdout", "--window=0", "--no-reuse-delta", given=objects))
    every = [*crowded, *(describe(path, size) for size, path in sorted([*out, *over], reverse=True))]
    write("left-out", json.dumps({"named": every[:MOST_NAMED], **_sums(every)}).encode())
    write("tree", tree)


def _sums(every: list[dict[str, object]]) -> dict[str, int]:
    return {key: sum(int(str(each[key])) for each in every) for key in ("files", "bytes")}


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
