"""Attribution: what a commit and a pull request say about where a change came from.

From `git blame` the trailers lead to the task, and the task's record in the archive to the reasoning; offline, and
years later. The goal and the agent's words are untrusted, so they are shown in a way that can't pose as ours.
"""

from jinja2 import Environment, StrictUndefined

from activities.forge.markdown import closing_nothing, code, one_line, quoted
from activities.tracing.pages import NO_PAGES, TaskPages
from workflows.models.decision import SignedDecision
from workflows.models.evidence import Evaluation, Evidence, Finding
from workflows.models.gate import Verdict
from workflows.models.patch import Patch
from workflows.models.pull_request import RevertResult
from workflows.models.run import RunResult
from workflows.models.task import Task

_SUBJECT_CHARS = 68
_GOAL_CHARS = 4000
_SUMMARY_CHARS = 8000
_MOST_FINDINGS = 50


def commit_message(task: Task, run: RunResult, context_hash: str, co_author: str = "") -> str:
    """The message of the one commit on a task's branch. `co_author`: as in a merge's message."""
    trailers = {
        "Journeyman-Task": task.id,
        "Journeyman-Intent": task.intent.key,
        "Journeyman-Agent": f"{run.agent} {run.agent_version}",
        **({"Journeyman-Model": run.model} if run.model else {}),
        "Journeyman-Run": run.run_id,
        "Journeyman-Context": context_hash,
        "Requested-by": task.requester.id,
    }
    if co_author:
        trailers["Co-authored-by"] = co_author
    return f"{_subject(task)}\n\n{quoted(run.summary, _SUMMARY_CHARS)}\n\n{_trailers(trailers)}"


def merge_message(
    task: Task,
    evidence_hash: str,
    approvals: tuple[SignedDecision, ...],
    merge: SignedDecision | None,
    verdict: Verdict,
    run: RunResult,
    co_author: str,
) -> str:
    """The message of the merge commit: who let it in, on what evidence. It is all there is of a squash.

    `co_author`: who asked, as `NAME <ADDRESS>`; empty if no address of theirs is known.
    """
    policy = f"policy {verdict.policy_hash[:12]} in phase {verdict.phase}"
    trailers = {
        "Journeyman-Task": task.id,
        "Journeyman-Agent": f"{run.agent} {run.agent_version}",
        **({"Journeyman-Model": run.model} if run.model else {}),
        "Journeyman-Run": run.run_id,
        "Journeyman-Evidence": evidence_hash,
        "Journeyman-Risk": verdict.risk.tier,
        "Requested-by": task.requester.id,
        "Approved-by": ", ".join(signed.decision.person.id for signed in approvals) or policy,
        "Merged-by": merge.decision.person.id if merge is not None else policy,
    }
    if co_author:
        trailers["Co-authored-by"] = co_author
    return f"Merge task {task.id}: {_subject(task)}\n\n{_trailers(trailers)}"


def revert_message(task: Task, merge_commit: str, by: str, why: str) -> str:
    """The message of a revert; the forge adds the trailer that names the merge."""
    reason = quoted(why, 1000) if why else "No reason was given."
    trailers = {"Journeyman-Task": task.id, "Reverted-by": by}
    head = f"Revert task {task.id}: {_subject(task)}\n\nThis reverts commit {merge_commit}."
    return f"{head}\n\n{reason}\n\n{_trailers(trailers)}"


def pull_title(task: Task) -> str:
    """The title of a task's pull request."""
    return _subject(task)


def pull_body(
    task: Task,
    patch: Patch,
    evaluation: Evaluation,
    evidence: Evidence,
    run: RunResult,
    pages: TaskPages = NO_PAGES,
) -> str:
    """The text of a task's pull request. `pages`: to link to."""
    return _BODY.render(
        task=task,
        patch=patch,
        evaluation=evaluation,
        evidence=evidence,
        run=run,
        goal=quoted(task.goal, _GOAL_CHARS),
        summary=quoted(run.summary or "The agent gave no reasoning.", _SUMMARY_CHARS),
        findings=evidence.findings[:_MOST_FINDINGS],
        code=code,
        place=_place,
        page=pages.workflow_of(task.id),
        trace=pages.trace_of(task),
    )


def revert_title(task: Task) -> str:
    """The title of the pull request of a revert that conflicts."""
    return f"Revert: {_subject(task)}"


