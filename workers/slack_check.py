"""`journeyman slack check`: walks what is set up in Slack step by step, with what mends what is missing."""

from activities.chat.slack.access import SlackAccess
from activities.chat.slack.examination import Examination
from activities.policy.reading import read_platform
from workers.findings import Finding
from workers.settings import Settings


async def examine_slack(settings: Settings) -> list[Finding]:
    """Look at everything. Raises PolicyRefusal for an invalid file."""
    platform = read_platform(settings.config_file)
    table = platform.slack
    if table is None:
        mend = f"write [slack] into {settings.config_file}, as docs/how-to/slack.md shows"
        return [Finding(name="Slack", ok=False, detail="none is configured", mend=mend)]
    looked = await Examination(platform, table, SlackAccess(lambda: table)).steps()
    return [Finding(name=one.name, ok=one.ok, detail=one.detail, mend="" if one.ok else one.mend) for one in looked]
