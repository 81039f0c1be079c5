"""What was observed of commits, by the gateways' word: one chain for each commit of each repository."""

import hashlib
from datetime import datetime

from pydantic import ValidationError

from activities.archive.contract import TaskChains
from activities.decisions.signing import DecisionVerifier, SignatureRefused
from workflows.models.observation import Observation, SignedObservation

FOLDER = "observations"
"""Of these chains."""
OBSERVATION = "observation"
_MOST = 200
"""Of one commit that are read: more say no more."""


class Observations:
    """Reads and keeps them."""

    def __init__(self, chains: TaskChains, verifier: DecisionVerifier) -> None:
        self._chains = chains
        self._verifier = verifier

    async def keep(self, signed: SignedObservation) -> None:
        """Put one on record, once."""
        seen = signed.observation
        entry = f"{OBSERVATION}-{signed.signature[:32]}"
        await self._chains.append(
            _name(seen.repository, seen.commit), entry, OBSERVATION, signed.model_dump(mode="json")
        )

    async def of(self, repository: str, commit: str) -> tuple[Observation, ...]:
        """Those of one commit that a gateway signed, in order."""
        found = []
        for entry in (await self._chains.entries(_name(repository, commit)))[-_MOST:]:
            try:
                signed = SignedObservation.model_validate(entry.data)
                self._verifier.verify_observation(signed)
            except (ValidationError, SignatureRefused):
                continue
            seen = signed.observation
            if (seen.repository, seen.commit) == (repository, commit):
                found.append(seen)
        return tuple(found)


def turned_red(
    before: tuple[Observation, ...], since: tuple[tuple[Observation, ...], ...], until: datetime
) -> Observation | None:
    """The first signal that a merge turned from good, or from unknown, to bad. Pure.

    `before`: of the commit that it was merged onto; `since`: of the merge and of each later commit of base, in order;
    `until`: later observations come too late. One that was bad before is not the merge's doing, and neither is one that
    was good with the merge and bad with a later commit. Of one commit the newest of each name counts.
    """
    settled = {name for name, seen in _newest(before, until).items() if not seen.good}
    for commit in since:
        for name, seen in _newest(commit, until).items():
            if name in settled:
                continue
            if not seen.good:
                return seen
            settled.add(name)
    return None


def _newest(observations: tuple[Observation, ...], until: datetime) -> dict[str, Observation]:
    return {seen.name: seen for seen in observations if seen.observed_at <= until}


def _name(repository: str, commit: str) -> str:
    return hashlib.sha256(f"{repository}\0{commit}".encode()).hexdigest()[:40]
