"""Who acted in Linear, as a person of this installation; by Linear's own ids, and never by what a text says."""

from activities.policy.owners import OwnersFiles
from activities.policy.people import find_person
from activities.tracker.linear.actor import LinearActor
from activities.tracker.linear.issue import User
from activities.tracker.linear.people import LinearPeople
from workers.gateway.senders import NotAllowed
from workflows.models.person import Person


class LinearSenders:
    """Persons behind Linear's users: by the directory, or by the mail address that Linear has confirmed."""

    def __init__(self, owners: OwnersFiles, people: LinearPeople, actor: LinearActor) -> None:
        self._owners = owners
        self._people = people
        self._actor = actor

    async def commanding(self, user_id: str) -> Person:
        """Who may command agents. Raises NotAllowed, LinearRefused, LinearAway."""
        me = await self._actor.me()
        if user_id == me.id:
            raise NotAllowed("it was done by Journeyman itself", is_told=False)
        user = await self._people.user(user_id)
        if user is None or user.app:
            raise NotAllowed("a program did it, and programs command no agents", is_told=False)
        if user.organization != me.organization:
            raise NotAllowed("whoever did it is of another workspace", is_told=False)
        if not user.active:
            raise NotAllowed("whoever did it has no account here any more", is_told=False)
        if user.guest:
            raise NotAllowed("guests command no agents: ask a member of the workspace", is_told=True)
        person = self._person(user)
        if person is None:
            raise NotAllowed(
                "no person is known by your account in Linear: the platform's owner writes "
                f'`linear = "{user.id}"` into your table below `[people]` in journeyman.toml',
                is_told=True,
            )
        return person

    def _person(self, user: User) -> Person | None:
        platform = self._owners.platform()
        found = find_person(platform, "linear", user.id)
        if found is not None:
            return found
        by_mail = find_person(platform, "mail", user.mail)
        # Who is known by another id in Linear is not this one, whatever address it has.
        if by_mail is None or platform.people[by_mail.id].linear:
            return None
        return by_mail.model_copy(update={"account": f"linear:{user.id}"})
