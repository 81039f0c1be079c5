"""Who acted on GitHub, as a person of this installation, and whether they may command agents there."""

from activities.forge.github.people import GitHubPeople
from activities.policy.owners import OwnersFiles
from activities.policy.people import find_person
from activities.webhooks.payloads import User
from workflows.models.person import Person

CI = Person(id="github-ci", account="github:ci", name="CI on GitHub")
"""Who asks where nobody did: checks that turned red."""


class NotAllowed(Exception):
    """This account may not do this; `is_told` says whether it is answered, which nobody may have us do at will."""

    def __init__(self, reason: str, *, is_told: bool) -> None:
        super().__init__(reason)
        self.is_told = is_told


class Senders:
    """Persons behind GitHub's accounts: by the directory, by what GitHub says they may, and never by what they say."""

    def __init__(self, owners: OwnersFiles, people: GitHubPeople) -> None:
        self._owners = owners
        self._people = people

    async def commanding(self, url: str, user: User) -> Person:
        """Who may command agents in a repository. Raises NotAllowed, GitHubRefused, GitHubUnavailable."""
        platform = self._owners.platform()
        if user.is_bot:
            raise NotAllowed("a bot did it, and bots command no agents", is_told=False)
        if not await self._people.may_write(url, user.login):
            # Anybody can write below a public issue: they get no answer out of it.
            raise NotAllowed("whoever did it has no write access to the repository", is_told=False)
        teams = platform.github.webhooks.teams if platform.github and platform.github.webhooks else ()
        if teams and not await self._people.in_a_team(url, user.login, teams):
            raise NotAllowed(f"only members of {', '.join(teams)} may command agents here", is_told=True)
        person = self.person(user)
        if person is None and (named := find_person(platform, "github", user.login)) is not None:
            raise NotAllowed(
                f"the directory means another account by {user.login}: {named.id} has a `github_id` in journeyman.toml "
                f"that is not {user.id}, which is this account's; if it is the same person, the platform's owner "
                "mends that",
                is_told=True,
            )
        if person is None:
            raise NotAllowed(
                f"no person is known by the GitHub account {user.login}: the platform's owner writes "
                f'`github = "{user.login}"` into the table of that person below `[people]` in journeyman.toml',
                is_told=True,
            )
        return person

    def person(self, user: User) -> Person | None:
        """Who has this account, if the directory names it; whatever they may."""
        platform = self._owners.platform()
        found = find_person(platform, "github", user.login)
        if found is None:
            return None
        number = platform.people[found.id].github_id
        # Somebody else may have taken over a login that was given up.
        return None if number and number != user.id else found
