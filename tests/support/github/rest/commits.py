"""Commits, comparisons of them, and files as they were in them."""

import base64
from urllib.parse import quote

from tests.support.github.answers import commits as told
from tests.support.github.answers.pulls import simple_pull
from tests.support.github.answers.repositories import repository_url
from tests.support.github.routing import Call, Refused, Reply, paged, route
from tests.support.github.state import Json


def _commit(call: Call, named: str) -> str | None:
    git = call.repository.git
    return git.branch(named) or git.commit_of(named)


@route("GET /repos/{owner}/{repo}/commits", "contents:read")
def list_commits(call: Call) -> Reply:
    repository, query = call.repository, call.query
    start = _commit(call, query.get("sha", repository.default_branch))
    if start is None:
        raise Refused(404, "Not Found")
    limits = [f"--{name}={query[name]}" for name in ("since", "until", "author") if name in query]
    paths = ["--", query["path"]] if "path" in query else []
    found = repository.git.git("rev-list", *limits, start, *paths).split()
    return paged(call, [told.commit(call.github, repository, sha) for sha in found])


@route("GET /repos/{owner}/{repo}/commits/{ref}", "contents:read")
def get_commit(call: Call) -> Reply:
    sha = _commit(call, call.parameters["ref"])
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {call.parameters['ref']}")
    return Reply(200, told.commit_with_files(call.github, call.repository, sha))


@route("GET /repos/{owner}/{repo}/git/commits/{commit_sha}", "contents:read")
def get_git_commit(call: Call) -> Reply:
    sha = call.repository.git.commit_of(call.parameters["commit_sha"])
    if sha is None:
        raise Refused(404, "Not Found")
    return Reply(200, told.git_commit(call.github, call.repository, sha))


@route("GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls", "pull_requests:read")
def list_pulls_of_commit(call: Call) -> Reply:
    repository, sha = call.repository, call.parameters["commit_sha"]
    if repository.git.commit_of(sha) is None:
        raise Refused(422, f"No commit found for SHA: {sha}")
    found = [
        pull
        for pull in repository.pulls
        if sha == pull.merge_commit or sha in repository.git.between(repository.base_of(pull), pull.head_sha)
    ]
    return paged(call, [simple_pull(call.github, repository, pull) for pull in found])


@route("GET /repos/{owner}/{repo}/compare/{basehead}", "contents:read")
def compare(call: Call) -> Reply:
    repository, git = call.repository, call.repository.git
    base_name, dots, head_name = call.parameters["basehead"].partition("...")
    prefix = f"{repository.owner.login}:"
    base, head = (_commit(call, name.removeprefix(prefix)) for name in (base_name, head_name))
    fork = git.merge_base(base, head) if base and head else None
    if not dots or base is None or head is None or fork is None:
        raise Refused(404, "Not Found")
    ahead, behind = git.between(base, head), git.between(head, base)
    status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}
    url = f"{repository_url(call.github, repository)}/compare/{base_name}...{head_name}"
    web = f"{call.github.web}/{repository.full_name}/compare/{base_name}...{head_name}"
    commits = paged(call, [told.commit(call.github, repository, sha) for sha in ahead])
    answer: Json = {
        "url": url,
        "html_url": web,
        "permalink_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "base_commit": told.commit(call.github, repository, base),
        "merge_base_commit": told.commit(call.github, repository, fork),
        "status": status.get((bool(ahead), bool(behind)), "diverged"),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": commits.body,
        "files": told.changed_files(call.github, repository, fork, head),
    }
    return Reply(200, answer, commits.headers)


@route("GET /repos/{owner}/{repo}/contents/{path}", "contents:read")
def get_contents(call: Call) -> Reply:
    repository, path = call.repository, call.parameters["path"]
    ref = call.query.get("ref", repository.default_branch)
    sha = _commit(call, ref)
    if sha is None:
        raise Refused(404, f"No commit found for the ref {ref}")
    listed = repository.git.git("ls-tree", "-l", sha, "--", path).split()
    if len(listed) < 5 or listed[1] != "blob":
        raise Refused(404, "Not Found")
    content = repository.git.git("cat-file", "blob", listed[2], strip=False)
    address = quote(path)
    url = f"{repository_url(call.github, repository)}/contents/{address}?ref={quote(ref)}"
    blob = f"{repository_url(call.github, repository)}/git/blobs/{listed[2]}"
    web = f"{call.github.web}/{repository.full_name}/blob/{ref}/{address}"
    answer: Json = {
        "type": "file",
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": listed[2],
        "size": int(listed[3]),
        "encoding": "base64",
        "content": base64.encodebytes(content.encode(errors="surrogateescape")).decode(),
        "url": url,
        "git_url": blob,
        "html_url": web,
        "download_url": f"{call.github.web}/{repository.full_name}/raw/{ref}/{address}",
        "_links": {"self": url, "git": blob, "html": web},
    }
    return Reply(200, answer)
