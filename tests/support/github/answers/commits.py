"""How commits, comparisons and changed files are told."""

from urllib.parse import quote

from tests.support.github.accounts import Account
from tests.support.github.answers.people import user_or_none
from tests.support.github.bare_repository import NO_COMMIT
from tests.support.github.state import Json, Repository, State, node_id

_FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B")
_STATUS = {"A": "added", "D": "removed", "M": "modified", "T": "changed", "R": "renamed", "C": "copied"}
_LONGEST_PATCH = 100_000


def _read(repository: Repository, sha: str) -> list[str]:
    told = repository.git.git("log", "-1", f"--format={'%x00'.join(_FIELDS)}", sha)
    return told.split("\0")


def git_commit(github: State, repository: Repository, sha: str) -> Json:
    """As `git-commit`: what git itself knows of it."""
    full, tree, parents, *people, message = _read(repository, sha)
    url = f"{github.api}/repos/{repository.full_name}"
    web = f"{github.web}/{repository.full_name}"
    return {
        "sha": full,
        "node_id": node_id("C", repository.id) + full,
        "url": f"{url}/git/commits/{full}",
        "html_url": f"{web}/commit/{full}",
        "author": dict(zip(("name", "email", "date"), people[:3], strict=True)),
        "committer": dict(zip(("name", "email", "date"), people[3:], strict=True)),
        "tree": {"sha": tree, "url": f"{url}/git/trees/{tree}"},
        "message": message.rstrip("\n"),
        "parents": [
            {"sha": parent, "url": f"{url}/git/commits/{parent}", "html_url": f"{web}/commit/{parent}"}
            for parent in parents.split()
        ],
        "verification": UNSIGNED,
    }


UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def commit(github: State, repository: Repository, sha: str) -> Json:
    """As `commit`: with the accounts that GitHub knows its people as."""
    raw = git_commit(github, repository, sha)
    full = raw["sha"]
    url = f"{github.api}/repos/{repository.full_name}"
    return {
        "sha": full,
        "node_id": raw["node_id"],
        "url": f"{url}/commits/{full}",
        "html_url": raw["html_url"],
        "comments_url": f"{url}/commits/{full}/comments",
        "commit": {
            "url": raw["url"],
            "author": raw["author"],
            "committer": raw["committer"],
            "message": raw["message"],
            "tree": raw["tree"],
            "comment_count": 0,
            "verification": UNSIGNED,
        },
        "author": user_or_none(github, _known(github, raw["author"]["email"])),
        "committer": user_or_none(github, _known(github, raw["committer"]["email"])),
        "parents": [{**parent, "url": f"{url}/commits/{parent['sha']}"} for parent in raw["parents"]],
    }


def simple_commit(github: State, repository: Repository, sha: str) -> Json:
    """As `simple-commit`: what check suites and workflow runs hold."""
    raw = git_commit(github, repository, sha)
    return {
        "id": sha,
        "tree_id": raw["tree"]["sha"],
        "message": raw["message"],
        "timestamp": raw["committer"]["date"],
        "author": {name: raw["author"][name] for name in ("name", "email")},
        "committer": {name: raw["committer"][name] for name in ("name", "email")},
    }


def commit_with_files(github: State, repository: Repository, sha: str) -> Json:
    """As `commit`, with what it changed against its first parent."""
    told = commit(github, repository, sha)
    against = told["parents"][0]["sha"] if told["parents"] else None
    files = changed_files(github, repository, against, told["sha"])
    added, removed = sum(file["additions"] for file in files), sum(file["deletions"] for file in files)
    return {**told, "files": files, "stats": {"additions": added, "deletions": removed, "total": added + removed}}


def _known(github: State, email: str) -> Account | None:
    """The account of an address that GitHub gave it: `id+login@users.noreply.github.com`."""
    login = email.partition("@")[0].partition("+")[2]
    return github.accounts.get(login.lower()) if email.endswith("@users.noreply.github.com") else None


def changed_files(github: State, repository: Repository, older: str | None, newer: str) -> list[Json]:
    """Every file that differs, as `diff-entry`, with its patch unless it is binary or long."""
    git = repository.git
    start = older or git.git("hash-object", "-t", "tree", "/dev/null")
    raw = git.git("diff", "--raw", "--no-abbrev", "-M", "-z", start, newer).split("\0")
    files = []
    while len(raw) > 1:
        _, _, _, blob, letter = raw.pop(0).lstrip(":").split(" ")
        previous = raw.pop(0)
        name = raw.pop(0) if letter[0] in "RC" else previous
        files.append(_changed_file(github, repository, start, newer, name, previous, blob, _STATUS[letter[0]]))
    return files


def _changed_file(
    github: State, repository: Repository, older: str, newer: str, name: str, previous: str, blob: str, status: str
) -> Json:
    git = repository.git
    paths = ("--", name) if previous == name else ("--", previous, name)
    counts = git.git("diff", "--numstat", "-M", older, newer, *paths).split("\t")[:2]
    added, removed = (int(count) if count.isdigit() else 0 for count in counts)
    patch = git.git("diff", "-M", older, newer, *paths).partition("\n@@ ")
    web, address = f"{github.web}/{repository.full_name}", quote(name)
    entry: Json = {
        "sha": git.git("rev-parse", f"{older}:{previous}") if blob == NO_COMMIT else blob,
        "filename": name,
        "status": status,
        "additions": added,
        "deletions": removed,
        "changes": added + removed,
        "blob_url": f"{web}/blob/{newer}/{address}",
        "raw_url": f"{web}/raw/{newer}/{address}",
        "contents_url": f"{github.api}/repos/{repository.full_name}/contents/{address}?ref={newer}",
    }
    if previous != name:
        entry["previous_filename"] = previous
    if patch[1] and len(patch[2]) < _LONGEST_PATCH:
        entry["patch"] = f"@@ {patch[2]}"
    return entry
