"""The one way this system connects to Temporal."""

import functools
import os
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig

from workers.payloads import encrypting
from workers.settings import Settings


class _CompactPayloads(PydanticPayloadConverter):
    """Leaves out fields nobody set, which halves a task's history; a field that is added needs a default anyway."""

    def __init__(self) -> None:
        super().__init__(ToJsonOptions(exclude_unset=True))


DATA_CONVERTER = DataConverter(payload_converter_class=_CompactPayloads)
"""Used by every client, worker and replayer."""


async def connect(address: str, namespace: str, metrics_address: str = "", payload_keys: Path | None = None) -> Client:
    """Connect now. Raises RuntimeError if nothing answers at the address, or the one for metrics can't be had.

    With `payload_keys`, everything that Temporal keeps is encrypted; raises PayloadKeysBroken if they can't be used.
    """
    return await Client.connect(
        address,
        namespace=namespace,
        data_converter=encrypting(DATA_CONVERTER, payload_keys),
        runtime=_quiet_runtime(metrics_address),
    )


class TemporalUnreachable(Exception):
    """There is no way to Temporal; the message says where it was looked for, and where that was read."""


async def connect_as_configured(settings: Settings, metrics_address: str = "") -> Client:
    """Connect to the Temporal that the settings name, or Temporal's own variables and file. Raises TemporalUnreachable.

    JOURNEYMAN_TEMPORAL_ADDRESS is a plain connection, as to what `up` starts. Without it TEMPORAL_ADDRESS,
    TEMPORAL_API_KEY, TEMPORAL_TLS_* and the profile in Temporal's configuration file count, as for every Temporal tool:
    https://docs.temporal.io/develop/environment-configuration.
    """
    config = connection(settings)
    where = config["target_host"]
    converter = encrypting(DATA_CONVERTER, settings.payload_keys)
    try:
        return await Client.connect(**config, data_converter=converter, runtime=_quiet_runtime(metrics_address))
    except (RuntimeError, ValueError) as error:
        tls = " (does the server speak TLS, and should it?)" if "InvalidContentType" in str(error) else ""
        raise TemporalUnreachable(
            f"there is no connection to Temporal at {where} (namespace {config['namespace']}): {error}{tls}. Start it, "
            "or say where it is with JOURNEYMAN_TEMPORAL_ADDRESS, or with Temporal's own TEMPORAL_* variables"
        ) from error


def connection(settings: Settings) -> ClientConnectConfig:
    """Address, namespace and credentials. Raises TemporalUnreachable if what is configured makes no sense."""
    plain = ClientConnectConfig(target_host=settings.temporal_address, namespace=settings.temporal_namespace)
    if "temporal_address" in settings.model_fields_set:
        return plain
    named = os.environ.get("TEMPORAL_CONFIG_FILE")
    if named and not Path(named).exists():
        raise TemporalUnreachable(f"TEMPORAL_CONFIG_FILE names {named}, and there is no such file")
    try:
        return ClientConnectConfig(**{**plain, **ClientConfig.load_client_connect_config()})
    except (RuntimeError, OSError, ValueError) as error:
        raise TemporalUnreachable(
            f"Temporal's own configuration can't be used: {error}. It is in TEMPORAL_* variables and in the file that "
            "TEMPORAL_CONFIG_FILE names"
        ) from error


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
