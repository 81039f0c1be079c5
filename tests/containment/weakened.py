"""Bubblewrap's sandboxes with one guard taken away: where an attack has to succeed that this guard is there for."""

import os
from collections.abc import Callable
from pathlib import Path

import pyseccomp

from activities.sandbox.backend import Enforceable
from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.contract import SandboxSpec
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.launch import BubblewrapLaunch, Launch
from activities.sandbox.runs import LeaseTerms, Runs
from activities.sandbox.stage import Stage
from workflows.models.limits import LimitGrades

Weakening = Callable[[Launch], Launch]
_SHARED = ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")


def _options(launch: Launch) -> tuple[str, ...]:
    return BubblewrapLaunch.of(launch).options


def _with(launch: Launch, options: tuple[str, ...]) -> Launch:
    body = BubblewrapLaunch.of(launch)._replace(options=options)
    return launch._replace(body=body.as_json())


def _filtered_by(bpf: Path) -> Weakening:
    def weaken(launch: Launch) -> Launch:
        body = BubblewrapLaunch.of(launch)._replace(seccomp=str(bpf))
        return launch._replace(body=body.as_json())

    return weaken


def _drop(launch: Launch, *parts: str) -> Launch:
    """Without this run of options."""
    options = list(_options(launch))
    for start in range(len(options)):
        if tuple(options[start : start + len(parts)]) == parts:
            del options[start : start + len(parts)]
            return _with(launch, tuple(options))
    raise AssertionError(f"bubblewrap is not given {parts}, so that nothing is weakened by taking them away")


def _share(namespace: str) -> Weakening:
    """In the host's namespace of one kind."""

    def weaken(launch: Launch) -> Launch:
        kept = [option for option in _SHARED if option != f"--unshare-{namespace}"]
        dropped = _drop(launch, "--unshare-all")
        return _with(dropped, (*kept, *_options(dropped)))

    return weaken


def _see_the_host(launch: Launch) -> Launch:
    """With the host's processes in view: another namespace's /proc can't be mounted, the host's can be bound."""
    shared = _share("pid")(_drop(launch, "--proc", "/proc"))
    return _with(shared, ("--ro-bind", "/proc", "/proc", *_options(shared)))


def _unlimited(launch: Launch) -> Launch:
    """With room for whatever the suite's attacks take, which is bounded; an end comes all the same."""
    ceilings = launch.ceilings._replace(
        processes=400, disk_bytes=1 << 40, file_bytes=1 << 30, output_bytes=1 << 30, cpus=8
    )
    return launch._replace(ceilings=ceilings)


def _with_host_files(launch: Launch) -> Launch:
    """With the directory that the suite works in at its place, as it is on the host."""
    home = str(Path(launch.lease).parent.parent)
    options = _options(launch)
    at = options.index("--remount-ro")
    return _with(launch, (*options[:at], "--bind", home, home, *options[at:]))


class _WeakRuns(Runs):
    def __init__(self, directory: Path, stage: Stage, weaken: Weakening) -> None:
        super().__init__(directory, BubblewrapBackend(stage), LeaseTerms(600, 600))
        self._weaken = weaken

    def launch(self, spec: SandboxSpec, uid: int | None, enforceable: Enforceable) -> Launch:
        launch = super().launch(spec, uid, enforceable)
        # In the host's network every socket of the host counts as the sandbox's memory.
        ceilings = launch.ceilings._replace(memory_bytes=1 << 50)
        return self._weaken(launch._replace(ceilings=ceilings))


class WeakenedBubblewrap(BubblewrapSandboxes):
    """As bubblewrap's, but for one guard."""

    def __init__(self, directory: Path, stage: Stage, guard: str) -> None:
        super().__init__(directory, stage, lease_seconds=600)
        unfiltered = directory / "unfiltered.bpf"
        unfiltered.write_bytes(_no_filter())
        self._runs = _WeakRuns(directory, stage, GUARDS[guard](unfiltered))
        # What this host enforces is not the question here, and finding it out would be an attempt of its own.
        self._enforceable = Enforceable(LimitGrades())


def _no_filter() -> bytes:
    """A filter that lets everything pass, also by the other tables of calls."""
    allow = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for arch in (pyseccomp.Arch.X86, pyseccomp.Arch.X32) if os.uname().machine == "x86_64" else ():
        allow.add_arch(arch)
    descriptor = os.memfd_create("allow")
    with os.fdopen(descriptor, "w+b") as file:
        allow.export_bpf(file)
        file.seek(0)
        return file.read()


GUARDS: dict[str, Callable[[Path], Weakening]] = {
    "the seccomp filter": _filtered_by,
    "the network namespace": lambda _: _share("net"),
    "the process namespace": lambda _: _see_the_host,
    "the namespace of shared memory": lambda _: _share("ipc"),
    "limits": lambda _: _unlimited,
    "a file system of its own": lambda _: _with_host_files,
    "the read-only root": lambda _: lambda launch: _drop(launch, "--remount-ro", "/"),
    "the read-only /dev": lambda _: lambda launch: _drop(launch, "--remount-ro", "/dev"),
}
"""By the words that a report uses for them."""
