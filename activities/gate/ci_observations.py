"""What a forge's CI says of a commit as named signals, beside those that are reported: each is compared with itself."""

import hashlib
import re

from workflows.models.ci import CiOutcome, CiReport
from workflows.models.observation import Observation
from workflows.models.person import Person

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._/ -]+")
_LONGEST = 80
_LOG_CHARS = 1200
_FORGE = Person(id="ci")


def ci_observations(report: CiReport, address: str) -> tuple[Observation, ...]:
    """Those that are done; what still runs says nothing."""
    return tuple(
        Observation(
            repository=address,
            commit=report.commit,
            name=signal_name(check.name),
            good=check.outcome is CiOutcome.PASSED,
            detail=_detail(check.detail, check.log),
            link=check.link,
            person=_FORGE,
            observed_at=check.finished_at,
        )
        for check in report.checks
        if check.outcome is not CiOutcome.PENDING and check.finished_at is not None
    )


def signal_name(check: str) -> str:
    """Of a check, whatever it is called; two checks never have the same."""
    name = f"ci/{check}"
    plain = _NOT_IN_NAMES.sub("-", name)
    if plain == name and len(name) <= _LONGEST:
        return name
    return f"{plain[: _LONGEST - 9]}-{hashlib.sha256(check.encode()).hexdigest()[:8]}"


def _detail(words: str, log: str) -> str:
    return f"{words}\n\nThe end of its log, which code under test wrote:\n{log[-_LOG_CHARS:]}" if log else words