def revert_body(task: Task, merge_commit: str, conflict: RevertResult, told: tuple[str, ...]) -> str:
    """The text of that pull request: what is in the way, as its authors named it."""
    paths = "\n".join(f"- {code(path)}" for path in conflict.conflicts)
    commits = "\n".join(f"- {code(commit)}" for commit in conflict.commits_in_the_way) or "- none that git names"
    return (
        f"## Taking back task {code(task.id)}\n"
        f"Merge {code(merge_commit)} can't be taken back cleanly: {code(conflict.detail)}.\n"
        "Resolve git's conflict markers on this branch and merge it, or revert the later commits first and ask again:\n"
        f"`journeyman revert {task.id}`.\n\n"
        f"For {', '.join(code(person) for person in told)}.\n\n"
        f"## Paths in conflict\n{paths}\n\n## Later commits in the way\n{commits}\n"
    )


_BODY = Environment(autoescape=False, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined).from_string(  # noqa: S701  Markdown, and every untrusted value goes through code or quoted
    """## What was asked
By {{ code(task.requester.id) }} ({{ task.task_type }}), task {{ code(task.id) }}:

{{ goal }}

## The agent's reasoning
In the words of {{ code(run.agent) }}, not checked:

{{ summary }}

{% if evidence.claims %}
What of it was checked:
{% for claim in evidence.claims %}
- {{ code(claim.said) }}: **{{ claim.holds }}** by {{ code(claim.shown_by) }}
{% endfor %}

{% endif %}
## Evidence
{{ code(evaluation.summary) }} ({{ patch.files }} files, +{{ patch.added }} -{{ patch.removed }})

| checks on | result |
|---|---|
| base {{ code(evidence.base_commit[:12]) }} | {{ "pass" if evidence.base.passed else "fail" }} |
| the change, with base's tests | {{ "pass" if evidence.guarded.passed else "fail" }} |
| the change | {{ "pass" if evidence.patched.passed else "fail" }} |

{% if evidence.turned %}
Turned from failing to passing: {% for name in evidence.turned[:20] %}{{ code(name) }} {% endfor %}


{% endif %}
{% if evidence.coverage and not evidence.coverage.unknown %}
Of {{ evidence.coverage.statements }} changed statements the checks run {{ evidence.coverage.run }}.
{% endif %}
{% if evidence.mutation and evidence.mutation.tried %}
Of {{ evidence.mutation.tried }} faults put into {{ evidence.mutation.lines }} changed lines they notice
{{ evidence.mutation.noticed }}.
{% endif %}
{% if evidence.flaky %}
Flaky: {% for name in evidence.flaky[:20] %}{{ code(name) }} {% endfor %}


{% endif %}
{% for finding in findings %}
- **{{ finding.severity }}** {{ code(finding.rule) }} {{ place(finding) }}
  {{ code(finding.message) }}
{% endfor %}

## Provenance
Head {{ code(patch.head) }}, evidence {{ code(evaluation.evidence_hash) }},
policy {{ code(evaluation.policy_hash) }}, run {{ code(run.run_id) }} in {{ code(run.backend) }}.
{% if evidence.backend %}
Checks in {{ code(evidence.backend) }}{% if evidence.runtime %}, by {{ code(evidence.runtime) }}{% endif %}.
{% endif %}
`journeyman show {{ task.id }}` has all of it, with `--timeline` its trace, `journeyman logs {{ task.id }}` what the
agent did{% if page %}, [Temporal]({{ page }}) its workflow{% endif %}{% if trace %}, and [its trace](<{{ trace }}>) how
long each part took{% endif %}; the archive has it below `tasks/{{ task.id }}`.
"""
)


def _subject(task: Task) -> str:
    line = closing_nothing(" ".join(one_line(task.goal).split()))
    return line if len(line) <= _SUBJECT_CHARS else line[: _SUBJECT_CHARS - 1].rstrip() + "…"


def _place(finding: Finding) -> str:
    where = f"{finding.path}:{finding.line}" if finding.line else finding.path
    return code(where) if where else ""


def _trailers(values: dict[str, str]) -> str:
    return "\n".join(f"{name}: {' '.join(one_line(value).split()) or '-'}" for name, value in values.items()) + "\n"
