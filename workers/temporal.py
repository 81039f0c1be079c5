"""The one way this system connects to Temporal."""

import functools

from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import DataConverter
from temporalio.runtime import LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig


class _CompactPayloads(PydanticPayloadConverter):
    """Leaves out fields nobody set, which halves a task's history; a field that is added needs a default anyway."""

    def __init__(self) -> None:
        super().__init__(ToJsonOptions(exclude_unset=True))


DATA_CONVERTER = DataConverter(payload_converter_class=_CompactPayloads)
"""Used by every client, worker and replayer."""


async def connect(address: str, namespace: str, metrics_address: str = "") -> Client:
    """Connect now. Raises RuntimeError if nothing answers at the address, or the one for metrics can't be had."""
    return await Client.connect(
        address, namespace=namespace, data_converter=DATA_CONVERTER, runtime=_quiet_runtime(metrics_address)
    )


def prepare_runtime(metrics_address: str) -> None:
    """Make what `connect` needs. Raises RuntimeError if the address for metrics can't be had."""
    _quiet_runtime(metrics_address)


@functools.cache
def _quiet_runtime(metrics_address: str) -> Runtime:
    """One runtime a process. Its warnings are about races that Temporal settles, such as a step that ended twice.

    With an address it serves Temporal's own measures there, in Prometheus' format.
    """
    metrics = None
    if metrics_address:
        metrics = PrometheusConfig(bind_address=metrics_address, durations_as_seconds=True, unit_suffix=True)
    try:
        return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter="ERROR"), metrics=metrics))
    except (RuntimeError, ValueError) as error:
        raise RuntimeError(
            f"measures can't be served at JOURNEYMAN_METRICS_ADDRESS={metrics_address} ({error}): choose a free address"
        ) from error
