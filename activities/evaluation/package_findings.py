"""What is found about packages that a patch brings by its lock files."""

from collections.abc import Iterator

from activities.evaluation.judged import Judged
from workflows.models.evidence import Finding, Severity

_SHOWN = 20


def packages(judged: Judged) -> Iterator[Finding]:
    """What was not installed, and what was: both are for a person to look at, since the code of either runs later."""
    brought = judged.packages
    path = brought.lock_files[0] if brought.lock_files else ""
    if brought.broken:
        message = f"the environment can't be made with the changed lock files: {brought.broken}"
        yield Finding(rule="environment-broken", severity=Severity.BLOCKER, message=message, path=path)
    elif brought.refused or brought.open:
        why = brought.refused or f"nobody has allowed {', '.join(brought.open[:_SHOWN])}"
        more = f" and {len(brought.open) - _SHOWN} more" if not brought.refused and len(brought.open) > _SHOWN else ""
        message = f"checks ran with the packages that base has, since {why}{more}"
        yield Finding(rule="packages-not-allowed", severity=Severity.PERSON, message=message, path=path)
    elif brought.installed:
        message = f"brings {', '.join(brought.installed[:_SHOWN])}"
        yield Finding(rule="packages-brought", severity=Severity.PERSON, message=message, path=path)
