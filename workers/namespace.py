"""What a Temporal namespace needs before workers can serve it: that it is there, and its search attributes."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from workflows import search_attributes

_NOT_OURS_TO_SEE = {RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED}
"""How servers answer that keep this to their own tools, as Temporal Cloud does."""

_LEARNT_SECONDS = 60.0
"""A server's parts learn of a new namespace from time to time, by default every ten seconds."""


class NamespaceNotReady(Exception):
    """A namespace lacks something; the message says what, and how it gets it."""


def wanted() -> dict[str, IndexedValueType.ValueType]:
    """The search attributes and their types."""
    return {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in search_attributes.ALL}


async def check(client: Client) -> None:
    """Raises NamespaceNotReady if tasks would get stuck at their first step; says nothing where it is not told."""
    try:
        there = await _there(client)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NamespaceNotReady(
                f"Temporal has no namespace {client.namespace!r}: make it with `journeyman setup-namespace`"
            ) from error
        if error.status in _NOT_OURS_TO_SEE:
            return
        raise _refused(client, error) from error
    if lacking := [name for name, kind in wanted().items() if there.get(name) != kind]:
        raise NamespaceNotReady(
            f"the namespace {client.namespace!r} lacks search attributes ({', '.join(lacking)}), without which no task "
            "could begin: add them with `journeyman setup-namespace`"
        )


async def set_up(client: Client, retention: timedelta) -> list[str]:
    """Make the namespace and its search attributes, whatever of them is not there; returns what was done.

    `retention` is how long a new namespace keeps what has ended; what was there is not changed. Raises
    NamespaceNotReady where that is for others to do.
    """
    try:
        done = await _make(client, retention)
        return done + await _add_attributes(client)
    except RPCError as error:
        if error.status in _NOT_OURS_TO_SEE:
            attributes = ", ".join(f"{name} ({kind_name(kind)})" for name, kind in wanted().items())
            raise NamespaceNotReady(
                f"this server does not let us set up a namespace ({error.message}). On Temporal Cloud make the "
                f"namespace and these search attributes in its web pages or with tcld: {attributes}"
            ) from error
        raise _refused(client, error) from error


def _refused(client: Client, error: RPCError) -> NamespaceNotReady:
    return NamespaceNotReady(f"Temporal does not answer for the namespace {client.namespace!r}: {error.message}")


async def _make(client: Client, retention: timedelta) -> list[str]:
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        kept = Duration()
        kept.FromTimedelta(retention)
        request = RegisterNamespaceRequest(
            namespace=client.namespace, workflow_execution_retention_period=kept, description="Journeyman"
        )
        await client.workflow_service.register_namespace(request)
        await _until_known(client)
        return [f"made the namespace {client.namespace}, which keeps what has ended for {retention.days} days"]
    return []


@retry(
    retry=retry_if_exception(lambda error: isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND),
    stop=stop_after_delay(_LEARNT_SECONDS),
    wait=wait_fixed(0.5),
    reraise=True,
)
async def _until_known(client: Client) -> None:
    await _there(client)


async def _add_attributes(client: Client) -> list[str]:
    there = await _there(client)
    if clashing := [name for name, kind in wanted().items() if name in there and there[name] != kind]:
        raise NamespaceNotReady(
            f"search attributes of the namespace {client.namespace!r} have another type than they need: "
            + ", ".join(f"{name} is {kind_name(there[name])}, not {kind_name(wanted()[name])}" for name in clashing)
        )
    lacking = {name: kind for name, kind in wanted().items() if name not in there}
    if not lacking:
        return []
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=client.namespace, search_attributes=lacking)
    )
    return [f"added the search attribute {name} ({kind_name(kind)})" for name, kind in lacking.items()]


async def _there(client: Client) -> dict[str, IndexedValueType.ValueType]:
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return dict(answer.custom_attributes)


def kind_name(kind: IndexedValueType.ValueType) -> str:
    """Such as `Keyword`."""
    return IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").title()
