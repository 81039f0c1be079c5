"""What the adapters of vendors' command lines have in common: a toolchain, a provider, a prompt on standard input."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from activities.agents.adapter import (
    PROMPT,
    SESSION,
    TOOLCHAIN,
    Hang,
    Launch,
    Session,
    Toolchain,
    Verdict,
    hangs_of,
)
from activities.agents.model_provider import Provider
from activities.agents.verdict import judge_by_result
from activities.egress.contract import BrokeredService, Endpoint, UsageDialect
from activities.policy.agent_tables import AgentEntry
from activities.sandbox.bubblewrap import HOME, PATH
from activities.sandbox.contract import INPUT, Mount
from workflows.models.policy import PolicyRefusal
from workflows.models.run import HangKind, RunEnd
from workflows.models.transcript import TranscriptEvent


class VendorCli:
    """The part of adapter.AgentAdapter that is the same for each; a vendor's class adds what is its own."""

    TOOLCHAIN: ClassVar[Toolchain]
    HANGS: ClassVar[Mapping[HangKind, float]]
    """Seconds."""
    DIALECTS: ClassVar[tuple[UsageDialect, ...]]
    """What it can speak, the one it speaks unless told otherwise first."""
    EXTRA: ClassVar[tuple[Endpoint, ...]] = ()

    def __init__(self, name: str, entry: AgentEntry, provider: Provider | None) -> None:
        """Raises PolicyRefusal if the entry lacks what a vendor's command line needs."""
        lacking = [key for key in ("provider", "model") if not getattr(entry, key)]
        if lacking or provider is None:
            key = lacking[0] if lacking else "provider"
            raise PolicyRefusal(
                f"journeyman.toml: [agents.{name}] needs `{key}`: adapter {entry.adapter!r} has to be told which of "
                f"[providers.NAME] it asks and for which model"
            )
        if entry.command:
            raise PolicyRefusal(
                f"journeyman.toml: [agents.{name}] sets `command`, which is for adapter 'command' only; write what "
                f"{entry.adapter!r} should be given besides into `arguments`"
            )
        self.dialect = entry.dialect or self.DIALECTS[0]
        if self.dialect not in self.DIALECTS:
            raise PolicyRefusal(
                f"journeyman.toml: `agents.{name}.dialect` = '{entry.dialect}' is not spoken by {entry.adapter!r}: "
                f"leave it out, or use one of {', '.join(self.DIALECTS)}"
            )
        self._name = name
        self._entry = entry
        self._provider = provider

    @property
    def name(self) -> str:
        return self._name

    @property
    def model(self) -> str:
        return self._entry.model

    @property
    def credential(self) -> Literal["broker", "inside"]:
        return self._entry.credential

    @property
    def toolchain(self) -> Toolchain | None:
        return self.TOOLCHAIN

    @property
    def services(self) -> tuple[BrokeredService, ...]:
        return (self._provider.service(self.dialect, self.EXTRA),)

    @property
    def hangs(self) -> tuple[Hang, ...]:
        return hangs_of(self.HANGS, self._entry.hangs.stated())

    def started(
        self,
        prompt_dir: Path,
        session: Session | None,
        command: Sequence[str],
        environment: Mapping[str, str],
    ) -> Launch:
        """The launch of one of the toolchain's programs, with the prompt on its standard input.

        An argument can't hold more than 128 KiB (MAX_ARG_STRLEN), and a prompt can.
        """
        mounts = [Mount(source=prompt_dir, target=INPUT)]
        if session:
            mounts.append(Mount(source=session.directory, target=SESSION, writable=True))
        mounts += [Mount(source=mount.source, target=mount.target) for mount in self._entry.mounts]
        return Launch(
            command=("sh", "-c", f'exec "$@" < {PROMPT}', "sh", *command),
            environment={"PATH": f"{TOOLCHAIN}/bin:{PATH}", **environment, **self._entry.environment},
            mounts=tuple(mounts),
        )

    def judge(self, events: Sequence[TranscriptEvent], exit_code: int | None, end: RunEnd) -> Verdict:
        return judge_by_result(self._name, events, exit_code, end)


def kept(session: Session | None, otherwise: str) -> str:
    """The directory inside that a command line keeps its sessions in: a host's, or one of the home's."""
    return SESSION if session else f"{HOME}/{otherwise}"
