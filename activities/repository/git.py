"""Running the host's git so that nothing a repository contains or configures runs with it.

Host git never works in a tree that a sandbox could write: `status` there ran the agent's fsmonitor, `checkout` its
hooks, `diff` its filters. It reads bare repositories of our own, and writes fresh directories.
"""

import asyncio
import contextlib
import os
import pwd
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_CONFIGURATION = """[core]
\thooksPath = /dev/null
\tfsmonitor = false
\tuntrackedCache = false
\tautocrlf = false
\tsymlinks = true
[gc]
\tauto = 0
[maintenance]
\tauto = false
[transfer]
\tfsckObjects = true
[protocol]
\tallow = never
[protocol "file"]
\tallow = always
[protocol "https"]
\tallow = always
[protocol "ssh"]
\tallow = always
[protocol "git"]
\tallow = always
[submodule]
\trecurse = false
[advice]
\tdetachedHead = false
"""
_MOST_OUTPUT = 256 * 1024 * 1024
_MOST_ERROR = 4000
_CHUNK = 256 * 1024
_NOT_LET_IN = ("could not read Username", "Authentication failed")
_MEND = (
    "the credential that is configured for it does not count there, or none is; of a repository on GitHub "
    "`journeyman github check --repo REPO` tells what to mend"
)


@dataclass(frozen=True)
class Bounds:
    """What one command may use, where what it reads may be made to have no end."""

    memory_bytes: int
    """That it writes to; the repository's own files, which it maps, do not count."""
    cpu_seconds: int
    wall_seconds: float


class GitError(Exception):
    """A git command failed; the message has what it was for and what git said."""

    def __init__(self, purpose: str, said: str, code: int) -> None:
        words = said or f"git ended with code {code}"
        if any(each in said for each in _NOT_LET_IN):
            words = f"{_MEND} ({said.splitlines()[-1]})"
        super().__init__(f"{purpose} failed: {words}")
        self.said = said
        self.code = code


class RepositoryRefused(Exception):
    """The repository can't be worked on as it is; trying again will not help."""


