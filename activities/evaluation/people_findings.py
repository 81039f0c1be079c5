"""Findings about who has worked on a patch beside its agent."""

from collections.abc import Iterator

from activities.evaluation.judged import Judged
from workflows.models.evidence import Finding, Severity


def pushed_by_people(judged: Judged) -> Iterator[Finding]:
    """Policy's trust is in agents of a kind of task, and in nobody's own commits."""
    if judged.pushed_by:
        who = ", ".join(judged.pushed_by)
        message = f"{who} pushed commits of their own to the task's branch: somebody else has to look at them"
        yield Finding(rule="pushed-by-people", severity=Severity.PERSON, message=message)
