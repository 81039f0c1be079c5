"""The guards of bubblewrap's sandboxes, and how each is left out of its options."""

import os
from pathlib import Path

import pyseccomp

from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.launch import BubblewrapLaunch, Launch
from activities.sandbox.stage import Stage
from tests.containment.attempt import NotApplicable
from tests.containment.weakened import Weakened, Weakening, suite_home, unlimited

_SHARED = ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")


def weakened(stage: Stage, directory: Path, guard: str) -> Weakened:
    """Bubblewrap's sandboxes without one guard. Raises NotApplicable."""
    if guard in LACKING:
        raise NotApplicable(LACKING[guard])
    if guard == FILTER:
        directory.mkdir(parents=True)
        return Weakened(directory, BubblewrapBackend(stage), _filtered_by(directory / "unfiltered.bpf"))
    return Weakened(directory, BubblewrapBackend(stage), GUARDS[guard])


def _options(launch: Launch) -> tuple[str, ...]:
    return BubblewrapLaunch.of(launch).options


def _with(launch: Launch, options: tuple[str, ...]) -> Launch:
    body = BubblewrapLaunch.of(launch)._replace(options=options)
    return launch._replace(body=body.as_json())


def _filtered_by(bpf: Path) -> Weakening:
    bpf.write_bytes(_no_filter())

    def weaken(launch: Launch) -> Launch:
        body = BubblewrapLaunch.of(launch)._replace(seccomp=str(bpf))
        return launch._replace(body=body.as_json())

    return weaken


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


def _with_host_files(launch: Launch) -> Launch:
    """With the directory that the suite works in at its place, as it is on the host."""
    home = suite_home(launch)
    options = _options(launch)
    at = options.index("--remount-ro")
    return _with(launch, (*options[:at], "--bind", home, home, *options[at:]))


FILTER = "the seccomp filter"
LACKING = {
    "the bar to new rights": "bubblewrap itself bars new rights, always, and there is no image to bring programs"
}
"""Guards that can't be left out, and why."""
GUARDS: dict[str, Weakening] = {
    "the network namespace": _share("net"),
    "the process namespace": _see_the_host,
    "the namespace of shared memory": _share("ipc"),
    "limits": unlimited,
    "a file system of its own": _with_host_files,
    "the read-only root": lambda launch: _drop(launch, "--remount-ro", "/"),
    "the read-only /dev": lambda launch: _drop(launch, "--remount-ro", "/dev"),
}
"""By the words that a report uses for them; beside the filter of calls, which takes a file."""