class Git:
    """The host's git with an environment of ours alone."""

    def __init__(self, directory: Path, signing_key: Callable[[], Path | None] = lambda: None) -> None:
        """`signing_key`: of the commits that are made here, as the platform's owner has it now."""
        self._signing_key = signing_key
        directory.mkdir(parents=True, exist_ok=True)
        self._configuration = directory / "gitconfig"
        draft = directory / f"gitconfig.{os.getpid()}"
        draft.write_text(_CONFIGURATION)
        draft.chmod(0o644)
        draft.rename(self._configuration)

    async def run(
        self,
        *arguments: str,
        purpose: str,
        git_dir: Path | None = None,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        uid: int | None = None,
        accept: tuple[int, ...] = (0,),
        bounds: Bounds | None = None,
    ) -> bytes:
        """Run one command and return its output. Raises GitError; `purpose` begins its message.

        `uid`, as root: run as this user, so that what is written in somebody's repository stays theirs.
        """
        try:
            async with asyncio.timeout(bounds.wall_seconds if bounds else None):
                code, out, error = await self._execute(arguments, git_dir, stdin, environment or {}, uid, bounds)
        except TimeoutError as late:
            raise _too_long(purpose) from late
        if code not in accept:
            raise GitError(purpose, self._told(error), code)
        return out

    def commit_tree(self, *arguments: str, sign: bool = True) -> tuple[str, ...]:
        """The command that makes a commit, signed with the owner's key if there is one."""
        key = self._signing_key() if sign else None
        if key is None:
            return ("commit-tree", *arguments)
        # The program, too: a repository's own configuration names none.
        by = ("-c", "gpg.format=ssh", "-c", "gpg.ssh.program=ssh-keygen", "-c", f"user.signingKey={key}")
        return (*by, "commit-tree", "-S", *arguments)

    async def line(self, *arguments: str, purpose: str, git_dir: Path | None = None, uid: int | None = None) -> str:
        """The output of a command as one stripped line."""
        return (await self.run(*arguments, purpose=purpose, git_dir=git_dir, uid=uid)).decode(errors="replace").strip()

    async def write(
        self,
        *arguments: str,
        purpose: str,
        git_dir: Path,
        to: BinaryIO,
        most: int,
        bounds: Bounds | None = None,
    ) -> bool:
        """Write a command's output to a file. False if it is longer than `most` bytes: the rest is not made.

        Raises GitError.
        """
        try:
            async with asyncio.timeout(bounds.wall_seconds if bounds else None):
                return await self._write(arguments, purpose, git_dir, to, most, bounds)
        except TimeoutError as late:
            raise _too_long(purpose) from late

    async def _write(
        self,
        arguments: tuple[str, ...],
        purpose: str,
        git_dir: Path,
        to: BinaryIO,
        most: int,
        bounds: Bounds | None,
    ) -> bool:
        process = await self._start(arguments, git_dir, None, {}, None, bounds)
        assert process.stdout is not None
        assert process.stderr is not None
        said = asyncio.create_task(process.stderr.read())
        try:
            while (data := await process.stdout.read(_CHUNK)) and to.tell() <= most:
                to.write(data)
            if data:
                return False
            error = await said
            if code := await process.wait():
                raise GitError(purpose, self._told(error), code)
        finally:
            said.cancel()
            await _end(process)
        return True

    async def exit_code(self, *arguments: str, git_dir: Path, uid: int | None = None) -> int:
        """The exit code of a command that answers by it."""
        return (await self._execute(arguments, git_dir, None, {}, uid))[0]

    async def _execute(
        self,
        arguments: tuple[str, ...],
        git_dir: Path | None,
        stdin: bytes | None,
        environment: Mapping[str, str],
        uid: int | None,
        bounds: Bounds | None = None,
    ) -> tuple[int, bytes, bytes]:
        process = await self._start(arguments, git_dir, stdin, environment, uid, bounds)
        try:
            out, error = await process.communicate(stdin)
        except BaseException:
            await _end(process)
            raise
        return process.returncode or 0, out, error

    async def _start(
        self,
        arguments: tuple[str, ...],
        git_dir: Path | None,
        stdin: bytes | None,
        environment: Mapping[str, str],
        uid: int | None,
        bounds: Bounds | None = None,
    ) -> asyncio.subprocess.Process:
        drop: dict[str, object] = (
            {"user": uid, "group": group_of(uid), "extra_groups": []} if uid and os.geteuid() == 0 else {}
        )
        bounded = (
            ("prlimit", f"--data={bounds.memory_bytes}", f"--cpu={bounds.cpu_seconds}", "--core=0") if bounds else ()
        )
        return await asyncio.create_subprocess_exec(
            *bounded,
            "git",
            *((f"--git-dir={git_dir}",) if git_dir is not None else ()),
            # Command scope: not even the repository's own configuration can set these again.
            *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false"),
            "--no-pager",
            *arguments,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment() | dict(environment),
            cwd="/",
            start_new_session=True,
            limit=_MOST_OUTPUT,
            **drop,  # type: ignore[arg-type]
        )

    def _told(self, error: bytes) -> str:
        """What git said, for people and agents: where this host keeps its own things is not for them."""
        said = error.decode(errors="replace").replace(str(self._configuration.parent.parent), "$JOURNEYMAN_STATE")
        return said.strip()[-_MOST_ERROR:]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._configuration),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_PROTOCOL_FROM_USER": "0",
            # Goes before every configuration, so that no repository can have `ext::` run a program.
            "GIT_ALLOW_PROTOCOL": "file:git:https:ssh",
            "GIT_NO_LAZY_FETCH": "1",
        }


def _too_long(purpose: str) -> GitError:
    return GitError(purpose, "it took too long", 1)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def group_of(uid: int) -> int:
    """A user's own group; one of the same number for a user that has no name."""
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid
