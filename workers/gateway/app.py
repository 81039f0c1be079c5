"""The gateway's HTTP interface: thin, one function for each address; what it means is in the modules beside it."""

from collections.abc import Callable
from typing import TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from temporalio.service import RPCError, RPCStatusCode

from activities.archive.objects import ArchiveError, ArtifactRemoved
from activities.decisions.host_answers import HostAnswer
from activities.decisions.refused import ActionRefused
from activities.egress.contract import EgressRecord
from activities.forge.github.failed import GitHubRefused, GitHubUnavailable
from activities.policy.owners import OwnersFiles, PolicyFileBroken
from activities.policy.people import accounts
from workers.gateway.admission import Admission
from workers.gateway.bounds import BoundedBodies
from workers.gateway.deciding import Deciding
from workers.gateway.drilling import Drilling
from workers.gateway.halting import Halting
from workers.gateway.incidents import Incidents
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
from workers.gateway.observing import Observing
from workers.gateway.outputs import Outputs
from workers.gateway.peers import acting_as, os_person
from workers.gateway.reading import Reading
from workers.gateway.refusals import Forbidden, Refused, Unavailable
from workers.gateway.tracing import Asked, RequestTraces
from workers.gateway.trusting import Trusting
from workflows.models.decision import DecisionReceipt
from workflows.models.drill import DrillResult
from workflows.models.evidence import Evidence
from workflows.models.person import Person
from workflows.models.policy import PolicyRefusal
from workflows.models.pull_request import RevertResult
from workflows.models.trace import Span

Identify = Callable[[Request], Person]
Address = Callable[[str], str]
"""The address that tasks have of a repository that somebody typed. Raises PolicyRefusal."""
About = TypeVar("About", ChangeTrust, ForgetHost, NewObservation, Where)


def identify_by_socket(owners: OwnersFiles) -> Identify:
    """Who is asking: the OS user at the other end of the socket, as the platform's file names people now.

    In the local profile the OS user is trusted and may act under another name, which the demonstration needs to be
    two people; the record then says which OS user it was.
    """

    def identify(request: Request) -> Person:
        client = request.client.host if request.client else ""
        platform = owners.platform()
        try:
            person = os_person(client, accounts(platform, "os"))
            return acting_as(person, request.headers.get("x-journeyman-as", ""), platform.profile)
        except PermissionError as error:
            raise Forbidden(str(error)) from error

    return identify


def gateway_app(
    admission: Admission,
    deciding: Deciding,
    trusting: Trusting,
    observing: Observing,
    incidents: Incidents,
    drilling: Drilling,
    reading: Reading,
    outputs: Outputs,
    traces: RequestTraces,
    halting: Halting,
    identify: Identify,
    address: Address,
) -> FastAPI:
    """Build the application."""
    app = FastAPI(title="Journeyman gateway", docs_url=None, redoc_url=None)
    app.add_middleware(BoundedBodies)

    async def task_of(task: str) -> str:
        return await reading.resolve(task)

    known_task = Depends(task_of)
    person = Depends(identify)
    # Plain values in a request's headers: nothing to wait for.
    request = Depends(Asked.of)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/tasks")
    async def admit(asked: NewTask, who: Person = person, asked_by: Asked = request) -> Admitted:
        return await admission.admit(asked, who, asked_by)

    @app.get("/tasks")
    async def lines() -> list[TaskLine]:
        return await reading.lines()

    @app.get("/tasks/{task}")
    async def view(task: str = known_task, outlook: bool = False) -> TaskView:
        found = await reading.view(task)
        found = found.model_copy(update={"halted": await halting.of(found.status)})
        return await reading.with_outlook(found) if outlook else found

    @app.get("/tasks/{task}/log")
    async def log(offset: int = 0, run: int = 0, task: str = known_task) -> Response:
        return _part(await outputs.raw(task, max(0, offset), run))

    @app.get("/tasks/{task}/transcript")
    async def transcript(offset: int = 0, run: int = 0, task: str = known_task) -> Response:
        return _part(await outputs.transcript(task, max(0, offset), run))

    @app.get("/tasks/{task}/diff")
    async def diff(task: str = known_task) -> Response:
        return Response(await reading.diff(task), media_type="text/x-diff")

    @app.get("/tasks/{task}/evidence")
    async def evidence(task: str = known_task) -> Evidence:
        return await reading.evidence(task)

    @app.get("/tasks/{task}/checks/{on}/{place}")
    async def check_output(on: str, place: int, task: str = known_task) -> Response:
        return Response(await outputs.check_output(task, on, place), media_type="application/octet-stream")

    @app.get("/tasks/{task}/egress")
    async def egress(run: int = 0, task: str = known_task) -> list[EgressRecord]:
        return await outputs.egress(task, max(0, run))

    @app.get("/tasks/{task}/trace")
    async def trace(task: str = known_task) -> list[Span]:
        return await traces.of_status((await reading.view(task)).status)

    @app.post("/tasks/{task}/decisions")
    async def decide(
        asked: NewDecision, task: str = known_task, who: Person = person, asked_by: Asked = request
    ) -> DecisionReceipt:
        place = await traces.of_task(task)
        with traces.about(place, task, "/tasks/{task}/decisions", asked_by, asked.action):
            return await deciding.decide(task, asked, who)

    @app.post("/tasks/{task}/revert")
    async def revert(
        asked: NewDecision, task: str = known_task, who: Person = person, asked_by: Asked = request
    ) -> RevertResult:
        place = await traces.of_task(task)
        with traces.about(place, task, "/tasks/{task}/revert", asked_by, "revert"):
            return await deciding.revert(task, asked, who)

    @app.post("/merged")
    async def merged(where: Where) -> list[MergedLine]:
        return await incidents.merged(_at(where, address))

    @app.post("/drills")
    async def drill(who: Person = person) -> DrillResult:
        return await drilling.drill(who)

    @app.get("/drills")
    async def drills() -> list[DrillResult]:
        return await drilling.newest()

    @app.get("/hosts")
    async def hosts(repository: str) -> list[HostAnswer]:
        return await deciding.hosts(address(repository))

    @app.post("/hosts/forget")
    async def forget_host(asked: ForgetHost, who: Person = person) -> None:
        await deciding.forget_host(_at(asked, address), who)

    @app.get("/halts")
    async def halts() -> list[HaltLine]:
        return await halting.all_lines()

    @app.post("/halts")
    async def halt(asked: NewHalt, who: Person = person) -> HaltLine:
        return await halting.halt(asked, who)

    @app.post("/halts/resume")
    async def resume(asked: NewHalt, who: Person = person) -> list[HaltLine]:
        return await halting.resume(asked, who)

    @app.get("/trust")
    async def trust(repository: str) -> list[TrustLine]:
        return await trusting.of(address(repository))

    @app.post("/trust")
    async def change_trust(asked: ChangeTrust, who: Person = person) -> TrustLine:
        return await trusting.change(_at(asked, address), who)

    @app.post("/observations")
    async def observe(asked: NewObservation, who: Person = person) -> Observed:
        return Observed(watches=await observing.take(_at(asked, address), who))

    _answer_errors(app)
    return app


