"""The parts that every process has: the record, the repositories, and the keys whose signatures count.

No private key is among them: a gateway signs with its own, workers with theirs, and each has only the other's public
half. So a worker that was taken over can't decide anything, nor a gateway attest anything.
"""

import asyncio
from dataclasses import dataclass
from functools import cached_property

from temporalio.client import Client

from activities.archive.artifacts import Artifacts
from activities.archive.chains import Chains
from activities.archive.ended import EndedTasks
from activities.archive.intents import Intents
from activities.archive.objects import Objects
from activities.archive.schema import require_current
from activities.archive.tombstones import SignedTombstones
from activities.decisions.admissions import Admissions
from activities.decisions.attested import WORKER, Attested
from activities.decisions.authority import Authority
from activities.decisions.drills import FOLDER as DRILLS
from activities.decisions.drills import Drills
from activities.decisions.host_answers import FOLDER, HostAnswers
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.observations import FOLDER as OBSERVATIONS
from activities.decisions.observations import Observations
from activities.decisions.package_answers import PackageAnswers
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import GATEWAY, DecisionVerifier
from activities.decisions.trust import FOLDER as TRUST
from activities.decisions.trust import TrustRecords
from activities.decisions.withdrawals import Withdrawals
from activities.forge.by_repository import ForgeByRepository
from activities.forge.contract import Forge
from activities.forge.github.access import GitHubAccess
from activities.forge.github.files import GitHubFiles
from activities.forge.github.forge import GitHubForge
from activities.forge.github.reverts import Reverts
from activities.forge.local import FORGE as LOCAL
from activities.forge.local import LocalForge
from activities.gate.gate import Gate
from activities.gate.watching import BaseWatch
from activities.host.layout import HostLayout
from activities.host.room import Room
from activities.policy.current import CurrentPolicy
from activities.policy.github_table import FORGE as GITHUB
from activities.policy.owner_signature import OWNER, OwnersSignatures
from activities.policy.owners import OwnersFiles
from activities.policy.reading import read_platform, read_security
from activities.repository.git import Git
from activities.repository.mirror import Mirrors
from activities.repository.patches import Patches
from activities.tracing.forge import TracedForge
from activities.tracing.otlp import OtlpSender, is_configured
from activities.tracing.recorder import Recorder
from activities.tracing.store import SpanStore
from activities.tracing.traces import Traces
from workers.ends import Ends
from workers.parts.github import GitHubIdentities, github_identities
from workers.settings import Settings


