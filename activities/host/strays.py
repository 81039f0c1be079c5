"""What belongs to no placement any more: begun for one that was given back meanwhile.

An attempt of a step can go on after Temporal has given it up, since its worker stood still or Temporal itself did. The
next attempt does the work, the placement is given back, and the first one wakes up and opens a way out, say.
"""

import re
from collections.abc import Iterable

from activities.host.placements import Held

_BELONGS = re.compile(r"(?:export-)?(?P<prefix>(?P<task>[a-z0-9]{10})-\d{1,9})(?:[-.].*)?")
"""Names of what a placement has; see layout.workspace_name."""


def strays(names: Iterable[str], held: Iterable[Held]) -> dict[str, str]:
    """Which placements have something here although nobody holds them: what begins its names, and the task.

    `names`: of runs, directories and listeners, read before `held` was: what is made has a placement before it.
    """
    prefixes = {prefix for each in held for prefix in each.prefixes}
    found = (match for name in names if (match := _BELONGS.fullmatch(name)) is not None)
    return {match["prefix"]: match["task"] for match in found if match["prefix"] not in prefixes}
