"""People: who they are, what they may do, and which teams they are in."""

from tests.support.github.accounts import LEVELS, Account, Team
from tests.support.github.answers import people as told
from tests.support.github.routing import Call, Refused, Reply, paged, route

_OLD_NAMES = {"maintain": "write", "triage": "read"}
"""Grades that came later are told by the nearest of the first four too."""
_GRADES = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}


def _account(call: Call) -> Account:
    found = call.github.accounts.get(call.parameters["username"].lower())
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route("GET /user", "any")
def get_own(call: Call) -> Reply:
    if call.token is None or call.token.installation is not None:
        raise Refused(403, "Resource not accessible by integration")
    return Reply(200, told.public_user(call.github, call.account))


@route("GET /users/{username}", "any")
def get_user(call: Call) -> Reply:
    return Reply(200, told.public_user(call.github, _account(call)))


@route("GET /repos/{owner}/{repo}/collaborators/{username}/permission", "metadata:read")
def get_permission(call: Call) -> Reply:
    account = _account(call)
    level = call.repository.level(account)
    if level == "none" and not call.repository.private:
        level = "read"
    held = {name: LEVELS.index(level) >= LEVELS.index(grade) for name, grade in _GRADES.items()}
    person = {**told.user(call.github, account), "role_name": level, "permissions": held}
    return Reply(200, {"permission": _OLD_NAMES.get(level, level), "role_name": level, "user": person})


def _team(call: Call) -> Team:
    for team in call.github.teams:
        if (team.organization.login.lower(), team.slug) == (
            call.parameters["org"].lower(),
            call.parameters["team_slug"],
        ):
            return team
    raise Refused(404, "Not Found")


@route("GET /orgs/{org}/teams/{team_slug}", "members:read")
def get_team(call: Call) -> Reply:
    team = _team(call)
    organization = told.user(call.github, team.organization)
    more = {
        "organization": {
            **{name: organization[name] for name in ("login", "id", "node_id", "url", "repos_url")},
            **{f"{name}_url": f"{organization['url']}/{name}" for name in ("events", "hooks", "issues", "members")},
            "public_members_url": f"{organization['url']}/public_members",
            "avatar_url": organization["avatar_url"],
            "html_url": organization["html_url"],
            "description": None,
            "has_organization_projects": False,
            "has_repository_projects": False,
            "public_repos": 0,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "archived_at": None,
            "type": "Organization",
            "created_at": told.time(told.FOUNDED),
            "updated_at": told.time(told.FOUNDED),
        },
        "members_count": len(team.members),
        "repos_count": 0,
        "created_at": told.time(told.FOUNDED),
        "updated_at": told.time(told.FOUNDED),
    }
    return Reply(200, {**told.team(call.github, team), **more})


@route("GET /orgs/{org}/teams/{team_slug}/members", "members:read")
def list_members(call: Call) -> Reply:
    return paged(call, [told.user(call.github, call.github.account(login)) for login in _team(call).members])


@route("GET /orgs/{org}/teams/{team_slug}/memberships/{username}", "members:read")
def get_membership(call: Call) -> Reply:
    team, login = _team(call), call.parameters["username"]
    role = next((role for name, role in team.members.items() if name.lower() == login.lower()), None)
    if role is None:
        raise Refused(404, "Not Found")
    url = f"{call.github.api}/organizations/{team.organization.id}/team/{team.id}/memberships/{login}"
    return Reply(200, {"url": url, "role": role, "state": "active"})
