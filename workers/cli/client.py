"""How the command line talks to the gateway: HTTP over its unix socket, with answers as models."""

from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from workers.gateway.messages import Admitted, NewDecision, NewTask, TaskLine, TaskView
from workflows.models.decision import DecisionReceipt
from workflows.models.evidence import Evidence
from workflows.models.pull_request import RevertResult
from workflows.models.trace import Span

Answer = TypeVar("Answer")

_LONGEST_ANSWER = 300.0
"""Seconds; a revert on a slow forge is the longest anybody waits for."""


class CommandFailed(Exception):
    """A command did not do what was asked; the message is for people, the code is for scripts."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class GatewayClient:
    """The gateway, as functions."""

    def __init__(self, socket: Path, acting_as: str = "", *, began: float = 0, traceparent: str = "") -> None:
        """`began`: unix seconds when the command began, and `traceparent` what it is part of, for the task's trace."""
        if not (acting_as.isascii() and acting_as.isprintable()):
            raise CommandFailed(f"--as takes a name in plain ASCII, not {acting_as[:80]!r}", code=2)
        headers = {"x-journeyman-as": acting_as} if acting_as else {}
        headers |= {"x-journeyman-began": f"{began:.6f}"} if began else {}
        headers |= {"traceparent": traceparent} if traceparent.isascii() and traceparent.isprintable() else {}
        self._socket = socket
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)),
            base_url="http://gateway",
            timeout=httpx.Timeout(_LONGEST_ANSWER, connect=5),
            headers=headers,
        )

    def admit(self, asked: NewTask) -> Admitted:
        """Ask for work."""
        return self._ask(Admitted, "POST", "/tasks", asked)

    def tasks(self) -> list[TaskLine]:
        """The newest tasks."""
        return self._ask(list[TaskLine], "GET", "/tasks")

    def view(self, task: str) -> TaskView:
        """Everything about one task."""
        return self._ask(TaskView, "GET", f"/tasks/{task}")

    def trace(self, task: str) -> list[Span]:
        """Every span of one task that is known now."""
        return self._ask(list[Span], "GET", f"/tasks/{task}/trace")

    def log(self, task: str, offset: int) -> tuple[bytes, bool]:
        """Output from an offset, and whether more may come."""
        response = self._send("GET", f"/tasks/{task}/log?offset={offset}")
        return response.content, response.headers.get("x-more") == "1"

    def diff(self, task: str) -> bytes:
        """The patch as a unified diff."""
        return self._send("GET", f"/tasks/{task}/diff").content

    def evidence(self, task: str) -> Evidence:
        """What was found out about the patch."""
        return self._ask(Evidence, "GET", f"/tasks/{task}/evidence")

    def decide(self, task: str, asked: NewDecision) -> DecisionReceipt:
        """Approve, request changes, reject, merge or cancel."""
        return self._ask(DecisionReceipt, "POST", f"/tasks/{task}/decisions", asked)

    def revert(self, task: str, asked: NewDecision) -> RevertResult:
        """Take a merge back and wait for the result."""
        return self._ask(RevertResult, "POST", f"/tasks/{task}/revert", asked)

    def _ask(self, answer: type[Answer], method: str, path: str, asked: Any = None) -> Answer:
        return TypeAdapter(answer).validate_json(self._send(method, path, asked).content)

    def _send(self, method: str, path: str, asked: Any = None) -> httpx.Response:
        content = asked.model_dump_json() if asked is not None else None
        headers = {"content-type": "application/json"} if content else {}
        try:
            response = self._http.request(method, path, content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise CommandFailed(
                f"nothing is running here (no gateway at {self._socket}): start it with `journeyman up`", code=3
            ) from error
        except httpx.HTTPError as error:
            raise CommandFailed(f"the gateway did not answer ({error!r}): ask again, asking twice is safe") from error
        if response.is_error:
            raise CommandFailed(_detail(response))
        return response


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the gateway failed with status {response.status_code}: its log says why"
