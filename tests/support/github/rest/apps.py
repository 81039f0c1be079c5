"""An app's own operations: itself, its installations, and their tokens."""

from tests.support.github.accounts import LEVELS, Installation
from tests.support.github.answers import people
from tests.support.github.answers.repositories import repository
from tests.support.github.credentials import issue_token
from tests.support.github.routing import Call, Refused, Reply, may_see, paged, route


def _installation(call: Call) -> Installation:
    found = call.github.installations.get(int(call.parameters["installation_id"]))
    if found is None or found.app is not call.app:
        raise Refused(404, "Not Found")
    return found


@route("GET /app", "app")
def get_app(call: Call) -> Reply:
    assert call.app is not None
    return Reply(200, people.app(call.github, call.app))


@route("GET /app/installations", "app")
def list_installations(call: Call) -> Reply:
    own = [one for one in call.github.installations.values() if one.app is call.app]
    return paged(call, [people.installation(call.github, one) for one in own])


@route("GET /app/installations/{installation_id}", "app")
def get_installation(call: Call) -> Reply:
    return Reply(200, people.installation(call.github, _installation(call)))


@route("GET /repos/{owner}/{repo}/installation", "app")
def get_repository_installation(call: Call) -> Reply:
    name = f"{call.parameters['owner']}/{call.parameters['repo']}"
    for one in call.github.installations.values():
        if one.app is call.app and name.lower() in call.github.repositories and one.has(name):
            return Reply(200, people.installation(call.github, one))
    raise Refused(404, "Not Found")


@route("POST /app/installations/{installation_id}/access_tokens", "app")
def create_token(call: Call) -> Reply:
    installation = _installation(call)
    if installation.suspended is not None:
        raise Refused(403, "This installation has been suspended")
    # PyGithub asks for `{}` where its caller asks for nothing in particular.
    permissions = dict(call.body.get("permissions") or installation.permissions)
    for name, level in permissions.items():
        if LEVELS.index(installation.permissions.get(name, "none")) < LEVELS.index(level):
            raise Refused(422, "The permissions requested are not granted to this installation.")
    repositories = _narrowed(call, installation)
    token = issue_token(call.github, installation, permissions, repositories)
    answer = people.installation_token(token)
    if repositories is not None:
        told = [call.github.repositories[name.lower()] for name in sorted(repositories)]
        answer["repositories"] = [repository(call.github, one) for one in told]
    return Reply(201, answer)


def _narrowed(call: Call, installation: Installation) -> set[str] | None:
    """The repositories that a token was asked for, by name or by id; None is all that the installation has."""
    names, ids = call.body.get("repositories") or [], call.body.get("repository_ids") or []
    if not names and not ids:
        return None
    found = {
        one.full_name
        for one in call.github.repositories.values()
        if installation.has(one.full_name) and (one.name in names or one.id in ids)
    }
    if len(found) < len(names) + len(ids):
        raise Refused(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    return found


@route("GET /installation/repositories", "metadata:read")
def list_repositories(call: Call) -> Reply:
    seen = [one for one in call.github.repositories.values() if may_see(one, call.token)]
    listed = [repository(call.github, one) for one in seen]
    return paged(call, listed, lambda page: {"total_count": len(listed), "repositories": page})