@dataclass(frozen=True)
class SharedParts:
    """What a worker and a gateway have in common."""

    settings: Settings
    host: str
    layout: HostLayout
    owners: OwnersFiles
    git: Git
    objects: Objects
    identities: GitHubIdentities
    mirrors: Mirrors
    room: Room
    artifacts: Artifacts
    tombstones: SignedTombstones
    patches: Patches
    chains: Chains
    intents: Intents
    verifier: DecisionVerifier
    admissions: Admissions
    withdrawals: Withdrawals
    policies: CurrentPolicy
    gateways: TrustedKeys
    """Whose word about decisions, admissions and what was forgotten counts."""
    workers: TrustedKeys
    """Whose word about runs, patches, evidence and merges counts."""
    spans: SpanStore
    recorder: Recorder
    traces: Traces

    @property
    def github(self) -> GitHubAccess:
        """As whom all work there is done."""
        return self.identities.working

    @cached_property
    def forge(self) -> Forge:
        """Where patches land; made for those who act on it, since not every process can write there."""
        forges: dict[str, Forge] = {
            LOCAL: LocalForge(self.git, self.settings.forge_location),
            GITHUB: GitHubForge(
                self.git,
                self.mirrors,
                self.identities.working,
                reverting=self.identities.reverting,
                reviewing=self.identities.reviewing,
            ),
        }
        return TracedForge(ForgeByRepository(forges), self.recorder)

    @cached_property
    def authority(self) -> Authority:
        """Whose decisions hold."""
        return Authority(self.verifier, self.admissions, self.attested, self.withdrawals, self.owners.security)

    @cached_property
    def host_answers(self) -> HostAnswers:
        """What people answered about hosts."""
        return HostAnswers(self.chains, Chains(self.objects, FOLDER, self.gateways), self.verifier, self.authority)

    @cached_property
    def package_answers(self) -> PackageAnswers:
        """What people answered about packages."""
        return PackageAnswers(self.chains, self.verifier, self.authority)

    @cached_property
    def ended(self) -> EndedTasks:
        """Which tasks have ended, by the day."""
        return EndedTasks(self.objects)

    @cached_property
    def trust(self) -> TrustRecords:
        """What kinds of task have earned, to be read, and changed by people."""
        return self._trust(SignedRecord(self._trust_chains, self.workers))

    def demoting(self) -> TrustRecords:
        """The same, to be lowered too because of what came of a task: with the worker's key."""
        return self._trust(SignedRecord(self._trust_chains, self.workers, self._worker_key()))

    def _trust(self, attesting: SignedRecord) -> TrustRecords:
        return TrustRecords(self._trust_chains, self.verifier, attesting, self.owners.security)

    @property
    def _trust_chains(self) -> Chains:
        return Chains(self.objects, TRUST, self.gateways)

    @cached_property
    def gate(self) -> Gate:
        """What may happen to patches without a person."""
        return Gate(self.git, self.mirrors, self.patches, self.artifacts, self.trust, self.owners)

    @cached_property
    def observations(self) -> Observations:
        """What was observed of commits."""
        return Observations(Chains(self.objects, OBSERVATIONS, self.gateways), self.verifier)

    @cached_property
    def watch(self) -> BaseWatch:
        """Whether base has turned red by a merge."""
        return BaseWatch(self.git, self.mirrors, self.observations, self.admissions, self.attested, self.forge)

    async def why_reverts_wait(self, url: str) -> str:
        """What keeps reverts from base of a repository, for people; empty if nothing does, as on this machine."""
        table = self.owners.platform().github
        if table is None or not url.startswith(f"{table.web}/"):
            return ""
        return await Reverts(self.identities.reverting).refusal(url)

    def drilling(self) -> Drills:
        """What came of drills, to be added to with the worker's key."""
        return Drills(Chains(self.objects, DRILLS, self.gateways), self.workers, self._worker_key())

    @property
    def attested(self) -> Attested:
        """What workers have put on record, to be read."""
        return Attested(SignedRecord(self.chains, self.workers))

    def attesting(self) -> Attested:
        """The same, to be added to: with the worker's key of this installation, made if missing."""
        return Attested(SignedRecord(self.chains, self.workers, self._worker_key()))

    def removing(self) -> SignedTombstones:
        """What says what was removed, to be added to with the same key."""
        return SignedTombstones(self.objects, self.workers, self._worker_key())

    def _worker_key(self) -> SigningKey:
        directory = self.settings.keys
        if directory is None:
            return SigningKey.load_or_create(self.settings.keys_location, WORKER)
        return SigningKey.load(directory, WORKER, GATEWAY)

    def ends(self, client: Client) -> Ends:
        """What notices tasks that ended without saying so."""
        return Ends(client, self.chains, self.ended, self.admissions, self.attested, self.forge, self.recorder)

    async def probe(self) -> None:
        """Raises ArchiveError if the archive can't be used, or is of another version, before any work depends on it."""
        await self.objects.probe()
        await require_current(self.objects)

    async def close(self) -> None:
        """Write and send what is known of traces and measures; the last thing a process does with its parts."""
        await asyncio.to_thread(self.recorder.close)

    @classmethod
    def load(cls, settings: Settings) -> "SharedParts":
        """Read the settings and policy files and build everything. Raises PolicyRefusal for an invalid file."""
        state = settings.prepare_state()
        settings.refuse_missing_files()
        signatures = OwnersSignatures(TrustedKeys.of_role(settings.keys_location, OWNER))
        owners = OwnersFiles.at(settings.config_file, settings.security_file, signatures)
        # Told as a mistake in the file and not as a change of it: what follows reads both again.
        read_platform(owners.platform_file)
        read_security(owners.security_file, signatures.refuse_unsigned)
        host = settings.host_id()
        settings.close_files()
        layout = HostLayout(settings.hosts / host)
        git = Git(state / "git", lambda: owners.platform().signing_key)
        identities = github_identities(owners)
        github = identities.working
        mirrors = Mirrors(layout.mirrors, git, github.git_environment, GitHubFiles(github).read)
        objects = Objects.open(settings.archive_location)
        workers = TrustedKeys.of_role(settings.keys_location, WORKER)
        gateways = TrustedKeys.of_role(settings.keys_location, GATEWAY)
        tombstones, chains = SignedTombstones(objects, workers), Chains(objects, erasers=gateways)
        artifacts = Artifacts(objects, tombstones)
        spans = SpanStore(objects)
        sender = OtlpSender(settings.otlp_endpoint, host) if is_configured(settings.otlp_endpoint) else None
        recorder = Recorder(spans, sender)
        verifier = DecisionVerifier(gateways)
        return cls(
            settings=settings,
            host=host,
            layout=layout,
            owners=owners,
            git=git,
            objects=objects,
            identities=identities,
            mirrors=mirrors,
            room=Room(settings.disks, least_bytes=settings.least_free_bytes, least_inodes=settings.least_free_inodes),
            artifacts=artifacts,
            tombstones=tombstones,
            patches=Patches(git, artifacts),
            chains=chains,
            intents=Intents(objects),
            verifier=verifier,
            admissions=Admissions(chains, verifier),
            withdrawals=Withdrawals(chains, verifier),
            policies=CurrentPolicy(mirrors, owners),
            gateways=gateways,
            workers=workers,
            spans=spans,
            recorder=recorder,
            traces=Traces(recorder),
        )
