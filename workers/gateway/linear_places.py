"""The Linear issue that a task is about, where the task was asked for elsewhere by that issue's name."""

from collections.abc import Sequence

from activities.decisions.admissions import Admissions
from activities.decisions.refused import ActionRefused
from activities.policy.owners import OwnersFiles
from activities.tracker.linear.failed import LinearAway, LinearRefused
from activities.tracker.linear.issues import LinearIssues
from activities.tracker.naming import issue_key
from workers.gateway.conversations import PlaceAway
from workflows.models.conversation import Place

_KEY = issue_key("")


class LinearPlaces:
    """Finds it by the key that a gateway has signed."""

    def __init__(self, owners: OwnersFiles, admissions: Admissions, issues: LinearIssues) -> None:
        self._owners = owners
        self._admissions = admissions
        self._issues = issues

    async def of(self, task_id: str, places: Sequence[Place]) -> Place | None:
        """None if the task is about no such issue, or is shown there already. Raises PlaceAway."""
        table = self._owners.platform().linear
        if table is None or any(place.system == "linear" for place in places):
            return None
        try:
            key = (await self._admissions.of(task_id)).intent.key
        except ActionRefused:
            return None
        identifier = key.removeprefix(_KEY)
        if not key.startswith(_KEY) or identifier.partition("-")[0] not in table.teams:
            return None
        try:
            issue = await self._issues.named(identifier)
        except LinearAway as away:
            raise PlaceAway(str(away), away.again_in) from away
        except LinearRefused:
            return None
        if issue is None or issue.is_gone:
            return None
        return Place(key=f"linear:{issue.organization}:{issue.id}")
