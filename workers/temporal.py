"""The one way this system connects to Temporal."""

import functools

from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import DataConverter
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig


class _CompactPayloads(PydanticPayloadConverter):
    """Leaves out fields nobody set, which halves a task's history; a field that is added needs a default anyway."""

    def __init__(self) -> None:
        super().__init__(ToJsonOptions(exclude_unset=True))


DATA_CONVERTER = DataConverter(payload_converter_class=_CompactPayloads)
"""Used by every client, worker and replayer."""


async def connect(address: str, namespace: str) -> Client:
    """Connect now. Raises RuntimeError if nothing answers at the address."""
    return await Client.connect(address, namespace=namespace, data_converter=DATA_CONVERTER, runtime=_quiet_runtime())


@functools.cache
def _quiet_runtime() -> Runtime:
    """One runtime a process. Its warnings are about races that Temporal settles, such as a step that ended twice."""
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter="ERROR")))
