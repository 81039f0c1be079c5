"""Where everything of one gateway is, and who may read it."""

import os
from dataclasses import dataclass
from pathlib import Path

ENVOY_UID = 209_999
"""Just below the pool of the sandboxes' uids, and never one of them."""
METER_UID = 209_998
"""The meter's: it reads what providers answer, and must not be able to read their keys, as Envoy is."""


class GatewayError(Exception):
    """The egress gateway can't do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Places:
    """Sandboxes pass through `root` and `sandboxes` without listing them, and reach nothing else."""

    root: Path

    @property
    def config(self) -> Path:
        """What Envoy reads: written by the worker, readable by Envoy."""
        return self.root / "config"

    @property
    def secrets(self) -> Path:
        """The keys that Envoy adds: written by the worker, readable by Envoy."""
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        """What Envoy writes, and the admin socket; nobody else's."""
        return self.root / "envoy"

    @property
    def sandboxes(self) -> Path:
        return self.root / "sandboxes"

    @property
    def kept(self) -> Path:
        """The worker's own: what should be open, and the records of what was closed."""
        return self.root / "kept"

    @property
    def policies(self) -> Path:
        """What the meter is told of each sandbox: written by the worker, readable by the meter."""
        return self.root / "meter" / "policies"

    @property
    def usage(self) -> Path:
        """The meter's books, which it alone writes."""
        return self.root / "meter" / "usage"

    @property
    def meter(self) -> Path:
        """The meter's sockets, for Envoy and the worker."""
        return self.root / "meter" / "run"

    @property
    def admin(self) -> Path:
        return self.logs / "admin.sock"

    def from_root(self, socket: Path) -> Path:
        """A socket as both processes are told it: relative to `root`, where they run. Paths of sockets are short."""
        return socket.relative_to(self.root)

    def make(self) -> None:
        """Create what is missing, each readable by whom it concerns. Raises GatewayError if Envoy can't get there."""
        as_root = os.geteuid() == 0
        self.root.mkdir(parents=True, exist_ok=True)
        for path, owner, group, mode in (
            (self.root, 0, 0, 0o711),
            (self.config, 0, ENVOY_UID, 0o750),
            (self.secrets, 0, ENVOY_UID, 0o750),
            (self.logs, ENVOY_UID, ENVOY_UID, 0o700),
            (self.sandboxes, 0, 0, 0o711),
            (self.kept, 0, 0, 0o700),
            (self.root / "meter", 0, 0, 0o711),
            (self.policies, 0, METER_UID, 0o750),
            (self.usage, METER_UID, METER_UID, 0o700),
            # Set-group-id, so that the socket that the meter makes is Envoy's group's.
            (self.meter, METER_UID, ENVOY_UID, 0o2750),
        ):
            path.mkdir(exist_ok=True)
            if as_root:
                os.chown(path, owner, group)
            path.chmod(mode if as_root else 0o700)
        closed = [parent for parent in self.root.parents if as_root and not parent.stat().st_mode & 0o001]
        if closed:
            raise GatewayError(
                f"the egress gateway can't run in {self.root}: {closed[-1]} is closed to its unprivileged user; "
                f"choose another state directory, or run `chmod o+x {closed[-1]}`"
            )


def write_aside(path: Path, text: str) -> None:
    """Replace a file in one step, as Envoy expects: it watches for renames. Group and mode are the directory's."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        if os.geteuid() == 0:
            os.fchown(descriptor, 0, path.parent.stat().st_gid)
        os.fchmod(descriptor, 0o640)
    draft.rename(path)
