"""How the command line talks to the gateway: HTTP over its unix socket, with answers as models."""

import os
import ssl
import weakref
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from activities.decisions.host_answers import HostAnswer
from activities.egress.contract import EgressRecord
from activities.socket_paths import below, open_directory
from workers.gateway.messages import (
    Admitted,
    ChangeTrust,
    ForgetHost,
    HaltLine,
    MergedLine,
    NewDecision,
    NewHalt,
    NewObservation,
    NewTask,
    Observed,
    OutputPart,
    TaskLine,
    TaskView,
    TrustLine,
    Where,
)
from workflows.models.decision import DecisionReceipt
from workflows.models.drill import DrillResult
from workflows.models.evidence import Evidence
from workflows.models.pull_request import RevertResult
from workflows.models.trace import Span

Answer = TypeVar("Answer")

LONGEST_ANSWER = 300.0
"""Seconds; a revert on a slow forge is the longest anybody waits for."""

_MADE_NO_SENSE = 422
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here is TLS, and to read the authorities of the web, whom this context doesn't trust, takes 20 ms."""


class CommandFailed(Exception):
    """A command did not do what was asked; the message is for people, the code is for scripts."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class NoAnswer(CommandFailed):
    """No gateway did anything about it that is known."""


class GatewayClient:
    """The gateway, as functions."""

    def __init__(
        self,
        socket: Path,
        acting_as: str = "",
        *,
        began: float = 0,
        traceparent: str = "",
        seconds: float = LONGEST_ANSWER,
    ) -> None:
        """`began`: unix seconds when the command began, and `traceparent` what it is part of, for the task's trace.

        `seconds`: how long an answer may take.
        """
        if not (acting_as.isascii() and acting_as.isprintable() and acting_as == acting_as.strip()):
            raise CommandFailed(
                f"--as takes a name in plain ASCII without spaces around it, not {acting_as[:80]!r}", code=2
            )
        headers = {"x-journeyman-as": acting_as} if acting_as else {}
        headers |= {"x-journeyman-began": f"{began:.6f}"} if began else {}
        headers |= {"traceparent": traceparent} if traceparent.isascii() and traceparent.isprintable() else {}
        self._socket = socket
        self._headers = headers
        self._seconds = seconds
        self._opened: httpx.Client | None = None

    def admit(self, asked: NewTask) -> Admitted:
        """Ask for work."""
        return self._ask(Admitted, "POST", "/tasks", asked)

    def tasks(self) -> list[TaskLine]:
        """The newest tasks."""
        return self._ask(list[TaskLine], "GET", "/tasks")

    def view(self, task: str, *, outlook: bool = False) -> TaskView:
        """Everything about one task. `outlook`: with what taking its merge back would come to, which takes longer."""
        return self._ask(TaskView, "GET", f"{_task(task)}?outlook=1" if outlook else _task(task))

    def trace(self, task: str) -> list[Span]:
        """Every span of one task that is known now."""
        return self._ask(list[Span], "GET", f"{_task(task)}/trace")

    def log(self, task: str, offset: int, run: int = 0) -> OutputPart:
        """What a run's program printed from an offset on; `run` counts from 1, 0 is the newest."""
        return self._part(f"{_task(task)}/log?offset={offset}&run={run}")

    def transcript(self, task: str, offset: int, run: int = 0) -> OutputPart:
        """The same as events of the common transcript, a JSON object a line."""
        return self._part(f"{_task(task)}/transcript?offset={offset}&run={run}")

    def diff(self, task: str) -> bytes:
        """The patch as a unified diff."""
        return self._send("GET", f"{_task(task)}/diff").content

    def evidence(self, task: str) -> Evidence:
        """What was found out about the patch."""
        return self._ask(Evidence, "GET", f"{_task(task)}/evidence")

    def check_output(self, task: str, on: str, place: int) -> bytes:
        """What a check printed: the one at this place on `base`, `guarded` or `patched`."""
        return self._send("GET", f"{_task(task)}/checks/{on}/{place}").content

    def egress(self, task: str, run: int = 0) -> list[EgressRecord]:
        """Every request of a run at its way out; `run` counts from 1, 0 is all that have ended."""
        return self._ask(list[EgressRecord], "GET", f"{_task(task)}/egress?run={run}")

    def decide(self, task: str, asked: NewDecision) -> DecisionReceipt:
        """Approve, request changes, reject, merge or cancel."""
        return self._ask(DecisionReceipt, "POST", f"{_task(task)}/decisions", asked)

    def revert(self, task: str, asked: NewDecision) -> RevertResult:
        """Take a merge back and wait for the result."""
        return self._ask(RevertResult, "POST", f"{_task(task)}/revert", asked)

    def drill(self) -> DrillResult:
        """Try a revert in the canary repository and wait for the result."""
        return self._ask(DrillResult, "POST", "/drills")

    def drills(self) -> list[DrillResult]:
        """What came of those of the newest month, the newest first."""
        return self._ask(list[DrillResult], "GET", "/drills")

    def merged(self, where: Where) -> list[MergedLine]:
        """Merged tasks that fit, the newest first, with what taking them back in that order would come to."""
        return self._ask(list[MergedLine], "POST", "/merged", where)

    def hosts(self, repository: str) -> list[HostAnswer]:
        """What people answered about hosts for a whole repository."""
        return self._ask(list[HostAnswer], "GET", f"/hosts?repository={quote(repository, safe='')}")

    def forget_host(self, asked: ForgetHost) -> None:
        """Take one of these answers back."""
        self._send("POST", "/hosts/forget", asked)

    def halts(self) -> list[HaltLine]:
        """Every halt there ever was, the newest first."""
        return self._ask(list[HaltLine], "GET", "/halts")

    def halt(self, asked: NewHalt) -> HaltLine:
        """Stop work."""
        return self._ask(HaltLine, "POST", "/halts", asked)

    def resume(self, asked: NewHalt) -> list[HaltLine]:
        """Let it go on; returns the halts that are lifted."""
        return self._ask(list[HaltLine], "POST", "/halts/resume", asked)

    def trust(self, repository: str) -> list[TrustLine]:
        """What each kind of task has earned in a repository."""
        return self._ask(list[TrustLine], "GET", f"/trust?repository={quote(repository, safe='')}")

    def change_trust(self, asked: ChangeTrust) -> TrustLine:
        """Promote or demote one kind of task."""
        return self._ask(TrustLine, "POST", "/trust", asked)

    def observe(self, asked: NewObservation) -> Observed:
        """Report a named signal about a commit of a base branch."""
        return self._ask(Observed, "POST", "/observations", asked)

    def _part(self, address: str) -> OutputPart:
        response = self._send("GET", address)
        offset, more = int(response.headers["x-offset"]), response.headers["x-more"] == "1"
        return OutputPart(data=response.content, offset=offset, more=more)

    def _ask(self, answer: type[Answer], method: str, path: str, asked: Any = None) -> Answer:
        return TypeAdapter(answer).validate_json(self._send(method, path, asked).content)

    def _send(self, method: str, path: str, asked: Any = None) -> httpx.Response:
        content = asked.model_dump_json() if asked is not None else None
        headers = {"content-type": "application/json"} if content else {}
        try:
            response = self._http().request(method, path, content=content, headers=headers)
        except (OSError, httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise self._unreachable(error) from error
        except httpx.HTTPError as error:
            raise NoAnswer(f"the gateway did not answer ({error!r}): ask again, asking twice is safe") from error
        if response.is_error:
            raise CommandFailed(_detail(response), code=2 if response.status_code == _MADE_NO_SENSE else 1)
        return response

    def _http(self) -> httpx.Client:
        if self._opened is None:
            # Connected through the open directory, since the socket's own path may be longer than a socket's path may.
            directory = open_directory(self._socket)
            weakref.finalize(self, os.close, directory)
            self._opened = httpx.Client(
                transport=httpx.HTTPTransport(uds=below(directory, self._socket.name), verify=_NO_AUTHORITIES),
                base_url="http://gateway",
                timeout=httpx.Timeout(self._seconds, connect=5),
                headers=self._headers,
            )
        return self._opened

    def _unreachable(self, error: BaseException) -> NoAnswer:
        reason: BaseException | None = error
        while reason is not None:
            if isinstance(reason, PermissionError):
                return NoAnswer(
                    f"the gateway at {self._socket} belongs to another user, and only that user may use it: type this "
                    "as that user, or set JOURNEYMAN_STATE to a directory of your own",
                    code=3,
                )
            reason = reason.__cause__ or reason.__context__
        return NoAnswer(
            f"nothing is running here (no gateway at {self._socket}): start it with `journeyman up`", code=3
        )


def _task(task: str) -> str:
    """The address of a task. Raises CommandFailed for what can't be an id: it would be another address."""
    if not task.isalnum():
        raise CommandFailed(f"{task[:80]!r} is no task id; `journeyman tasks` lists them", code=2)
    return f"/tasks/{quote(task, safe='')}"


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the gateway failed with status {response.status_code}: its log says why"
