"""Who may decide what, when: pure functions, used by the workflow's validators and again where a decision acts."""

from datetime import datetime

from workflows.models.decision import Action, Decision
from workflows.models.policy import TaskPolicy
from workflows.models.pull_request import PullRequestState
from workflows.models.question import ALLOWS, Choice, QuestionKind
from workflows.models.status import Stage, TaskStatus
from workflows.models.task import Task
from workflows.models.usage import USD

_STAGES = {
    Action.APPROVE: {Stage.REVIEW},
    Action.MERGE: {Stage.APPROVED},
    Action.WITHDRAW: {Stage.REVIEW, Stage.APPROVED},
    Action.REQUEST_CHANGES: {Stage.REVIEW, Stage.APPROVED, Stage.GUIDANCE},
    Action.REJECT: {Stage.REVIEW, Stage.APPROVED, Stage.GUIDANCE},
    Action.ANSWER: {Stage.QUESTION},
    # A merge that is under way is finished first; one that waits for its turn never begins.
    Action.CANCEL: set(Stage) - {Stage.RECORD, Stage.ENDED},
}


MOST_DECISIONS = 500
MOST_SAID_BYTES = 768 * 1024
"""Of all decisions together, as JSON; the last few that say nothing come on top."""
_ENDS = frozenset({Action.MERGE, Action.REJECT, Action.CANCEL})


def authority_refusal(decision: Decision, task: Task, policy: TaskPolicy) -> str:
    """Why this person may not decide this about this task, or an empty string.

    Approving and merging take somebody other than the requester (promise 6); stopping work takes no more than being
    known to the gateway, since it can't do harm that asking again would not undo.
    """
    if decision.task_id != task.id:
        return f"refused: this decision is about task {decision.task_id}, not {task.id}"
    if not takes_an_approver(decision):
        return _answer_refusal(decision, task, policy) if decision.action is Action.ANSWER else ""
    if policy.reviewers and decision.person.id not in policy.reviewers:
        return (
            f"refused: {decision.person.id} is not a reviewer of this repository; ask one of {_names(policy.reviewers)}"
        )
    if decision.person.is_same_person(task.requester) and not policy.allow_self_approval:
        return f"refused: {decision.person.id} asked for this task; another person has to {decision.action} it"
    return ""


def takes_an_approver(decision: Decision) -> bool:
    """Whether it lets something happen that takes somebody other than the requester."""
    return decision.action in {Action.APPROVE, Action.MERGE} or (
        decision.action is Action.ANSWER and decision.choice in ALLOWS
    )


def state_refusal(decision: Decision, status: TaskStatus, now: datetime) -> str:
    """Why this decision does not fit where the task stands, or an empty string."""
    if now > decision.expires_at:
        return "refused: this decision has expired; decide again"
    if reason := stage_refusal(decision.action, status):
        return reason
    if decision.action is Action.ANSWER:
        return _question_refusal(decision, status)
    if decision.action not in {Action.APPROVE, Action.MERGE}:
        return ""
    if status.patch is None or status.evaluation is None:
        return f"refused: there is nothing to {decision.action} yet"
    if decision.head != status.patch.head:
        return (
            f"refused: you looked at commit {decision.head[:12] or '(none)'}, but the task is now at "
            f"{status.patch.head[:12]}; look at it again"
        )
    if decision.evidence_hash != status.evaluation.evidence_hash:
        return "refused: the evidence has changed since you looked at it; look at it again"
    if status.evaluation.blocked:
        return "refused: a finding blocks this patch; request changes or reject it"
    return ""


def stage_refusal(action: Action, status: TaskStatus) -> str:
    """Why this can't be decided at the task's stage, or an empty string."""
    if status.stage in _STAGES.get(action, set()):
        return ""
    return f"refused: can't {action} while the task is at stage {status.stage}{_next_step(status)}"


def changed_refusal(seen: PullRequestState, status: TaskStatus) -> str:
    """Why what was approved does not count for an open pull request as it is now, or an empty string."""
    if status.patch is not None and seen.head != status.patch.head:
        return (
            f"somebody pushed {seen.head[:12]} to the branch, which was not judged: what was approved no longer counts"
        )
    if seen.base != status.task.base:
        return f"the pull request leads to {seen.base} now, and was judged for {status.task.base}: change it back"
    return ""


