"""`journeyman github check`: walks a GitHub installation step by step, with the line that mends what is missing."""

import stat

from activities.forge.github.access import GitHubAccess
from activities.forge.github.examination import Examination
from activities.policy.github_table import GitHubTable, github_repository
from activities.policy.reading import read_platform
from workers.findings import Finding
from workers.settings import Settings
from workflows.models.policy import PolicyRefusal


def examine_github(settings: Settings, repository: str) -> list[Finding]:
    """Look at everything. `repository`: as it is typed, or empty. Raises PolicyRefusal for an invalid file or name."""
    table = read_platform(settings.config_file).github
    if table is None:
        mend = f"write [github] into {settings.config_file}, as docs/how-to/github.md shows"
        return [Finding(name="GitHub", ok=False, detail="none is configured", mend=mend)]
    reviewing = _as(table.reviewing) if table.reviewing is not None else None
    examination = Examination(table, _as(table), _as(table.reverting), reviewing)
    looked = examination.steps(_url(table, repository) if repository else "")
    return _open_to_others(table) + [
        Finding(name=one.name, ok=one.ok, detail=one.detail, mend="" if one.ok else one.mend) for one in looked
    ]


def _open_to_others(table: GitHubTable) -> list[Finding]:
    """The files with credentials that everybody on this machine may read; whether they are there is told elsewhere."""
    token = table.token.file if table.token is not None else None
    keys = [app.private_key for app in (table, table.reverts, table.reviews) if app is not None]
    named = [*keys, token, *(table.webhooks.secrets if table.webhooks else ())]
    return [
        Finding(name="credential", ok=False, detail=f"everybody here may read {file}", mend=f"chmod o= {file}")
        for file in dict.fromkeys(filter(None, named))
        if file.is_file() and file.stat().st_mode & stat.S_IROTH
    ]


def _url(table: GitHubTable, repository: str) -> str:
    found = github_repository(table, repository)
    if found is None:
        raise PolicyRefusal(f"{repository!r} is not on {table.web}: give github:OWNER/NAME or its address")
    return found.url


def _as(table: GitHubTable) -> GitHubAccess:
    return GitHubAccess(lambda: table)
