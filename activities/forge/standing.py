"""The step that shows on the forge where a pull request stands: what is shown follows from signatures and the record.

So whoever reaches Temporal's port alone can make no head look approved, and a step that comes late shows what holds
when it comes: after it has written that a head passes it looks again, and takes that back if it holds no more.
"""

from temporalio import activity

from activities.callers import only_called_by
from activities.decisions.admissions import Admissions
from activities.decisions.attested import Attested, AttestedEvidence
from activities.decisions.authority import Authority
from activities.decisions.halts import Halted, HaltRecord
from activities.decisions.refused import ActionRefused
from activities.decisions.withdrawals import Withdrawals
from activities.failures import step
from activities.forge.contract import Forge
from activities.forge.github.failed import GitHubUnavailable
from activities.forge.standing_comment import standing_comment
from activities.gate.gate import Gate
from activities.policy.current import CurrentPolicy
from activities.repository.mirror import Mirrors
from workflows.models.ci import CiReport
from workflows.models.decision import SignedDecision
from workflows.models.gate import Permit, Verdict
from workflows.models.halt import Work
from workflows.models.intent import task_workflow_id
from workflows.models.patch import Patch
from workflows.models.standing import GateCheck, GateState, PullStanding, Standing, StandingOrder
from workflows.models.task import Task

_MOST_EARLIER = 20
SUPERSEDED = "another head of this task was judged since"
_MOST_TRIES = 3


class StandingActivities:
    """Implements steps.StandingSteps."""

    def __init__(
        self,
        forge: Forge,
        admissions: Admissions,
        attested: Attested,
        authority: Authority,
        withdrawals: Withdrawals,
        gate: Gate,
        mirrors: Mirrors,
        policies: CurrentPolicy,
        halts: HaltRecord,
    ) -> None:
        self._forge = forge
        self._admissions = admissions
        self._attested = attested
        self._authority = authority
        self._withdrawals = withdrawals
        self._gate = gate
        self._mirrors = mirrors
        self._policies = policies
        self._halts = halts

    @activity.defn(name="show_standing")
    @step
    async def show_standing(self, order: StandingOrder) -> Standing:
        """Have the forge say of the task's head whether it is approved, and of none before it that it is."""
        only_called_by(task_workflow_id(order.task.id))
        task = await self._admissions.confirm(order.task)
        await self._attested.confirm(task.id, order.patch)
        for head in await earlier_heads(self._attested, task, order.patch.head):
            await self._forge.withdraw_gate(task, head, SUPERSEDED)
        check, *not_shown = await self._show(order, task)
        ci = await self._ci(task, order.patch)
        not_shown.append(await self._forge.tell(task, order.pull_request, await self._told(order, task, check, ci)))
        return Standing(check=check, not_shown="; ".join(filter(None, not_shown)), ci=ci)

    async def _show(self, order: StandingOrder, task: Task) -> tuple[GateCheck, str]:
        """The gate's check, and why it can't be shown."""
        for _ in range(_MOST_TRIES):
            check = await self._check(order, task)
            not_shown = await self._forge.show_gate(task, check)
            if not_shown or check.state is not GateState.PASSED or await self._check(order, task) == check:
                return check, not_shown
        changing = "what holds of it changes while it is shown"
        await self._forge.withdraw_gate(task, order.patch.head, changing)
        return check.model_copy(update={"state": GateState.WAITING, "title": changing}), ""

    async def _told(self, order: StandingOrder, task: Task, check: GateCheck, ci: CiReport | None) -> PullStanding:
        owners = () if order.at_work else await self._gate.owners(task, order.patch)
        return PullStanding(
            draft=bool(order.at_work),
            comment=standing_comment(task, check, ci),
            labels=("journeyman", f"journeyman: {task.task_type}"),
            reviewers=owners,
        )

    async def _ci(self, task: Task, patch: Patch) -> CiReport | None:
        try:
            return (await ci_of(self._forge, task, patch)).shortened()
        except GitHubUnavailable:
            # Asked again in a while; nobody waits for it here.
            return None

    async def _check(self, order: StandingOrder, task: Task) -> GateCheck:
        head = order.patch.head

        def says(state: GateState, title: str) -> GateCheck:
            return GateCheck(head=head, state=state, title=title, details=f"{title}\n\n{_where(task)}")

        try:
            judged = await self._authority.may_publish(order.patch, order.evaluation, task)
            if order.at_work:
                return says(GateState.WAITING, f"worked on again: {order.at_work}")
            if against := await self._withdrawals.of_head(task.id, head):
                return says(GateState.FAILED, f"{against.person.id} decided to {against.action} about it")
            await self._halts.refuse(Work.of(task, judged.policy))
        except ActionRefused as refused:
            return says(GateState.FAILED, _words(refused))
        except Halted as halted:
            return says(GateState.WAITING, str(halted))
        mirror = await self._mirrors.refresh(task.repository.url)
        if (await self._policies.of(mirror, order.patch.base_commit, task)).hash != judged.policy.hash:
            return says(GateState.WAITING, "the owners' policy files say something else than when it was judged")
        verdict = await self._gate.judge(task, order.patch, order.evaluation, judged)
        persons = frozenset(signed.decision.person.id for signed in order.approvals)
        if missing := _missing(verdict, persons):
            # Not why policy does not approve it: people are told that after they have decided.
            return says(GateState.WAITING, f"it still needs {missing}")
        try:
            await self._authority.approved(order.approvals, task, judged, verdict)
        except ActionRefused as refused:
            return says(GateState.WAITING, _words(refused))
        return passed_check(task, order.approvals, judged, verdict)


async def ci_of(forge: Forge, task: Task, patch: Patch) -> CiReport:
    """What CI says of a patch's head, and whether there is any."""
    report = await forge.read_ci(task, patch.head, logs=False)
    if report.failed:
        report = await forge.read_ci(task, patch.head, logs=True)
    expected = bool(report.checks or (await forge.read_ci(task, patch.base_commit, logs=False)).checks)
    return report.model_copy(update={"expected": expected})


def passed_check(
    task: Task, approvals: tuple[SignedDecision, ...], judged: AttestedEvidence, verdict: Verdict
) -> GateCheck:
    """What the gate says of a head that these approvals, or policy's, were found to hold for."""
    names = ", ".join(signed.decision.person.id for signed in approvals) or f"policy in phase {verdict.phase}"
    what = (
        f"Head `{judged.head}` on base `{judged.base_commit}`, evidence `{judged.evidence_hash}`, "
        f"policy `{verdict.policy_hash}`, risk {verdict.risk.tier}."
    )
    details = f"{what}\n\n{_where(task)}"
    return GateCheck(head=judged.head, state=GateState.PASSED, title=f"approved by {names}", details=details)


async def earlier_heads(attested: Attested, task: Task, head: str) -> tuple[str, ...]:
    """Heads of a task that were judged and are not this one (empty: all of them); the newest first."""
    recorded = await attested.evidence(task.id)
    found = dict.fromkeys(one.head for one in reversed(recorded) if one.head != head)
    return tuple(found)[:_MOST_EARLIER]


def _missing(verdict: Verdict, persons: frozenset[str]) -> str:
    if not persons and verdict.permits is not Permit.PERSON:
        return ""
    return verdict.needs.missing(persons)


def _where(task: Task) -> str:
    return f"`journeyman show {task.id}` has all of it."


def _words(refused: ActionRefused) -> str:
    return str(refused).removeprefix("refused: ")
