"""The backends that are attacked. A new one is one entry here: how to open its sandboxes in a directory."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from activities.sandbox.bubblewrap_backend import BubblewrapBackend
from activities.sandbox.container.backend import ContainerBackend
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import Stage
from tests.containment import weakened_bubblewrap, weakened_containers
from tests.support.engines import Podman, serving

LEASE_SECONDS = 600
"""Nobody renews a lease here, and a slow machine must not freeze an attack halfway."""
_HOSTILE = (
    # Whatever of the system is read-only inside is so by the sandbox alone, and there are rights to be gained.
    "RUN chmod 1777 / /etc /opt /usr /usr/bin /usr/lib /usr/local /usr/local/bin /var /root",
    "RUN cp /usr/bin/cat /usr/bin/cat-as-root && chmod 6755 /usr/bin/cat-as-root && chmod 0666 /etc/passwd /etc/group",
    "ENV LD_DEBUG=none PYTHONPATH=/work BASH_ENV=/work/planted",
    'ENTRYPOINT ["sh", "-c", "exit 1"]',
    "USER root",
)
"""Containers are attacked with the worst image that a team could bring."""


class Unavailable(Exception):
    """This machine can't run the backend; the message says why."""


@dataclass(frozen=True)
class Attacked:
    """One backend."""

    sandboxes: HostSandboxes
    weakened: Callable[[Path, str], HostSandboxes]
    """In a directory of their own, the same sandboxes without one guard. Raises NotApplicable."""


def plain(directory: Path, stage: Stage) -> Attacked:
    """By bubblewrap, which every machine has."""
    sandboxes = HostSandboxes(directory, BubblewrapBackend(stage), lease_seconds=LEASE_SECONDS)
    return Attacked(sandboxes, partial(weakened_bubblewrap.weakened, stage))


@contextmanager
def _bubblewrap(directory: Path, stage: Stage) -> Iterator[Attacked]:
    yield plain(directory, stage)


@contextmanager
def _container(directory: Path, stage: Stage) -> Iterator[Attacked]:
    """By a Podman of the suite's own."""
    if reason := Podman.why_not():
        raise Unavailable(reason)
    # A name of its own: whoever is ready first removes what it has built.
    name = f"localhost/journeyman-test-hostile:{os.urandom(4).hex()}"
    with serving(Podman.name) as engine:
        backend = ContainerBackend(stage, socket=str(engine.socket), image=engine.build(name, *_HOSTILE))
        sandboxes = HostSandboxes(directory, backend, lease_seconds=LEASE_SECONDS)
        yield Attacked(sandboxes, partial(weakened_containers.weakened, backend))


BACKENDS: dict[str, Callable[[Path, Stage], AbstractContextManager[Attacked]]] = {
    "bubblewrap": _bubblewrap,
    "container": _container,
}
"""By name. Opening one raises Unavailable where this machine has not what it takes."""
