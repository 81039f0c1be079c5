"""Settings of one installation: from JOURNEYMAN_* variables, with defaults that need no configuration at all.

What agents may do is not here but in the three policy files; these settings say where things are.
"""

import os
import secrets
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from activities.archive.kinds import Kind
from activities.tracing.pages import TaskPages


class SettingsInvalid(Exception):
    """A JOURNEYMAN_* variable has a value that makes no sense; the message names it."""


class StateUnusable(Exception):
    """The state directory can't be used; `mend` is the line that helps."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


ROOT_STATE = Path("/var/lib/journeyman")
RESTORING = "restore.partial"
"""In the state directory for as long as a restore is not complete; has the hash of what is restored."""


def default_state() -> Path:
    """Where state lives: the user's data directory, or for root a place that dropped uids can pass through."""
    if os.geteuid() == 0:
        return ROOT_STATE
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else Path.home() / ".local" / "share") / "journeyman"


class Settings(BaseSettings):
    """Where things are, and how much of them this machine takes."""

    model_config = SettingsConfigDict(env_prefix="JOURNEYMAN_", frozen=True, use_attribute_docstrings=True)

    state: Annotated[Path, AfterValidator(Path.absolute)] = Field(default_factory=default_state)
    """Directory of everything this installation keeps."""
    config: Path | None = None
    """The platform's `journeyman.toml`; default: that name in the state directory, if it is there."""
    security: Path | None = None
    """The security owner's `security.toml`; default: that name in the state directory, if it is there."""
    archive: str = ""
    """Folder or object store URL of the archive; default: `archive` in the state directory."""
    keys: Path | None = None
    """Directory of this process's signing key and of the public keys it trusts; default: `keys` in the state
    directory. `journeyman keys` makes them for processes that don't share one."""
    forge: Path | None = None
    """Directory of the local forge's pull requests, the same for the gateway and the api workers; default: `forge` in
    the state directory."""
    temporal_address: str = Field(default="127.0.0.1:7233", pattern=r"^[^\s/]+:\d{1,5}$")
    """Temporal's gRPC address; `up` starts a server there. Where this is not set, `worker` and `gateway` connect as
    Temporal's own `TEMPORAL_*` variables and its configuration file say, with certificates or an API key."""
    temporal_namespace: str = "default"
    """The namespace; where an address is not set, Temporal's own `TEMPORAL_NAMESPACE` counts before it."""
    payload_keys: Path | None = None
    """File of the keys with which everything that Temporal keeps is encrypted, the newest first, the same for all
    processes; `journeyman payload-key` makes its lines. Left out, Temporal's server can read it."""
    temporal_ui_port: int = Field(default=8233, ge=1, le=65535)
    """Port of the Temporal UI that `up` starts, on 127.0.0.1."""
    socket: Path | None = None
    """Unix socket by which commands reach the gateway; default: `gateway.sock` in the state directory. One that several
    OS users share is in a directory that all of them can enter, such as `/run/journeyman/gateway.sock`."""
    gateway_group: str = ""
    """OS group whose members may reach the gateway, each as the person that `[people]` says; only with
    `profile = "team"`. Left out, only the gateway's own OS user may."""
    temporal_ui: str = ""
    """Address of the Temporal UI for a `gateway` that was started apart, such as `https://temporal.example.com`; of
    workers it is the one to which pull requests link."""
    host: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")
    """Id of this host; default: made once and kept in the state directory. No two may have the same one, as a cloned
    disk gives them: each would get steps of the other's tasks, and refuse them."""
    capacity: int = Field(default=2, ge=1, le=1000)
    """Workspaces this host holds at the same time, each from prepare to release."""
    least_free_bytes: int = Field(default=2 * 1024**3, ge=0)
    """Bytes that have to be free on each disk of this installation for new work: with less the gateway refuses tasks,
    and a host leaves them in the queue."""
    least_free_inodes: int = Field(default=20_000, ge=0)
    """Files that it must still be possible to make there."""
    mirror_days: float = Field(default=30, ge=1)
    """How long a host keeps its copy of a repository that no task asks for."""
    layer_days: float = Field(default=14, ge=1)
    """How long it keeps an environment that no task uses."""
    sweep_seconds: float = Field(default=3600, ge=1)
    """How often a host looks for what has outlived that."""
    keep_transcript_days: float = Field(default=365, ge=0)
    """How long after a task has ended the archive keeps the transcripts of its runs. 0 is for ever, here and below; set
    these alike on all hosts, or the shortest counts."""
    keep_log_days: float = Field(default=90, ge=0)
    """What its agents and checks printed, as it came."""
    keep_checkpoint_days: float = Field(default=30, ge=0)
    """Checkpoints of its runs: work trees, conversations, what was handed over."""
    keep_trace_days: float = Field(default=365, ge=0)
    """Its trace."""
    keep_request_days: float = Field(default=0, ge=0)
    """The requests that its runs made at their way out."""
    keep_context_days: float = Field(default=0, ge=0)
    """What its agents were told before they started, and the manifests of that."""
    keep_patch_days: float = Field(default=0, ge=0)
    """Its patches, as bundles and diffs; what was merged is in git."""
    keep_evidence_days: float = Field(default=0, ge=0)
    """What was found out about its patches; as long as what checks printed, at least. Who decided what and the agents'
    reasoning are kept for ever."""
    cached_workflows: int = Field(default=500, ge=1)
    """Workflows kept in memory; a parked one that was dropped is replayed when somebody decides."""
    lease_seconds: float = Field(default=60, gt=0)
    """How long runs go on while this host can't reach Temporal, or read what is halted, before they are frozen."""
    lapse_seconds: float = Field(default=1800, gt=0)
    """How long they stay frozen before they are stopped, their work kept."""
    checkpoint_seconds: float = Field(default=120, ge=0)
    """How often a run's work and conversation are put aside for another host to go on with, should this one be lost;
    between two tool calls, if there is such a moment. 0 is never."""
    checkpoint_calls: int = Field(default=10, ge=1)
    """After so many tool calls it is done sooner."""
    private_registries: bool = False
    """Whether package registries that this machine's pip and npm are configured for may have private addresses, as on a
    network of the team's own."""
    host_silence_seconds: float = Field(default=300, ge=1)
    """How long a host may be silent, and then once more, before its tasks go elsewhere; of a task that was asked for
    before a change, what it was then."""

    otlp_endpoint: str = ""
    """Base URL that traces and measures are sent to by OTLP over HTTP, such as `http://127.0.0.1:4318`; the standard
    `OTEL_EXPORTER_OTLP_*` variables work too. Empty, and none of those set: they are in the archive only."""
    trace_ui: str = Field(default="", pattern=r"^(https?://[^\s<>|]*\{trace_id\}[^\s<>|]*)?$", max_length=300)
    """Address of one trace where they are looked at, with `{trace_id}` in place of its id, such as
    `https://jaeger.example.com/trace/{trace_id}`: pull requests, messages and `journeyman show` link to it."""
    metrics_address: str = Field(default="", pattern=r"^([^:/\s]+:\d{1,5})?$")
    """Address on which `worker` and `up` serve Temporal's own measures to Prometheus, such as `127.0.0.1:9464`."""

    @property
    def gateway_socket(self) -> Path:
        """Unix socket of the gateway, by which the command line reaches it."""
        return self.socket or self.state / "gateway.sock"

    def pages(self, namespace: str) -> TaskPages:
        """Where people look at the tasks of a namespace; without Temporal's if it is not known where its UI is."""
        base = self.temporal_ui.rstrip("/")
        return TaskPages(f"{base}/namespaces/{namespace}" if base else "", self.trace_ui)

    @property
    def keys_location(self) -> Path:
        """Directory of the keys, closed to everybody else."""
        return self.keys or self.state / "keys"

    @property
    def forge_location(self) -> Path:
        """Where the local forge keeps pull requests."""
        return self.forge or self.state / "forge"

    @property
    def archive_location(self) -> str:
        """Where the archive is."""
        return self.archive or str(self.state / "archive")

    @property
    def config_file(self) -> Path:
        """The platform's policy file, whether or not it exists."""
        return self.config or self.state / "journeyman.toml"

    @property
    def security_file(self) -> Path:
        """The security owner's policy file, whether or not it exists."""
        return self.security or self.state / "security.toml"

    @property
    def disks(self) -> tuple[Path, ...]:
        """Directories of this machine that work fills."""
        archive = () if "://" in self.archive_location else (Path(self.archive_location),)
        return (self.state, *archive, self.forge_location)

    def lifetimes(self) -> dict[Kind, timedelta | None]:
        """How long the archive keeps each kind of artefact after a task has ended; None is for ever."""
        days = {kind: float(getattr(self, f"keep_{kind}_days")) for kind in Kind}
        return {kind: timedelta(days=count) if count else None for kind, count in days.items()}

    @property
    def hosts(self) -> Path:
        """Directory with one directory per host id."""
        return self.state / "hosts"

    def refuse_missing_files(self) -> None:
        """Raises SettingsInvalid for a policy file that a variable names and that is not there.

        Taken for one that nobody wrote, it would drop every rule in it.
        """
        for name, file in (("CONFIG", self.config), ("SECURITY", self.security)):
            if file is not None and not file.exists():
                raise SettingsInvalid(
                    f"JOURNEYMAN_{name} names {file}, and there is no such file: its rules would not hold. Write it (it"
                    " may be empty), or leave the variable out"
                )

    def prepare_state(self) -> Path:
        """Make the state directory: closed to others, or as root passable (0711) for the uids of sandboxes.

        Raises StateUnusable.
        """
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=mode)
            self.state.chmod(mode)
            if (self.state / RESTORING).exists():
                raise StateUnusable(
                    f"a restore into {self.state} was killed or failed, and half of an installation is there",
                    f"journeyman restore DIRECTORY   # the same one again; or: rm -r {self.state}",
                )
            with tempfile.TemporaryFile(dir=self.state):
                return self.state
        except OSError as error:
            raise _unusable(self.state, error) from error

    def close_files(self) -> None:
        """Close the files of the state directory to others: as root it is passable, and they say who may do what."""
        for path in self.prepare_state().iterdir():
            if path.is_file() and not path.is_symlink() and path.stat().st_uid == os.geteuid():
                path.chmod(path.stat().st_mode & 0o770)

    def host_id(self) -> str:
        """This host's id: stable across restarts, since runs that outlived a worker are found again by it."""
        if self.host:
            return self.host
        path = self.prepare_state() / "host-id"
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_text(f"host-{secrets.token_hex(4)}")
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()


