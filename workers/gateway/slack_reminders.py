"""Whom a task in Slack waits for, and when they are reminded of it: once at each stage, then once their team."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from activities.chat.slack.business_hours import next_moment
from activities.chat.slack.seen import TaskSeen
from activities.decisions.attested import Attested
from activities.policy.documents import PlatformPolicy, SecurityPolicy
from activities.policy.owners import OwnersFiles
from activities.policy.reminder_table import ReminderTable
from workflows.models.status import WAITS_FOR, Stage, TaskStatus


@dataclass(frozen=True)
class Reminding:
    """When what is due of one wait."""

    wait: str
    """Which wait of its task this is: no two have the same name."""
    remind_at: datetime
    escalate_at: datetime | None
    """None where no channel is to hear of it."""
    channel: str = ""


def reminding(seen: TaskSeen, table: ReminderTable | None) -> Reminding | None:
    """What is due while a task waits as it does now; None if it waits for nobody, or nobody is to be reminded."""
    status, since = seen.status, seen.since
    if table is None or since is None or status.stage not in WAITS_FOR or seen.halted:
        return None
    channel = table.escalation_channels.get(status.team or status.task.repository.name) or table.escalation_channel
    escalate_at = next_moment(since + timedelta(hours=table.escalate_hours), table) if channel else None
    return Reminding(
        wait=str(len(status.spans)),
        remind_at=next_moment(since + timedelta(hours=table.remind_hours), table),
        escalate_at=escalate_at,
        channel=channel or "",
    )


def awaited(
    status: TaskStatus, reviewers: tuple[str, ...], platform: PlatformPolicy, security: SecurityPolicy
) -> list[str]:
    """Ids in Slack of those who may decide what a task waits for. `reviewers`: of its repository; empty is anybody."""
    requester = status.task.requester.id
    named = [one for one in platform.people if not reviewers or one in reviewers]
    if status.stage is Stage.QUESTION:
        # Who asked can answer; of others only those whose matter it is.
        persons = [requester, *(one for one in named if reviewers and one != requester)]
    else:
        may = [one for one in named if security.approve is None or one in security.approve]
        asks_itself = platform.allow_self_approval and security.allow_self_approval is not False
        persons = [one for one in may if one != requester or asks_itself]
        if status.stage is Stage.REVIEW:
            persons = [one for one in persons if one not in status.approved_by]
    entries = (platform.people.get(one) for one in persons)
    return [entry.slack for entry in entries if entry is not None and entry.slack]


class Awaited:
    """Looks up who they are, by what the files and the evidence say now."""

    def __init__(self, owners: OwnersFiles, attested: Attested) -> None:
        self._owners = owners
        self._attested = attested

    async def of(self, status: TaskStatus) -> list[str]:
        """Ids in Slack. Raises PolicyFileBroken."""
        evidence = await self._attested.evidence(status.task.id)
        reviewers = evidence[-1].policy.reviewers if evidence else ()
        return awaited(status, reviewers, self._owners.platform(), self._owners.security())
