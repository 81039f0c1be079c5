"""Pull requests: listed, opened, read, edited and merged."""

from tests.support.github.accounts import now
from tests.support.github.answers.commits import changed_files, commit
from tests.support.github.answers.pulls import full_pull, simple_pull
from tests.support.github.issues import set_state
from tests.support.github.merge_rules import mergeability
from tests.support.github.pull_requests import merge_pull, open_pull, try_merge
from tests.support.github.push_rules import acting_as
from tests.support.github.routing import Call, Refused, Reply, invalid, missing, paged, route
from tests.support.github.state import Pull, Repository
from tests.support.github.webhooks import announce_pull


def _full(call: Call, pull: Pull, *, decided: bool = True) -> dict[str, object]:
    known = mergeability(call.repository, pull) if decided else (None, "unknown")
    if known[0] is not None:
        try_merge(call.repository, pull)
    return full_pull(call.github, call.repository, pull, *known)


@route("GET /repos/{owner}/{repo}/pulls", "pull_requests:read")
def list_pulls(call: Call) -> Reply:
    repository, query = call.repository, call.query
    state = query.get("state", "open")
    found = [pull for pull in repository.pulls if state in ("all", pull.state)]
    if query.get("base"):
        found = [pull for pull in found if pull.base == query["base"]]
    # A head without its owner is no filter to GitHub: it answers with everything.
    if ":" in query.get("head", ""):
        found = [pull for pull in found if _label(repository, pull) == query["head"].lower()]
    descending = query.get("direction", "desc" if query.get("sort", "created") == "created" else "asc") == "desc"
    found.sort(key=lambda pull: pull.number, reverse=descending)
    return paged(call, [simple_pull(call.github, repository, pull) for pull in found])


def _label(repository: Repository, pull: Pull) -> str:
    return f"{repository.head_owner(pull).login}:{pull.head}".lower()


@route("POST /repos/{owner}/{repo}/pulls", "pull_requests:write")
def create_pull(call: Call) -> Reply:
    body = call.body
    for name in ("head", "base"):
        if not isinstance(body.get(name), str):
            missing("PullRequest", name)
    if not body.get("title"):
        missing("PullRequest", "title")
    pull = open_pull(
        call.github,
        call.repository,
        call.account,
        head=body["head"],
        base=body["base"],
        title=body["title"],
        body=body.get("body"),
        draft=bool(body.get("draft", False)),
    )
    return Reply(201, _full(call, pull, decided=False))


@route("GET /repos/{owner}/{repo}/pulls/{pull_number}", "pull_requests:read")
def get_pull(call: Call) -> Reply:
    pull = call.pull
    decided = pull.undecided_reads <= 0
    pull.undecided_reads -= 1
    return Reply(200, _full(call, pull, decided=decided))


@route("PATCH /repos/{owner}/{repo}/pulls/{pull_number}", "pull_requests:write")
def update_pull(call: Call) -> Reply:
    pull, body = call.pull, call.body
    state = body.get("state", pull.state)
    if state == "open" and pull.state == "closed":
        if pull.merged is not None:
            invalid("PullRequest", "state cannot be changed. The pull request was merged.")
        if (pull.fork or call.repository).git.branch(pull.head) is None:
            invalid("PullRequest", f"state cannot be changed. The {pull.head} branch has been deleted.")
    if "base" in body and call.repository.git.branch(body["base"]) is None:
        raise Refused(422, "Validation Failed", [{"resource": "PullRequest", "field": "base", "code": "invalid"}])
    if "base" in body and body["base"] != pull.base:
        pull.base_sha = call.repository.git.branch(body["base"]) or pull.base_sha
    pull.title, pull.body, pull.base = (
        body.get("title", pull.title),
        body.get("body", pull.body),
        body.get("base", pull.base),
    )
    pull.updated = now()
    if {"title", "body", "base"} & body.keys():
        announce_pull(call.github, call.repository, pull, "edited", call.account, {"changes": {}})
    set_state(call.github, call.repository, pull, state, call.account)
    return Reply(200, _full(call, pull))


@route("GET /repos/{owner}/{repo}/pulls/{pull_number}/files", "pull_requests:read")
def list_files(call: Call) -> Reply:
    pull, git = call.pull, call.repository.git
    fork = git.merge_base(call.repository.base_of(pull), pull.head_sha)
    return paged(call, changed_files(call.github, call.repository, fork, pull.head_sha))


@route("GET /repos/{owner}/{repo}/pulls/{pull_number}/commits", "pull_requests:read")
def list_commits(call: Call) -> Reply:
    pull, repository = call.pull, call.repository
    own = repository.git.between(repository.base_of(pull), pull.head_sha)
    return paged(call, [commit(call.github, repository, sha) for sha in own])


@route("GET /repos/{owner}/{repo}/pulls/{pull_number}/merge", "pull_requests:read")
def check_merged(call: Call) -> Reply:
    if call.pull.merged is None:
        raise Refused(404, "Not Found")
    return Reply(204)


@route("PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge", "contents:write")
def merge(call: Call) -> Reply:
    body = call.body
    commit_sha = merge_pull(
        call.github,
        call.repository,
        call.pull,
        call.account,
        method=body.get("merge_method", "merge"),
        sha=body.get("sha"),
        title=body.get("commit_title"),
        message=body.get("commit_message"),
        bypasses=acting_as(call.token),
    )
    return Reply(200, {"sha": commit_sha, "merged": True, "message": "Pull Request successfully merged"})