def load_settings() -> Settings:
    """The settings of this installation. Raises SettingsInvalid, which names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        told = (
            f"JOURNEYMAN_{'_'.join(str(part) for part in found['loc']).upper()} is {str(found['input'])[:80]!r}: "
            f"{found['msg'][:1].lower()}{found['msg'][1:]}"
            for found in error.errors(include_url=False)
        )
        raise SettingsInvalid("; ".join(told) + " (see docs/reference/settings.md)") from error


def _unusable(state: Path, error: OSError) -> StateUnusable:
    other = "or set JOURNEYMAN_STATE to a directory of your own"
    nearest = next(each for each in (state, *state.parents) if each.exists())
    if not nearest.is_dir():
        return StateUnusable(
            f"the state directory {state} can't be made: {nearest} is a file", f"mv {nearest} {nearest}.old   # {other}"
        )
    if nearest == state and state.stat().st_uid != os.geteuid():
        return StateUnusable(
            f"the state directory {state} belongs to another user (uid {state.stat().st_uid})",
            f"export JOURNEYMAN_STATE=$HOME/.local/share/journeyman   # or: sudo chown -R {os.geteuid()} {state}",
        )
    if isinstance(error, PermissionError):
        return StateUnusable(
            f"the state directory {state} can't be made: {nearest} is closed to this user",
            f"sudo install -d -o {os.geteuid()} {state}   # {other}",
        )
    return StateUnusable(
        f"the state directory {state} can't be used: {error.strerror}", f"df -h {nearest}   # make room there, {other}"
    )
