"""The GraphQL API: queries are held against GitHub's published schema, and refusals come with a status of 200."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from graphql import GraphQLError, GraphQLSchema, build_schema, execute_sync, parse, validate
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.support.github.accounts import Token
from tests.support.github.answers import graphql_pulls as told
from tests.support.github.credentials import shown, token_of
from tests.support.github.faults import usual_headers
from tests.support.github.merge_queue import enqueue
from tests.support.github.published import graphql_schema
from tests.support.github.reverting import revert_pull
from tests.support.github.routing import Call, Refused, demand, may_see, visible
from tests.support.github.state import Json, Pull, Repository, State, node_id
from tests.support.github.webhooks import announce_pull


@cache
def schema() -> GraphQLSchema:
    text = graphql_schema().read_text()
    return build_schema(text, assume_valid=True, assume_valid_sdl=True, no_location=True)


def answer(github: State, request: Request, sent: bytes) -> Response:
    """Answer one query or mutation."""
    headers = usual_headers() | {"X-RateLimit-Resource": "graphql"}
    try:
        kind, secret = shown(request.headers.get("authorization"))
        if not kind:
            raise Refused(401, "This endpoint requires you to be authenticated.")
        token = token_of(github, secret)
        asked = json.loads(sent)
        text, variables = str(asked["query"]), asked.get("variables") or {}
    except Refused as refused:
        return JSONResponse(refused.reply.body, refused.status, headers)
    except (ValueError, TypeError, KeyError):
        return JSONResponse({"message": "Problems parsing JSON"}, 400, headers)
    with github.lock:
        return JSONResponse(_executed(_Root(github, token), text, variables), 200, headers)


def _executed(root: "_Root", text: str, variables: Json) -> Json:
    try:
        document = parse(text)
    except GraphQLError as error:
        return {"errors": [error.formatted]}
    wrong = validate(schema(), document)
    if wrong:
        return {"errors": [error.formatted for error in wrong]}
    done = execute_sync(schema(), document, root.fields(), variable_values=variables)
    answered: Json = {"data": done.data}
    if done.errors:
        answered["errors"] = [_formatted(error) for error in done.errors]
    return answered


def _formatted(error: GraphQLError) -> Json:
    """GitHub puts the kind of a refusal beside its words."""
    formatted: Json = dict(error.formatted)
    kind: Json = formatted.pop("extensions", {})
    return kind | formatted


def _refused(kind: str, words: str) -> GraphQLError:
    return GraphQLError(words, extensions={"type": kind})


class _Root:
    """What queries and mutations begin at, for one caller."""

    def __init__(self, github: State, token: Token) -> None:
        self.github = github
        self.token = token

    def fields(self) -> dict[str, Any]:
        return {
            "viewer": lambda info: told.actor(self.github, self.token.account),
            "node": self._node,
            "repository": self._repository,
            "revertPullRequest": self._mutation(self._revert),
            "enqueuePullRequest": self._mutation(self._enqueue),
            "dequeuePullRequest": self._dequeue,
            "markPullRequestReadyForReview": self._mutation(self._ready),
            "convertPullRequestToDraft": self._mutation(self._to_draft),
        }

    def _node(self, info: object, id: str) -> Json:
        return told.pull(self.github, *self._pull(id))

    def _repository(self, info: object, owner: str, name: str, followRenames: bool = True) -> Json:
        try:
            return told.repository(self.github, visible(self.github, f"{owner}/{name}", self.token))
        except Refused as refused:
            words = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise _refused("NOT_FOUND", words) from refused

    def _pull(self, wanted: str) -> tuple[Repository, Pull]:
        for repository in self.github.repositories.values():
            for pull in repository.pulls:
                if node_id("PR", pull.id) == wanted and may_see(repository, self.token):
                    return repository, pull
        raise _refused("NOT_FOUND", f"Could not resolve to a node with the global id of '{wanted}'")

    def _mutation(self, change: Callable[[Repository, Pull, Json], Json]) -> Callable[[object, Json], Json]:
        def resolve(info: object, input: Json) -> Json:
            repository, pull = self._pull(input["pullRequestId"])
            names = {"owner": repository.owner.login, "repo": repository.name}
            try:
                call = Call(self.github, "POST", names, {}, {}, "", token=self.token)
                demand(call, "pull_requests:write")
                changed = change(repository, pull, input)
            except Refused as refused:
                kind = "FORBIDDEN" if refused.status == 403 else "UNPROCESSABLE"
                raise _refused(kind, refused.message) from refused
            return {"clientMutationId": input.get("clientMutationId"), **changed}

        return resolve

    def _revert(self, repository: Repository, pull: Pull, asked: Json) -> Json:
        made = revert_pull(
            self.github,
            repository,
            pull,
            self.token.account,
            title=asked.get("title"),
            body=asked.get("body"),
            draft=asked.get("draft", False),
        )
        return {
            "pullRequest": told.pull(self.github, repository, pull),
            "revertPullRequest": told.pull(self.github, repository, made),
        }

    def _enqueue(self, repository: Repository, pull: Pull, asked: Json) -> Json:
        enqueue(self.github, repository, pull, self.token.account, asked.get("expectedHeadOid"))
        return {"mergeQueueEntry": told.queue_entry(self.github, repository, pull)}

    def _dequeue(self, info: object, input: Json) -> Json:
        repository, pull = self._pull(input["id"])
        entry = told.queue_entry(self.github, repository, pull) if pull.queued is not None else None
        if pull.queued is not None:
            pull.queued = None
            announce_pull(self.github, repository, pull, "dequeued", self.token.account, {"reason": "MANUAL"})
        return {"clientMutationId": input.get("clientMutationId"), "mergeQueueEntry": entry}

    def _ready(self, repository: Repository, pull: Pull, asked: Json) -> Json:
        return self._set_draft(repository, pull, False)

    def _to_draft(self, repository: Repository, pull: Pull, asked: Json) -> Json:
        return self._set_draft(repository, pull, True)

    def _set_draft(self, repository: Repository, pull: Pull, draft: bool) -> Json:
        if pull.state != "open":
            raise Refused(422, "Pull request is closed")
        if pull.draft != draft:
            pull.draft = draft
            action = "converted_to_draft" if draft else "ready_for_review"
            announce_pull(self.github, repository, pull, action, self.token.account)
        return {"pullRequest": told.pull(self.github, repository, pull)}
