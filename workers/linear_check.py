"""`journeyman linear check`: walks what is set up in Linear step by step, with the line that mends what is missing."""

import asyncio

from activities.policy.reading import read_platform
from activities.tracker.linear.access import LinearAccess
from activities.tracker.linear.examination import Examination
from workers.findings import Finding
from workers.settings import Settings


def examine_linear(settings: Settings) -> list[Finding]:
    """Look at everything. Raises PolicyRefusal for an invalid file."""
    table = read_platform(settings.config_file).linear
    if table is None:
        mend = f"write [linear] into {settings.config_file}, as docs/how-to/linear.md shows"
        return [Finding(name="Linear", ok=False, detail="none is configured", mend=mend)]
    looked = asyncio.run(Examination(table, LinearAccess(lambda: table)).steps())
    return [Finding(name=one.name, ok=one.ok, detail=one.detail, mend="" if one.ok else one.mend) for one in looked]
