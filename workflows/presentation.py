"""How a task looks in the Temporal UI: one summary line, and Markdown details of where it stands.

Text that came from outside is shown as code, so that it can't pose as a link, a heading or an image.
"""

from workflows.models.plural import plural
from workflows.models.pull_request import RevertOutlook, RevertPreview
from workflows.models.status import TaskStatus
from workflows.models.task import Task

_GOAL_CHARS = 120
GOAL_MEMO = "goal"
"""Name of the memo that has the goal's beginning, for lists of tasks."""


def as_code(text: str, limit: int = 200) -> str:
    """Untrusted text as one line of inline code."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).replace("`", "'").split())
    return f"`{line[: limit - 1]}…`" if len(line) > limit else f"`{line or '-'}`"


def summary(task: Task) -> str:
    """One line for the list of workflows."""
    return f"{as_code(task.repository.name, 60)}: {as_code(task.goal, _GOAL_CHARS)}"


def memo(task: Task) -> dict[str, str]:
    """What a list of workflows carries beside its search attributes."""
    return {GOAL_MEMO: " ".join(task.goal.split())[:_GOAL_CHARS]}


def outlook_details(preview: RevertPreview) -> str:
    """What taking a merge back would come to, as it was tried on a copy of base."""
    when = f" (tried at {preview.tried_at:%H:%M:%S} UTC)" if preview.tried_at is not None else ""
    if preview.outlook is RevertOutlook.CONFLICT:
        return f"**conflict** in {as_code(', '.join(preview.conflicts[:3]))}{when}"
    return f"**{preview.outlook}**{f' {as_code(preview.detail)}' if preview.detail else ''}{when}"


def details(status: TaskStatus) -> str:
    """Markdown for the workflow's page: what it waits for comes first."""
    task = status.task
    lines = [f"**{status.stage}**" + (f": waits for {status.waits_for}" if status.waits_for else "")]
    if status.message:
        lines.append(f"> {as_code(status.message, 400)}")
    lines += [
        "",
        f"Goal: {as_code(task.goal)}",
        f"Repository: {as_code(task.repository.name)} onto {as_code(task.base)}",
    ]
    lines += [f"Hung: {as_code(hang)}" for hang in status.hangs]
    if status.patch is not None:
        patch = status.patch
        lines.append(f"Patch: {plural(patch.files, 'file')}, +{patch.added} −{patch.removed}, head `{patch.head[:12]}`")
    if status.ci is not None and status.ci.told:
        lines.append(f"CI: {as_code(status.ci.told)}")
    if status.evaluation is not None:
        lines.append(f"Evidence: {as_code(status.evaluation.summary)} (`{status.evaluation.evidence_hash[:12]}`)")
        lines += [
            f"- {finding.severity} {as_code(finding.rule)} {as_code(finding.message)}"
            for finding in status.evaluation.findings[:10]
        ]
    if status.pull_request is not None:
        lines.append(f"Pull request: {as_code(status.pull_request.url)}")
    if status.risk is not None:
        lines.append(f"Risk: **{status.risk.tier}**")
        lines += [f"- {reason.tier}: {as_code(reason.text)}" for reason in status.risk.reasons[:10]]
    if status.approved_by:
        lines.append(f"Approved by {as_code(', '.join(status.approved_by))}")
    if status.verdict is not None:
        lines.append(f"Policy in phase {status.verdict.phase}: **{status.verdict.permits}**")
        lines += [f"- {as_code(reason)}" for reason in status.verdict.reasons[:10]]
    lines += [f"- {s.decision.action} by {as_code(s.decision.person.id)}" for s in status.decisions]
    if status.outcome is not None:
        lines.append(f"Outcome: **{status.outcome}** {status.merge_commit[:12]}")
    return "\n\n".join(lines)
