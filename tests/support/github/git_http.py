"""Git over smart HTTP: the real git, behind GitHub's tokens and its protected branches."""

import tempfile
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from tests.support.github.accounts import LEVELS, Token
from tests.support.github.credentials import shown, token_of
from tests.support.github.following import follow
from tests.support.github.git_backend import Sent, backend
from tests.support.github.push_report import reworded
from tests.support.github.push_rules import Kind, Refusal, refused_pushes
from tests.support.github.ref_change import changes
from tests.support.github.routing import Refused, may_see, visible
from tests.support.github.state import Repository, State

_SERVICES = {"git-upload-pack": "read", "git-receive-pack": "write"}
UPDATE_HOOK = r"""#!/bin/sh
# The server has decided what may be done; this finds out what is being done: $1 ref, $2 before, $3 after.
none=0000000000000000000000000000000000000000
if [ "$2" = $none ]; then kind=create
elif [ "$3" = $none ]; then kind=delete
elif git merge-base --is-ancestor "$2" "$3"; then kind=forward
else kind=force
fi
refuse() {
    mkdir -p "$STAND_IN_VERDICTS/reasons/$(dirname "$1")"
    printf '%s' "$2" > "$STAND_IN_VERDICTS/reasons/$1"
    exit 1
}
verdict="$STAND_IN_VERDICTS/$kind/$1"
if [ -f "$verdict" ]; then
    tail -n +2 "$verdict" >&2
    refuse "$1" "$(head -n 1 "$verdict")"
fi
if [ "$kind" != delete ] && [ -f "$STAND_IN_VERDICTS/no-workflows" ]; then
    workflow=$(git log --format= --name-only "$3" --not --branches -- .github/workflows | head -n 1)
    [ -z "$workflow" ] || refuse "$1" \
        "refusing to allow a GitHub App to create or update workflow \`$workflow\` without \`workflows\` permission"
fi
"""


async def git(github: State, request: Request) -> Response:
    """Answer one request of git's."""
    owner, name, path = (request.path_params[part] for part in ("owner", "repo", "path"))
    service = request.query_params.get("service") or path
    if service not in _SERVICES or path not in ("info/refs", service):
        return Response("Not Found", 404)
    try:
        token = _token(github, request)
        repository = _repository(github, f"{owner}/{name.removesuffix('.git')}", service, token)
    except Refused as refused:
        headers = {"WWW-Authenticate": 'Basic realm="GitHub"'} if refused.status == 401 else {}
        return Response(f"{refused.message}\n", refused.status, headers, "text/plain")
    sent = Sent(request.method, service, path, request.url.query, dict(request.headers), await request.body())
    if path != "git-receive-pack":
        return await backend(repository.git.path, sent, {"STAND_IN_VERDICTS": "/nonexistent"})
    return await _pushed(github, repository, sent, token)


def _token(github: State, request: Request) -> Token | None:
    kind, secret = shown(request.headers.get("authorization"))
    if not kind:
        return None
    try:
        if kind == "basic":
            return token_of(github, secret)
    except Refused:
        pass
    raise Refused(401, "Invalid username or token. Password authentication is not supported.")


def _repository(github: State, full_name: str, service: str, token: Token | None) -> Repository:
    """The repository, if a token may do so much with it. Raises Refused."""
    if token is None and (service == "git-receive-pack" or _private(github, full_name)):
        raise Refused(401, "Repository not found.")
    repository = visible(github, full_name, token)
    needed = LEVELS.index(_SERVICES[service])
    if token is not None:
        granted = token.permissions.get("contents", "none") if token.installation else repository.level(token.account)
        if not may_see(repository, token):
            granted = "read"
        if LEVELS.index(granted) < needed:
            raise Refused(403, f"Permission to {full_name}.git denied to {token.account.login}.")
    if repository.archived and service == "git-receive-pack":
        raise Refused(403, "This repository was archived so it is read-only.")
    return repository


def _private(github: State, full_name: str) -> bool:
    found = github.repositories.get(full_name.lower())
    return found is None or found.private


async def _pushed(github: State, repository: Repository, sent: Sent, token: Token | None) -> Response:
    """Let git take a push, refusing what protected branches refuse, and let pull requests follow."""
    assert token is not None
    with github.lock:
        refused = list(refused_pushes(repository, token))
        before = repository.git.refs()
    with tempfile.TemporaryDirectory(prefix="jm-verdicts-") as folder:
        verdicts = Path(folder)
        _write_verdicts(verdicts, refused)
        if token.installation is not None and token.permissions.get("workflows") != "write":
            (verdicts / "no-workflows").touch()
        answer = await backend(repository.git.path, sent, {"STAND_IN_VERDICTS": str(verdicts)})
        reasons = {
            str(file.relative_to(verdicts / "reasons")): file.read_text()
            for file in verdicts.glob("reasons/**/*")
            if file.is_file()
        }
    with github.lock:
        follow(github, repository, changes(before, repository.git.refs()), token.account)
    body = reworded(bytes(answer.body), reasons)
    return Response(body, answer.status_code, media_type=answer.media_type)


def _write_verdicts(folder: Path, refused: list[tuple[Kind, Refusal]]) -> None:
    for kind, refusal in refused:
        verdict = folder / kind / refusal.ref
        verdict.parent.mkdir(parents=True, exist_ok=True)
        verdict.write_text(f"{refusal.reason}\n{refusal.to_git}")
