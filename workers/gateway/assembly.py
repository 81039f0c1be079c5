"""Putting the gateway together from the parts of this installation."""

from dataclasses import dataclass

from fastapi import FastAPI
from temporalio.client import Client

from activities.agents.current import CurrentAdapters
from activities.archive.ended import ForgottenTasks
from activities.decisions.keys import SigningKey
from activities.decisions.signing import DecisionSigner
from activities.forge.revert_preview import RevertPreviews
from activities.policy.github_table import address
from activities.tracing.pages import TaskPages
from workers.gateway.admission import Admission
from workers.gateway.app import gateway_app, identify_by_socket
from workers.gateway.deciding import Deciding
from workers.gateway.drilling import Drilling
from workers.gateway.halting import Halting
from workers.gateway.incidents import Incidents
from workers.gateway.observing import Observing
from workers.gateway.outputs import Outputs
from workers.gateway.reading import Reading
from workers.gateway.tracing import RequestTraces
from workers.gateway.trusting import Trusting
from workers.parts.drills import read_drills
from workers.parts.halts import kept_halts
from workers.parts.shared import SharedParts


@dataclass(frozen=True)
class Gateway:
    """The application for people's commands, and what else does as they would."""

    app: FastAPI
    admission: Admission
    deciding: Deciding
    observing: Observing
    reading: Reading
    halting: Halting
    incidents: Incidents
    trusting: Trusting
    key: SigningKey
    """By which what this gateway knows is signed."""


class GroupRefused(Exception):
    """A group may reach the gateway although everybody there could act under any name."""


def members_of(parts: SharedParts) -> str:
    """The group that may reach the gateway, if any. Raises GroupRefused in the local profile."""
    group = parts.settings.gateway_group
    if group and parts.owners.platform().profile == "local":
        raise GroupRefused(
            f'JOURNEYMAN_GATEWAY_GROUP={group} needs profile = "team" in {parts.owners.platform_file}: in the local '
            "profile whoever reaches the gateway may act under any name"
        )
    return group


def gateway_of(client: Client, parts: SharedParts, *, pages: TaskPages) -> Gateway:
    """The gateway on these parts, with its signing key: made the first time, and nobody else's."""
    keys = parts.settings.keys
    signer = DecisionSigner.load(keys) if keys else DecisionSigner.load_or_create(parts.settings.keys_location)
    previews = RevertPreviews(parts.git, parts.mirrors)
    forgotten = ForgottenTasks(parts.objects)
    reading = Reading(
        client,
        parts.chains,
        parts.artifacts,
        parts.tombstones,
        forgotten,
        parts.admissions,
        parts.attested,
        parts.ends(client),
        previews,
        pages,
    )
    outputs = Outputs(reading, parts.attested, parts.artifacts, parts.settings.hosts, CurrentAdapters(parts.owners))
    traces = RequestTraces(parts.spans, parts.recorder)
    halting = Halting(kept_halts(parts.settings, parts.objects, signer.key), parts.owners)
    admission = Admission(
        client,
        parts.intents,
        parts.chains,
        parts.mirrors,
        parts.owners,
        signer,
        traces,
        parts.settings.host_silence_seconds,
        parts.room,
        halting,
    )
    deciding = Deciding(
        client, signer, reading, parts.admissions, parts.attested, parts.withdrawals, parts.host_answers
    )
    trusting = Trusting(parts.trust, parts.mirrors, parts.owners, signer, parts.why_reverts_wait)
    incidents = Incidents(parts.chains, parts.admissions, parts.attested, previews)
    observing = Observing(client, signer, parts.observations, parts.git, parts.mirrors)
    app = gateway_app(
        admission,
        deciding,
        trusting,
        observing,
        incidents,
        Drilling(client, read_drills(parts.settings, parts.objects), parts.owners),
        reading,
        outputs,
        traces,
        halting,
        identify_by_socket(parts.owners),
        lambda asked: address(parts.owners.platform().github, asked),
    )
    return Gateway(app, admission, deciding, observing, reading, halting, incidents, trusting, signer.key)
