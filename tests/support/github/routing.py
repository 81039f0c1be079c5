"""How a request finds the function that answers it, and what such a function is given and gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import urlencode

from tests.support.github.accounts import LEVELS, Account, App, Token
from tests.support.github.state import Json, Pull, Repository, State

DOCUMENTATION = "https://docs.github.com/rest"


@dataclass(frozen=True)
class Reply:
    """An answer of the REST API; a body of None is no body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """GitHub says no: the status, and its words."""

    def __init__(self, status: int, message: str, errors: Sequence[Json | str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors

    @property
    def reply(self) -> Reply:
        body: Json = {"message": self.message, "documentation_url": DOCUMENTATION, "status": str(self.status)}
        if self.errors is not None:
            body["errors"] = self.errors
        return Reply(self.status, body)


def invalid(resource: str, message: str) -> NoReturn:
    """Refuse as GitHub refuses values that make no sense together."""
    raise Refused(422, "Validation Failed", [{"resource": resource, "code": "custom", "message": message}])


def missing(resource: str, name: str) -> NoReturn:
    """Refuse for a field that is not there."""
    raise Refused(422, "Invalid request.", [{"resource": resource, "field": name, "code": "missing_field"}])


@dataclass(frozen=True)
class Call:
    """One request, by somebody who is known: an app by its own key, or whoever a token stands for."""

    github: State
    method: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: Json
    url: str
    app: App | None = None
    token: Token | None = None

    @property
    def account(self) -> Account:
        """Who acts."""
        if self.token is not None:
            return self.token.account
        assert self.app is not None
        return self.app.bot

    @property
    def acting_app(self) -> App:
        """The app that acts; what only apps may do is refused to persons."""
        if self.token is None or self.token.installation is None:
            raise Refused(403, "You must authenticate via a GitHub App.")
        return self.token.installation.app

    @property
    def repository(self) -> Repository:
        """The one that the path names, if the caller may know of it."""
        return visible(self.github, f"{self.parameters['owner']}/{self.parameters['repo']}", self.token)

    @property
    def pull(self) -> Pull:
        found = self.repository.issues.get(int(self.parameters["pull_number"]))
        if not isinstance(found, Pull):
            raise Refused(404, "Not Found")
        return found


Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class Route:
    """A method and a path of GitHub's published description, the permission it takes, and what answers."""

    method: str
    template: str
    permission: str
    """As in `contents:write`; `app` takes the app's own key, `any` takes any token."""
    handler: Handler
    also: str = ""
    """Another path under which GitHub answers the same."""
    bare_list: str = ""
    """The field that a body stands for which is a list."""

    @property
    def operation(self) -> str:
        return f"{self.method} {self.template}"


ROUTES: list[Route] = []


def route(operation: str, permission: str, *, also: str = "", bare_list: str = "") -> Callable[[Handler], Handler]:
    """Let a function answer an operation such as `GET /repos/{owner}/{repo}`."""
    method, template = operation.split(" ")

    def enter(handler: Handler) -> Handler:
        ROUTES.append(Route(method, template, permission, handler, also, bare_list))
        return handler

    return enter


def visible(github: State, full_name: str, token: Token | None) -> Repository:
    """A repository as a token sees it: what it has no access to isn't there. Raises Refused."""
    repository = github.repositories.get(full_name.lower())
    if repository is None or (repository.private and not may_see(repository, token)):
        raise Refused(404, "Not Found")
    return repository


def may_see(repository: Repository, token: Token | None) -> bool:
    if token is None:
        return False
    if token.installation is None:
        return repository.level(token.account) != "none"
    narrowed = token.repositories is None or repository.full_name.lower() in {
        name.lower() for name in token.repositories
    }
    return narrowed and token.installation.has(repository.full_name)


def demand(call: Call, permission: str) -> None:
    """Refuse a token that lacks a permission. Raises Refused."""
    name, _, needed = permission.partition(":")
    token = call.token
    if token is None:
        raise Refused(401, "Requires authentication")
    if token.installation is not None:
        granted = token.permissions.get(name, "read" if name == "metadata" else "none")
        if name == "issues" and _about_a_pull(call):
            # What pull requests have of issues may be done by whoever may do either.
            granted = max(granted, token.permissions.get("pull_requests", "none"), key=LEVELS.index)
        if LEVELS.index(granted) < LEVELS.index(needed):
            raise Refused(403, "Resource not accessible by integration")
        if needed != "read" and "repo" in call.parameters and not may_see(call.repository, token):
            raise Refused(403, "Resource not accessible by integration")
    elif "repo" in call.parameters:
        # Issues and pull requests may be made and talked about by whoever sees the repository.
        least = "read" if name in ("issues", "pull_requests") else needed
        if LEVELS.index(call.repository.level(token.account)) < LEVELS.index(least):
            raise Refused(403, "Must have push access to repository.")


def _about_a_pull(call: Call) -> bool:
    issues, comment = call.repository.issues, call.parameters.get("comment_id")
    if comment is not None:
        found = [one for one in issues.values() if any(str(said.id) == comment for said in one.comments)]
        return any(isinstance(one, Pull) for one in found)
    return isinstance(issues.get(int(call.parameters.get("issue_number", 0))), Pull)


def paged(call: Call, items: Sequence[Any], wrap: Callable[[list[Any]], Any] = lambda page: page) -> Reply:
    """A page of a list, with links to the other pages. 30 to a page unless asked, 100 at most."""
    size = min(max(_number(call.query.get("per_page"), 30), 1), 100)
    page = max(_number(call.query.get("page"), 1), 1)
    last = max((len(items) + size - 1) // size, 1)
    places = {"prev": page - 1, "first": 1} if page > 1 else {}
    places |= {"next": page + 1, "last": last} if page < last else {}
    links = [
        f'<{call.url}?{urlencode({**call.query, "page": number})}>; rel="{name}"' for name, number in places.items()
    ]
    headers = {"Link": ", ".join(links)} if links else {}
    return Reply(200, wrap(list(items[(page - 1) * size : page * size])), headers)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default
