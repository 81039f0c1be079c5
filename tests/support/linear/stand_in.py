"""A stand-in for Linear: one workspace, what its people do there, and what the App is answered."""

import itertools
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.linear.courier import Courier, Delivery
from tests.support.linear.nodes import Node, actor, child, connection, flat, stamp

APP = "Journeyman"
TOKEN = "lin_oauth_of-the-app"
_STATES = (
    ("Backlog", "backlog"),
    ("Todo", "unstarted"),
    ("In Progress", "started"),
    ("In Review", "started"),
    ("Done", "completed"),
    ("Canceled", "canceled"),
)


@dataclass
class Fault:
    """What goes wrong with the next request of an operation."""

    operation: str
    kind: str
    """`ratelimited`, `lost`, `errors`, `down`, `slow` or `garbage`."""


class Linear(Courier):
    """Nodes are kept as GraphQL shows them; a function among their fields is asked for its answer."""

    def __init__(self, api: str) -> None:
        super().__init__()
        self.api = api
        self.tokens = {TOKEN}
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """Operations and their variables, in order."""
        self.organization = {"id": str(uuid.uuid4()), "name": "Acme", "urlKey": "acme"}
        self.users: dict[str, Node] = {}
        self.teams: dict[str, Node] = {}
        self.labels: dict[str, Node] = {}
        self.issues: dict[str, Node] = {}
        self.comments: dict[str, Node] = {}
        self.sessions: dict[str, Node] = {}
        self.activities: dict[str, Node] = {}
        self.attachments: list[Node] = []
        self.webhooks: list[Node] = []
        self.deliveries: list[Delivery] = []
        self.lock = threading.RLock()
        self._deleted: set[str] = set()
        self._numbers = itertools.count(1)
        self.app = self.person(APP, app=True)

    # What there is.

    def person(self, name: str, *, mail: str = "", guest: bool = False, active: bool = True, app: bool = False) -> Node:
        return self._put(
            self.users,
            name=name,
            displayName=name.lower(),
            email=mail or f"{name.lower()}@example.com",
            guest=guest,
            active=active,
            app=app,
            organization=self.organization,
        )

    def team(self, key: str) -> Node:
        states = [
            {"id": str(uuid.uuid4()), "name": name, "type": kind, "position": float(place)}
            for place, (name, kind) in enumerate(_STATES)
        ]
        return self._put(
            self.teams,
            key=key,
            name=f"Team {key}",
            archivedAt=None,
            retiredAt=None,
            organization=self.organization,
            activeCycle=None,
            states=lambda _, **__: connection(states),
            all_states=states,
        )

    def label_named(self, name: str) -> Node:
        found = next((one for one in self.labels.values() if one["name"] == name), None)
        return found or self._put(self.labels, name=name, team=None)

    def named(self, issue: Node) -> list[str]:
        return [one["name"] for one in issue["all_labels"]]

    def state_of(self, issue: Node) -> str:
        return str(issue["state"]["name"])

    def said(self, issue: Node, by: Node | None = None) -> list[str]:
        """What the App says below an issue, or somebody else."""
        whose = (by or self.app)["id"]
        found = [one for one in self.comments.values() if one["issue"] is issue and one["user"]["id"] == whose]
        return [str(one["body"]) for one in found]

    def told(self, session: Node) -> list[tuple[str, str]]:
        """What the App shows in a session: kind and words."""
        found = [one for one in self.activities.values() if one["session"] is session and one["user"] is self.app]
        return [(one["content"]["type"], one["content"].get("body") or one["content"]["action"]) for one in found]

    # What people do.

    def issue(self, team: Node, by: Node, title: str, description: str = "", **more: Any) -> Node:
        with self.lock:
            number, now = next(self._numbers), stamp()
            identifier = f"{team['key']}-{number}"
            labels: list[Node] = list(more.pop("labels", ()))
            history: list[Node] = []
            made = self._put(
                self.issues,
                identifier=identifier,
                previousIdentifiers=[],
                number=float(number),
                title=title,
                description=description,
                url=f"https://linear.app/acme/issue/{identifier}",
                priority=float(more.pop("priority", 0)),
                priorityLabel=more.pop("priorityLabel", "No priority"),
                trashed=None,
                archivedAt=None,
                createdAt=now,
                updatedAt=now,
                creator=by,
                team=team,
                state=team["all_states"][1],
                assignee=None,
                delegate=None,
                project=more.pop("project", None),
                cycle=more.pop("cycle", None),
                labels=lambda _, **__: connection(labels),
                all_labels=labels,
                history=lambda _, **__: connection(list(reversed(history))),
                changes=history,
            )
            self._tell_issue("create", made, by, {})
            return made

    def label(self, issue: Node, by: Node, name: str = "journeyman") -> None:
        with self.lock:
            label, before = self.label_named(name), [one["id"] for one in issue["all_labels"]]
            issue["all_labels"].append(label)
            self._changed(issue, by, addedLabels=[label])
            self._tell_issue("update", issue, by, {"labelIds": before})

    def unlabel(self, issue: Node, by: Node) -> None:
        with self.lock:
            before = [one["id"] for one in issue["all_labels"]]
            issue["all_labels"].clear()
            self._changed(issue, by)
            self._tell_issue("update", issue, by, {"labelIds": before})

    def assign(self, issue: Node, by: Node, to: Node) -> None:
        with self.lock:
            before = issue["assignee"]["id"] if issue["assignee"] else None
            issue["assignee"] = to
            self._changed(issue, by, toAssigneeId=to["id"])
            self._tell_issue("update", issue, by, {"assigneeId": before})

    def move(self, issue: Node, by: Node, name: str) -> None:
        with self.lock:
            state = next(one for one in issue["team"]["all_states"] if one["name"] == name)
            before = issue["state"]["id"]
            issue["state"] = state
            self._changed(issue, by, toStateId=state["id"])
            self._tell_issue("update", issue, by, {"stateId": before})

    def describe(self, issue: Node, by: Node, description: str) -> None:
        with self.lock:
            before, issue["description"] = issue["description"], description
            self._changed(issue, by, updatedDescription=True)
            self._tell_issue("update", issue, by, {"description": before})

    def delete(self, issue: Node, by: Node) -> None:
        with self.lock:
            issue.update(trashed=True, archivedAt=stamp())
            self._tell_issue("remove", issue, by, {})

    def comment(self, issue: Node, by: Node, body: str, comment_id: str = "") -> Node:
        with self.lock:
            now = stamp()
            made = self._put(
                self.comments,
                comment_id,
                body=body,
                createdAt=now,
                updatedAt=now,
                editedAt=None,
                user=by,
                botActor=None,
                issue=issue,
            )
            issue["updatedAt"] = now
            data = {**flat(made), "userId": by["id"], "issue": child(issue), "issueId": issue["id"]}
            self.tell({"type": "Comment", "action": "create", "actor": actor(by), "data": data})
            return made

    def mention(self, issue: Node, by: Node, words: str) -> tuple[Node, Node]:
        """A comment that mentions the App, and the session that Linear makes of it."""
        comment = self.comment(issue, by, f"@{self.app['displayName']} {words}")
        return comment, self.session(issue, by, comment)

    def delegate(self, issue: Node, by: Node) -> Node:
        with self.lock:
            issue["delegate"] = self.app
            self._changed(issue, by, toDelegate=self.app)
            self._tell_issue("update", issue, by, {"delegateId": None})
        return self.session(issue, by)

    def session(self, issue: Node, by: Node, comment: Node | None = None) -> Node:
        with self.lock:
            made = self._put(
                self.sessions,
                status="pending",
                issue=issue,
                comment=comment,
                creator=by,
                appUser=self.app,
                urls=[],
            )
            self._tell_session("created", made, None)
            return made

    def prompt(self, session: Node, by: Node, body: str, signal: str | None = None) -> Node:
        with self.lock:
            said = self._put(
                self.activities,
                session=session,
                user=by,
                agentSession=session,
                content={"__typename": "AgentActivityPromptContent", "type": "prompt", "body": body},
                signal=signal,
            )
            self._tell_session("prompted", session, said)
            return said

    # What is told, and what is asked.

    def tell(self, payload: Mapping[str, Any], at: float | None = None) -> None:
        """Put a delivery on its way. `at`: when it is signed, in seconds since 1970."""
        if not self.hook_url:
            return
        moment = time.time() if at is None else at
        whole = {
            "createdAt": stamp(),
            "organizationId": self.organization["id"],
            "webhookId": "0c0a5f3e-6a3e-4c53-9d5e-6b3c1d9f6a11",
            **payload,
            "webhookTimestamp": int(moment * 1000),
        }
        delivery = Delivery(whole, json.dumps(whole).encode())
        self.deliveries.append(delivery)
        self.send(delivery)

    def take_fault(self, operation: str) -> str:
        """What goes wrong with this request; empty if nothing does."""
        with self.lock:
            found = next((one for one in self.faults if one.operation in {operation, "*"}), None)
            if found is None:
                return ""
            self.faults.remove(found)
            return found.kind

    def write_comment(self, given: Mapping[str, Any]) -> None:
        """As the App."""
        self._refuse_taken(self.comments, given.get("id"))
        issue = self.issues.get(given["issueId"])
        if issue is None or issue["trashed"]:
            raise LookupError("Entity not found: Issue")
        self.comment(issue, self.app, given["body"], given.get("id") or "")

    def write_activity(self, given: Mapping[str, Any]) -> None:
        """As the App."""
        self._refuse_taken(self.activities, given.get("id"))
        session = self.sessions.get(given["agentSessionId"])
        if session is None:
            raise LookupError("Entity not found: AgentSession")
        more = {name: value for name, value in given.items() if name not in {"id", "agentSessionId"}}
        self._put(self.activities, given.get("id") or "", session=session, user=self.app, **more)
        kind = given["content"]["type"]
        ends = {"response": "complete", "elicitation": "awaitingInput", "error": "error"}
        session["status"] = ends.get(kind, "active")

    def attach(self, given: Mapping[str, Any]) -> None:
        """One attachment of an address to an issue, as Linear has it."""
        for one in self.attachments:
            if (one["issueId"], one["url"]) == (given["issueId"], given["url"]):
                one.update(given)
                return
        self.attachments.append(dict(given))

    def _refuse_taken(self, nodes: Mapping[str, Node], node_id: str | None) -> None:
        if node_id in nodes or node_id in self._deleted:
            raise LookupError(f"conflict on insert of {node_id}: it exists")

    def delete_comment(self, comment_id: str) -> None:
        """As a person; its id is used up."""
        del self.comments[comment_id]
        self._deleted.add(comment_id)

    def _put(self, into: dict[str, Node], node_id: str = "", **fields: Any) -> Node:
        made = {"id": node_id or str(uuid.uuid4()), **fields}
        into[made["id"]] = made
        return made

    def _changed(self, issue: Node, by: Node, **fields: Any) -> None:
        now = stamp()
        issue["updatedAt"] = now
        names = ("toStateId", "addedLabels", "toAssigneeId", "toDelegate", "botActor", "updatedDescription", "toTitle")
        empty = dict.fromkeys(names)
        issue["changes"].append({"id": str(uuid.uuid4()), "createdAt": now, "actorId": by["id"], **empty, **fields})

    def _tell_issue(self, action: str, issue: Node, by: Node, before: Mapping[str, Any]) -> None:
        data = {
            **flat(issue),
            "team": flat(issue["team"]),
            "labels": [flat(one) for one in issue["all_labels"]],
            "labelIds": [one["id"] for one in issue["all_labels"]],
            "assigneeId": issue["assignee"]["id"] if issue["assignee"] else None,
            "delegateId": issue["delegate"]["id"] if issue["delegate"] else None,
        }
        self.tell({"type": "Issue", "action": action, "actor": actor(by), "data": data, "updatedFrom": dict(before)})

    def _tell_session(self, action: str, session: Node, said: Node | None) -> None:
        comment = session["comment"]
        told: dict[str, Any] = {
            "type": "AgentSessionEvent",
            "action": action,
            "appUserId": self.app["id"],
            "oauthClientId": "client",
            "agentSession": {
                "id": session["id"],
                "status": session["status"],
                "appUserId": self.app["id"],
                "creatorId": session["creator"]["id"],
                "issueId": session["issue"]["id"],
                "issue": {**child(session["issue"]), "description": session["issue"]["description"]},
                "comment": {**flat(comment), "userId": comment["user"]["id"]} if comment else None,
                "organizationId": self.organization["id"],
            },
        }
        if said is not None:
            told["agentActivity"] = {
                "id": said["id"],
                "agentSessionId": session["id"],
                "content": said["content"],
                "signal": said["signal"],
                "userId": said["user"]["id"],
            }
        self.tell(told)