def room_refusal(decision: Decision, status: TaskStatus) -> str:
    """Why a task carries no more of what people decide and say, or an empty string.

    All of it is in the status, which Temporal takes up to 2 MiB of: beyond that a task can't be shown, nor ended.
    """
    if len(status.decisions) >= MOST_DECISIONS and decision.action not in _ENDS:
        return f"refused: {MOST_DECISIONS} decisions were made about this task; merge, reject or cancel it"
    if not decision.message:
        return ""
    said = (each.decision for each in status.decisions)
    if sum(len(each.model_dump_json().encode()) for each in (*said, decision)) > MOST_SAID_BYTES:
        return (
            f"refused: {MOST_SAID_BYTES // 1024} KiB were said about this task, and it carries no more; decide without "
            "words, or put them where the pull request is"
        )
    return ""


def _answer_refusal(decision: Decision, task: Task, policy: TaskPolicy) -> str:
    """Questions are for the requester and for reviewers: both answer for what the task costs and comes to."""
    person = decision.person
    if person.is_same_person(task.requester) or not policy.reviewers or person.id in policy.reviewers:
        return ""
    return f"refused: {person.id} neither asked for this task nor reviews it; ask {task.requester.id}"


def spending_refusal(decision: Decision, status: TaskStatus, policy: TaskPolicy) -> str:
    """Why this answer may not raise the budget, or an empty string."""
    question, budget = status.question, policy.budget
    if decision.action is not Action.ANSWER or decision.choice is not Choice.CONTINUE or question is None:
        return ""
    most = budget.task_most_micro_usd
    if most is not None and question.used_micro_usd + decision.more_micro_usd > most:
        left = max(0, most - question.used_micro_usd) / USD
        return f"refused: this task may use at most {most / USD:.2f} USD in all; {left:.2f} USD are left to give"
    if question.cap in {"", "task"}:
        return ""
    if budget.spenders and decision.person.id not in budget.spenders:
        return f"refused: only {_names(budget.spenders)} may let the {question.cap} budget be exceeded"
    if not budget.spenders and decision.person.is_same_person(status.task.requester) and not policy.allow_self_approval:
        return f"refused: another person has to let {decision.person.id} exceed the {question.cap} budget"
    return ""


def _question_refusal(decision: Decision, status: TaskStatus) -> str:
    question = status.question
    if question is None or decision.question != question.id:
        return "refused: that question is not asked any more; `journeyman show` says what is"
    if decision.choice not in question.choices:
        return "refused: this question can be answered with " + ", ".join(question.choices)
    raises_money = question.kind is QuestionKind.BUDGET and decision.choice is Choice.CONTINUE
    if raises_money and question.suggested_micro_usd and not decision.more_micro_usd:
        return "refused: say with how much more to continue"
    if question.kind is QuestionKind.EGRESS and not decision.hosts:
        return "refused: say which hosts are meant"
    if question.kind is QuestionKind.PACKAGES and not decision.packages:
        return "refused: say which packages are meant"
    if unknown := sorted(set(decision.packages) - set(question.packages)):
        return f"refused: {unknown[0]} is not asked about; the question is about {_names(question.packages)}"
    if others := sorted(set(decision.hosts) - set(question.hosts)):
        return f"refused: {others[0]} is not asked about; the question is about {_names(question.hosts)}"
    return ""


def _next_step(status: TaskStatus) -> str:
    if status.stage is Stage.ENDED:
        return f", it ended as {status.outcome}"
    if status.stage is Stage.REVIEW:
        approved = f"approved by {', '.join(status.approved_by)}; {status.message}" if status.message else ""
        return f"; {approved if status.approved_by and approved else 'approve it first'}"
    if status.waits_for:
        return f"; it waits for {status.waits_for}"
    return "; wait until it asks for a decision"


def _names(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")


_SAMPLED = frozenset({"lines-not-run", "mutant-survived"})
"""Notes about a part of the patch that there was time to look at, which another time is another part."""


def approval_carries_over(
    *, policy: TaskPolicy, new_policy_hash: str, same_patch: bool, old_findings: set[str], new_findings: set[str]
) -> str:
    """Why a person's approval does not survive a moved base, or an empty string if it does.

    Rule from the design: byte-identical patch, unchanged policy, no new finding, and the team allows it.
    """
    if not policy.carry_over:
        return "policy (`carry_over` = false) asks for a new approval whenever base moves"
    if not same_patch:
        return "the patch is not byte-identical on the new base"
    if new_policy_hash != policy.hash:
        return "the policy has changed: an owner's file, or the team's on base"
    if added := sorted(each for each in new_findings - old_findings if each.partition(" ")[0] not in _SAMPLED):
        return f"the new base brings findings: {', '.join(added)}"
    return ""
