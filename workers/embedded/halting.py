"""Halting where no gateway answers: with the installation's own key, by an OS user who may read it.

Whoever can read that key can decide anything anyway, so this lets nobody do more than before. What runs on this machine
is seen to as well, since its worker may be gone along with the gateway.
"""

import asyncio
import os
from dataclasses import dataclass

from activities.archive.objects import Objects
from activities.decisions.keys import KeyUnusable, TrustedKeys
from activities.host.halting import HostHalts
from activities.host.layout import HostLayout
from activities.policy.owner_signature import OWNER, OwnersSignatures
from activities.policy.owners import OwnersFiles
from activities.policy.people import accounts
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import stage_runtime
from workers.cli.client import CommandFailed
from workers.gateway.halting import Halting
from workers.gateway.peers import acting_as, os_person
from workers.parts.halts import gateway_key, kept_halts, read_halts
from workers.sandboxes import configured_backend
from workers.settings import Settings
from workflows.models.person import Person


@dataclass(frozen=True)
class WithoutGateway:
    """What it takes."""

    settings: Settings
    objects: Objects
    halting: Halting
    person: Person

    @classmethod
    def of(cls, settings: Settings, as_: str, instead_of: CommandFailed) -> "WithoutGateway":
        """For this OS user. Raises CommandFailed: `instead_of` where there is no key to be used."""
        settings.refuse_missing_files()
        signatures = OwnersSignatures(TrustedKeys.of_role(settings.keys_location, OWNER))
        owners = OwnersFiles.at(settings.config_file, settings.security_file, signatures)
        platform = owners.platform()
        try:
            key = gateway_key(settings)
            person = os_person(f"uid:{os.geteuid()}", accounts(platform, "os"))
            person = acting_as(person, as_, platform.profile)
        except KeyUnusable as error:
            raise CommandFailed(f"{instead_of}; without it only who has its key can do this ({error})", 3) from error
        except PermissionError as error:
            raise CommandFailed(str(error)) from error
        objects = Objects.open(settings.archive_location)
        return cls(settings, objects, Halting(kept_halts(settings, objects, key), owners), person)

    async def apply(self) -> tuple[str, ...]:
        """See to the sandboxes of this machine. Ids of those that live and stand still for a halt."""
        layout = HostLayout(self.settings.hosts / self.settings.host_id())
        stage = await asyncio.to_thread(stage_runtime, self.settings.state)
        sandboxes = HostSandboxes(layout.runs, configured_backend(self.settings, stage))
        record = read_halts(self.settings, self.objects, layout.root / "halts")
        held = await HostHalts(record, sandboxes, blind_seconds=self.settings.lease_seconds).look()
        # What was killed leaves its directory behind until a worker looks after it.
        live = await asyncio.to_thread(sandboxes.live_runs)
        return tuple(run for run in held if run in live)
