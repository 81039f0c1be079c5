"""Repositories and their branches."""

from tests.support.github.accounts import LEVELS
from tests.support.github.answers import repositories as told
from tests.support.github.push_rules import acting_as
from tests.support.github.routing import Call, Refused, Reply, paged, route


@route("GET /repos/{owner}/{repo}", "metadata:read")
def get_repository(call: Call) -> Reply:
    assert call.token is not None
    granted = call.token.permissions.get("contents", "none")
    may_write = LEVELS.index(granted) >= LEVELS.index("write")
    return Reply(200, told.full_repository(call.github, call.repository, call.account, may_write))


@route("GET /repos/{owner}/{repo}/activity", "contents:read")
def list_activity(call: Call) -> Reply:
    wanted = call.query.get("ref", "")
    moves = [move for move in reversed(call.repository.activity) if wanted in {"", move.ref}]
    return paged(call, [told.activity(call.github, move) for move in moves])


@route("GET /repos/{owner}/{repo}/branches", "contents:read")
def list_branches(call: Call) -> Reply:
    repository = call.repository
    branches = {
        ref.removeprefix("refs/heads/"): sha
        for ref, sha in repository.git.refs().items()
        if ref.startswith("refs/heads/")
    }
    if "protected" in call.query:
        wanted = call.query["protected"] == "true"
        branches = {name: sha for name, sha in branches.items() if (name in repository.protections) == wanted}
    return paged(call, [told.short_branch(call.github, repository, name, sha) for name, sha in branches.items()])


@route("GET /repos/{owner}/{repo}/branches/{branch}", "contents:read")
def get_branch(call: Call) -> Reply:
    name = call.parameters["branch"]
    sha = call.repository.git.branch(name)
    if sha is None:
        raise Refused(404, "Branch not found")
    return Reply(200, told.branch(call.github, call.repository, name, sha))


@route("GET /repos/{owner}/{repo}/rules/branches/{branch}", "metadata:read")
def get_branch_rules(call: Call) -> Reply:
    """What rulesets demand of a branch, there or not. Unlike protection, anybody who reads may know."""
    rules = call.repository.protections.get(call.parameters["branch"])
    return paged(
        call,
        [] if rules is None or not rules.ruleset else told.rules(call.repository, call.parameters["branch"], rules),
    )


@route("GET /repos/{owner}/{repo}/rulesets/{ruleset_id}", "metadata:read")
def get_ruleset(call: Call) -> Reply:
    """With whether it binds the caller; who else may bypass it is told to administrators alone."""
    for branch, rules in call.repository.protections.items():
        if rules.ruleset and told.ruleset_id(call.repository, branch) == int(call.parameters["ruleset_id"]):
            bypasses = bool(rules.bypass & acting_as(call.token))
            return Reply(200, told.ruleset(call.repository, branch, rules, bypasses=bypasses))
    raise Refused(404, "Not Found")


@route("GET /repos/{owner}/{repo}/branches/{branch}/protection", "administration:read")
def get_protection(call: Call) -> Reply:
    name = call.parameters["branch"]
    if call.repository.git.branch(name) is None:
        raise Refused(404, "Branch not found")
    rules = call.repository.protections.get(name)
    if rules is None or rules.ruleset:
        raise Refused(404, "Branch not protected")
    return Reply(200, told.protection(call.github, call.repository, name, rules))
