"""Git refs: read, made, moved and deleted without git, under the same protection."""

from tests.support.github.answers.repositories import git_ref
from tests.support.github.bare_repository import GitFailed
from tests.support.github.following import follow
from tests.support.github.push_rules import refusal
from tests.support.github.ref_change import RefChange
from tests.support.github.routing import Call, Refused, Reply, paged, route


def _full(call: Call) -> str:
    return f"refs/{call.parameters['ref']}"


@route("GET /repos/{owner}/{repo}/git/ref/{ref}", "contents:read")
def get_ref(call: Call) -> Reply:
    sha = call.repository.git.refs().get(_full(call))
    if sha is None:
        raise Refused(404, "Not Found")
    return Reply(200, git_ref(call.github, call.repository, _full(call), sha))


@route("GET /repos/{owner}/{repo}/git/matching-refs/{ref}", "contents:read")
def list_matching_refs(call: Call) -> Reply:
    found = {ref: sha for ref, sha in call.repository.git.refs().items() if ref.startswith(_full(call))}
    return paged(call, [git_ref(call.github, call.repository, ref, sha) for ref, sha in found.items()])


@route("POST /repos/{owner}/{repo}/git/refs", "contents:write")
def create_ref(call: Call) -> Reply:
    ref, sha = str(call.body.get("ref", "")), str(call.body.get("sha", ""))
    if not ref.startswith("refs/") or ref.count("/") < 2:
        raise Refused(422, f"Reference name must start with 'refs/' and have at least two slashes: {ref}")
    if ref in call.repository.git.refs():
        raise Refused(422, "Reference already exists")
    if call.repository.git.commit_of(sha) is None:
        raise Refused(422, "Object does not exist")
    _move(call, RefChange(ref, None, sha))
    return Reply(201, git_ref(call.github, call.repository, ref, sha))


@route("PATCH /repos/{owner}/{repo}/git/refs/{ref}", "contents:write")
def update_ref(call: Call) -> Reply:
    ref, sha, git = _full(call), str(call.body.get("sha", "")), call.repository.git
    before = git.refs().get(ref)
    if before is None:
        raise Refused(422, "Reference does not exist")
    if git.commit_of(sha) is None:
        raise Refused(422, "Object does not exist")
    if not call.body.get("force", False) and not git.contains(sha, before):
        raise Refused(422, "Update is not a fast forward")
    _move(call, RefChange(ref, before, sha))
    return Reply(200, git_ref(call.github, call.repository, ref, sha))


@route("DELETE /repos/{owner}/{repo}/git/refs/{ref}", "contents:write")
def delete_ref(call: Call) -> Reply:
    before = call.repository.git.refs().get(_full(call))
    if before is None:
        raise Refused(422, "Reference does not exist")
    _move(call, RefChange(_full(call), before, None))
    return Reply(204)


def _move(call: Call, change: RefChange) -> None:
    repository = call.repository
    refused = refusal(repository, change, call.token)
    if refused is not None:
        raise Refused(422, refused.to_api)
    try:
        if change.after is None:
            repository.git.delete(change.ref)
        else:
            repository.git.move(change.ref, change.after)
    except GitFailed as failure:
        raise Refused(422, "Reference update failed") from failure
    follow(call.github, repository, [change], call.account)
