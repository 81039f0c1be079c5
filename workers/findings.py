"""What a check found, and how it is shown: each thing with what is wrong and the line that mends it."""

import json
import sys

from pydantic import BaseModel

from workers.cli.terminal import out, plain


class Finding(BaseModel):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    mend: str = ""
    """The line to type."""


def print_report(findings: list[Finding], *, as_json: bool, bad: str = "fail") -> None:
    """The report on standard output. `bad`: the word for what is not as it has to be."""
    if as_json:
        sys.stdout.write(json.dumps([finding.model_dump() for finding in findings], indent=2) + "\n")
        return
    for finding in findings:
        mark = f"[green]{'ok':{len(bad)}}[/green]" if finding.ok else f"[red]{bad}[/red]"
        out().print(f"{mark} {finding.name:16} {plain(finding.detail)}")
        if not finding.ok:
            out().print(f"     mend it with: {plain(finding.mend)}")
