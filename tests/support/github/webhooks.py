"""Telling apps what happened: signed deliveries, in order, each tried once, as GitHub does."""

import hashlib
import hmac
import json
import threading
import time
import uuid
from dataclasses import replace

import httpx

from tests.support.github.accounts import Account, Installation, now
from tests.support.github.answers.people import user
from tests.support.github.answers.pulls import full_pull
from tests.support.github.answers.repositories import repository as told_repository
from tests.support.github.ref_change import RefChange
from tests.support.github.state import Delivery, Json, Pull, Repository, State, node_id
from tests.support.plain_http import NO_TLS

SECONDS = 10.0
"""In which an answer must come (docs.github.com, Handling webhook deliveries)."""


def listening(github: State, repository: Repository) -> list[Installation]:
    """The installations that are told of a repository's events."""
    return [
        one
        for one in github.installations.values()
        if one.app.hook_url and one.suspended is None and one.has(repository.full_name)
    ]


def announce(github: State, repository: Repository, event: str, body: Json, sender: Account) -> None:
    """Tell every app that has the repository of an event."""
    for installation in listening(github, repository):
        payload = {
            **body,
            "repository": told_repository(github, repository),
            "sender": user(github, sender),
            "installation": {"id": installation.id, "node_id": node_id("I", installation.id)},
        }
        send(
            github,
            Delivery(
                id=github.new_id(),
                guid=str(uuid.uuid4()),
                installation=installation,
                repository=repository,
                event=event,
                action=body.get("action"),
                payload=payload,
            ),
        )


def announce_pull(
    github: State, repository: Repository, pull: Pull, action: str, sender: Account, more: Json | None = None
) -> None:
    """Tell of something that was done to a pull request."""
    if listening(github, repository):
        told = full_pull(github, repository, pull, None, "unknown")
        body = {"action": action, "number": pull.number, "pull_request": told, **(more or {})}
        announce(github, repository, "pull_request", body, sender)


def announce_push(github: State, repository: Repository, change: RefChange, pusher: Account) -> None:
    """Tell of a ref that was moved."""
    none = "0" * 40
    git, commits = repository.git, list[Json]()
    if not listening(github, repository):
        return
    if change.after is not None and change.before is not None:
        commits = [_pushed_commit(github, repository, sha) for sha in git.between(change.before, change.after)]
    web = f"{github.web}/{repository.full_name}"
    body: Json = {
        "ref": change.ref,
        "before": change.before or none,
        "after": change.after or none,
        "created": change.before is None,
        "deleted": change.after is None,
        "forced": bool(change.before and change.after and not git.contains(change.after, change.before)),
        "base_ref": None,
        "compare": f"{web}/compare/{(change.before or none)[:12]}...{(change.after or none)[:12]}",
        "commits": commits,
        "head_commit": None if change.after is None else _pushed_commit(github, repository, change.after),
        "pusher": {"name": pusher.login, "email": f"{pusher.login.removesuffix('[bot]')}@users.noreply.github.com"},
    }
    announce(github, repository, "push", body, pusher)


def _pushed_commit(github: State, repository: Repository, sha: str) -> Json:
    told = repository.git.git("log", "-1", "--format=%T%x00%an%x00%ae%x00%cI%x00%B", sha).split("\0")
    tree, name, email, moment, message = told
    person = {"name": name, "email": email, "username": name}
    listed = repository.git.git("show", "--format=", "--name-status", "--no-renames", "-m", "--first-parent", sha)
    changed = [line.split("\t", 1) for line in listed.splitlines()]
    return {
        "id": sha,
        "tree_id": tree,
        "distinct": True,
        "message": message.strip(),
        "timestamp": moment,
        "url": f"{github.web}/{repository.full_name}/commit/{sha}",
        "author": person,
        "committer": person,
        **{
            kind: [path for letter, path in changed if letter == its_letter]
            for kind, its_letter in (("added", "A"), ("removed", "D"), ("modified", "M"))
        },
    }


def send(github: State, delivery: Delivery) -> None:
    """Queue a delivery, or keep it while deliveries are held back."""
    github.deliveries.append(delivery)
    if github.held is not None:
        github.held.append(delivery)
    else:
        github.outbox.put(delivery)


def redeliver(github: State, delivery: Delivery) -> None:
    """The same once more, under the same guid and another id."""
    send(github, replace(delivery, id=github.new_id(), redelivery=True, status="pending", status_code=0, at=now()))


def carry(github: State) -> threading.Thread:
    """Start carrying what is queued, one after another, until None is."""

    def run() -> None:
        # Nothing of this machine's proxy settings is meant for its own loopback.
        with httpx.Client(timeout=SECONDS, trust_env=False, verify=NO_TLS) as client:
            while (delivery := github.outbox.get()) is not None:
                _post(client, delivery)
                github.outbox.task_done()
            github.outbox.task_done()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def signature(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def _post(client: httpx.Client, delivery: Delivery) -> None:
    app = delivery.installation.app
    body = json.dumps(delivery.payload).encode()
    delivery.headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/stand-in",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
        "X-Hub-Signature-256": signature(app.hook_secret, body),
    }
    began = time.monotonic()
    try:
        answer = client.post(app.hook_url, content=body, headers=delivery.headers)
    except httpx.TimeoutException:
        delivery.status, delivery.status_code = "timed out", 504
    except httpx.HTTPError:
        delivery.status, delivery.status_code = "failed to connect to host", 502
    else:
        delivery.status_code, delivery.answered = answer.status_code, answer.text[:10_000]
        good = answer.status_code < 300
        delivery.status = "OK" if good else f"Invalid HTTP Response: {answer.status_code}"
    delivery.duration = round(time.monotonic() - began, 2)