def _at(asked: About, address: Address) -> About:
    """With the address that the repository has, however it was typed."""
    return asked.model_copy(update={"repository": address(asked.repository)})


def _part(part: OutputPart) -> Response:
    headers = {"x-more": "1" if part.more else "0", "x-offset": str(part.offset)}
    return Response(part.data, media_type="application/octet-stream", headers=headers)


def _answer_errors(app: FastAPI) -> None:
    """Every failure is a sentence to act on, in the same shape."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return _say(error.status, str(error))

    @app.exception_handler(ActionRefused)
    async def not_on_record(_: Request, error: ActionRefused) -> JSONResponse:
        return _say(Refused.status, str(error))

    @app.exception_handler(PolicyRefusal)
    async def not_named(_: Request, error: PolicyRefusal) -> JSONResponse:
        return _say(422, str(error))

    @app.exception_handler(GitHubRefused)
    async def github_refuses(_: Request, error: GitHubRefused) -> JSONResponse:
        return _say(422, str(error))

    @app.exception_handler(GitHubUnavailable)
    async def github_fails(_: Request, error: GitHubUnavailable) -> JSONResponse:
        return _say(Unavailable.status, f"{error}; nothing was lost, try again")

    @app.exception_handler(RPCError)
    async def temporal_fails(_: Request, error: RPCError) -> JSONResponse:
        if error.status is RPCStatusCode.NOT_FOUND:
            return _say(
                Unavailable.status,
                f"Temporal does not have what it should ({error.message}): was its database replaced? A namespace is "
                "made with `journeyman setup-namespace`; what has ended is in the archive",
            )
        return _say(Unavailable.status, f"Temporal does not answer ({error.message}); nothing was lost, try again")

    @app.exception_handler(PolicyFileBroken)
    async def policy_broken(_: Request, error: PolicyFileBroken) -> JSONResponse:
        return _say(Unavailable.status, str(error))

    @app.exception_handler(ArtifactRemoved)
    async def removed(_: Request, error: ArtifactRemoved) -> JSONResponse:
        return _say(410, str(error))

    @app.exception_handler(ArchiveError)
    async def archive_fails(_: Request, error: ArchiveError) -> JSONResponse:
        return _say(500, str(error))

    @app.exception_handler(ValidationError)
    async def invalid_value(_: Request, error: ValidationError) -> JSONResponse:
        return _say(422, _first_problem(error.errors()))

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
        return _say(422, _first_problem(error.errors()))


def _first_problem(errors: object) -> str:
    first = list(errors)[0] if isinstance(errors, (list, tuple)) else {}  # noqa: RUF015
    where = ".".join(str(part) for part in first.get("loc", ()) if part != "body")
    return f"{where or 'request'}: {first.get('msg', 'invalid')}"


def _say(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status_code=status)
