"""How GraphQL tells of repositories and pull requests: all fields at once, of which a query takes its own."""

from tests.support.github.accounts import Account
from tests.support.github.answers.people import time, time_or_none
from tests.support.github.merge_queue import place
from tests.support.github.merge_rules import mergeability
from tests.support.github.state import Json, Pull, Repository, State, node_id

_MERGEABLE = {True: "MERGEABLE", False: "CONFLICTING", None: "UNKNOWN"}


def actor(github: State, account: Account) -> Json:
    login = account.login.removesuffix("[bot]")
    url = f"{github.web}/{login}"
    return {"__typename": account.kind, "id": node_id("U", account.id), "login": login, "url": url}


def pull(github: State, told: Repository, one: Pull) -> Json:
    """A pull request; what refers back to others is told when a query asks for it."""
    mergeable, state = mergeability(told, one)
    web = f"{github.web}/{told.full_name}/pull/{one.number}"
    return {
        "__typename": "PullRequest",
        "id": node_id("PR", one.id),
        "fullDatabaseId": str(one.id),
        "number": one.number,
        "title": one.title,
        "body": one.body or "",
        "url": web,
        "permalink": web,
        "resourcePath": f"/{told.full_name}/pull/{one.number}",
        "state": "MERGED" if one.merged else one.state.upper(),
        "closed": one.state == "closed",
        "isDraft": one.draft,
        "merged": one.merged is not None,
        "mergedAt": time_or_none(one.merged),
        "closedAt": time_or_none(one.closed),
        "createdAt": time(one.created),
        "updatedAt": time(one.updated),
        "mergeable": _MERGEABLE[mergeable],
        "mergeStateStatus": state.upper(),
        "headRefName": one.head,
        "headRefOid": one.head_sha,
        "baseRefName": one.base,
        "baseRefOid": one.base_sha,
        "mergeCommit": {"__typename": "Commit", "oid": one.merge_commit} if one.merge_commit else None,
        "author": actor(github, one.author),
        "mergedBy": actor(github, one.merged_by) if one.merged_by else None,
        "isInMergeQueue": one.queued is not None,
        "mergeQueueEntry": lambda info: queue_entry(github, told, one) if one.queued else None,
        "repository": lambda info: repository(github, told),
    }


def repository(github: State, told: Repository) -> Json:
    def pull_request(info: object, number: int) -> Json | None:
        found = told.issues.get(number)
        return pull(github, told, found) if isinstance(found, Pull) else None

    def merge_queue(info: object, branch: str | None = None) -> Json | None:
        rules = told.protections.get(branch or told.default_branch)
        has_one = rules is not None and rules.queue
        return {"__typename": "MergeQueue", "id": node_id("MQ", told.id)} if has_one else None

    return {
        "__typename": "Repository",
        "id": node_id("R", told.id),
        "name": told.name,
        "nameWithOwner": told.full_name,
        "url": f"{github.web}/{told.full_name}",
        "isPrivate": told.private,
        "pullRequest": pull_request,
        "mergeQueue": merge_queue,
    }


def queue_entry(github: State, told: Repository, one: Pull) -> Json:
    """A pull request's place in a merge queue."""
    assert one.queued is not None
    return {
        "id": node_id("MQE", one.id),
        "enqueuedAt": time(one.queued),
        "estimatedTimeToMerge": None,
        "position": place(told, one),
        "state": "QUEUED",
        "jump": False,
        "solo": False,
        "headCommit": {"oid": one.head_sha},
        "pullRequest": lambda info: pull(github, told, one),
    }
