"""What Envoy is told: one HTTP proxy listener per sandbox.

Listeners, clusters and routes are files that Envoy watches. Everything that differs between sandboxes and can change
while one runs is in its routes, because replacing a listener cuts the streams that are open and replacing its routes
does not.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from activities.egress import bounds, headers, rate, replies
from activities.egress.metering.tunnels import LOOK, TUNNEL

Json = dict[str, Any]

STREAM_IDLE = "3600s"
TYPE = "type.googleapis.com/"
FORWARD_FILTER = "envoy.filters.http.dynamic_forward_proxy"
ADMIT_FILTER = "envoy.filters.http.ext_authz"
METER_FILTER = "envoy.filters.http.ext_proc"
TUNNEL_FILTER = "journeyman.tunnel"
METER = "meter"
"""Name of the meter's cluster."""
ROUTE_FACTS = "journeyman"
"""Namespace of what a brokered route says of itself for the record."""
_HOLD_SECONDS = 30 * 24 * 3600
_METER_SECONDS = 15
_SHOWN_HEADERS = (":status", "content-length", "content-type", "content-encoding")
"""To the meter, beside the body of a request that is to be counted."""


def bootstrap(admin: Path, config: Path) -> Json:
    """What Envoy starts with: where the rest is. The admin interface is a unix socket, never a port."""
    return {
        "node": {"id": "journeyman", "cluster": "journeyman"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}, "ignore_global_conn_limit": True},
        "dynamic_resources": {
            "lds_config": from_file(config / "listeners.json"),
            "cds_config": from_file(config / "clusters.json"),
        },
        "overload_manager": bounds.overload(),
    }


def listener(name: str, sandbox: str, socket: Path, routes: Path, log: Path) -> Json:
    """One sandbox's proxy, on a unix socket."""
    keep_length, restore_length = headers.filters()
    manager = {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "sandbox",
        "codec_type": "HTTP1",
        # Python's own client, and so pip, asks for a tunnel in HTTP/1.0.
        "http_protocol_options": {"accept_http_10": True},
        "rds": {"route_config_name": name, "config_source": from_file(routes)},
        "strip_trailing_host_dot": True,
        "use_remote_address": True,
        "skip_xff_append": True,
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": STREAM_IDLE,
        "common_http_protocol_options": {"idle_timeout": bounds.IDLE},
        "max_request_headers_kb": bounds.HEADERS_KB,
        "request_headers_timeout": "30s",
        "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        "access_log": [{**_access_log(sandbox, log), "filter": which} for which in rate.recorded()],
        # A tunnel that is open when Envoy is killed is on record all the same.
        "access_log_options": {"flush_log_on_tunnel_successfully_established": True},
        "local_reply_config": {"mappers": replies.local_replies()},
        "http_filters": [
            rate.requests(),
            _tunnels(),
            keep_length,
            *_metering(),
            restore_length,
            {
                "name": FORWARD_FILTER,
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
                    "sub_cluster_config": {"cluster_init_timeout": "20s"},
                },
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            },
        ],
    }
    return {
        "@type": TYPE + "envoy.config.listener.v3.Listener",
        "name": name,
        "address": {"pipe": {"path": str(socket), "mode": 0o660}},
        "per_connection_buffer_limit_bytes": bounds.BUFFER_BYTES,
        "filter_chains": [
            {
                "filters": [
                    rate.connections(),
                    bounds.connections_open(),
                    {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
                ]
            }
        ],
    }


def _tunnels() -> Json:
    """Shows the meter's process how a tunnel begins, on the routes of tunnels; without it, none goes on."""
    look = [{"key": LOOK, "value": TUNNEL}]
    return {
        "name": TUNNEL_FILTER,
        "disabled": True,
        "typed_config": {
            "@type": TYPE + "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
            "grpc_service": {"envoy_grpc": {"cluster_name": METER}, "initial_metadata": look},
            "failure_mode_allow": False,
            "status_on_error": {"code": "ServiceUnavailable"},
            "message_timeout": f"{_METER_SECONDS}s",
            "processing_mode": {
                "request_header_mode": "SEND",
                "response_header_mode": "SKIP",
                "request_body_mode": "STREAMED",
                "response_body_mode": "NONE",
                "request_trailer_mode": "SKIP",
                "response_trailer_mode": "SKIP",
            },
            "forward_rules": {"allowed_headers": {"patterns": [{"exact": ":authority"}]}},
            "mutation_rules": {"disallow_all": {"value": True}},
            "route_cache_action": "RETAIN",
        },
    }


def _metering() -> list[Json]:
    """The meter's two filters, off but for the routes that turn them on. Without the meter, nothing gets past them."""
    service = {"envoy_grpc": {"cluster_name": METER}}
    return [
        {
            "name": ADMIT_FILTER,
            "disabled": True,
            "typed_config": {
                "@type": TYPE + "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                "transport_api_version": "V3",
                # A request that is over its allowance waits here, until it is granted more or its client goes away.
                "grpc_service": {**service, "timeout": f"{_HOLD_SECONDS}s"},
                "status_on_error": {"code": "ServiceUnavailable"},
                # The meter has no use for what the sandbox wrote.
                "allowed_headers": {"patterns": [{"exact": ":method"}]},
            },
        },
        {
            "name": METER_FILTER,
            "disabled": True,
            "typed_config": {
                "@type": TYPE + "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
                "grpc_service": service,
                "failure_mode_allow": False,
                "status_on_error": {"code": "ServiceUnavailable"},
                "message_timeout": f"{_METER_SECONDS}s",
                "processing_mode": metered_mode("STREAMED"),
                "forward_rules": {"allowed_headers": {"patterns": [{"exact": name} for name in _SHOWN_HEADERS]}},
                "allow_mode_override": True,
                "mutation_rules": {"disallow_all": {"value": True}},
                "route_cache_action": "RETAIN",
                "metadata_options": {"forwarding_namespaces": {"untyped": [ADMIT_FILTER]}},
            },
        },
    ]


def metered_mode(request_body: str) -> Json:
    """What of a brokered request the meter is shown."""
    return {
        "request_header_mode": "SEND",
        "response_header_mode": "SEND",
        "request_body_mode": request_body,
        "response_body_mode": "STREAMED",
        "request_trailer_mode": "SKIP",
        "response_trailer_mode": "SKIP",
    }


def listeners(each: Sequence[Json]) -> Json:
    """The file that names all listeners."""
    return discovery("envoy.config.listener.v3.Listener", each)


def _access_log(sandbox: str, log: Path) -> Json:
    """One JSON object a line. Lengths are capped here, so that a hostile request can't fill the disk in one line."""
    fields = {
        "sandbox": sandbox,
        "connection": "%CONNECTION_ID%",
        "began": "%START_TIME(%s.%9f)%",
        "stage": "%ACCESS_LOG_TYPE%",
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "method": "%REQ(:METHOD):32%",
        "host": "%REQ(:AUTHORITY):300%",
        "path": "%REQ(:PATH):1024%",
        "rule": "%ROUTE_NAME%",
        "status": "%RESPONSE_CODE%",
        "from_sandbox": "%BYTES_RECEIVED%",
        "to_sandbox": "%BYTES_SENT%",
        "duration_ms": "%DURATION%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "address": "%UPSTREAM_REMOTE_ADDRESS%",
        # Of a brokered request: what it was before it was readied for the upstream, and its id in the meter's books.
        "inside": f"%METADATA(ROUTE:{ROUTE_FACTS}:host)%",
        "declared": f"%METADATA(ROUTE:{ROUTE_FACTS}:path)%",
        "request": f"%DYNAMIC_METADATA({ADMIT_FILTER}:request)%",
    }
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(log),
            "log_format": {"json_format": fields},
        },
    }


def from_file(path: Path) -> Json:
    """A file that Envoy reads, and again whenever it is replaced."""
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def discovery(kind: str, resources: Sequence[Json]) -> Json:
    """A file of resources of one kind, as Envoy reads it."""
    resources = [{"@type": TYPE + kind, **resource} for resource in resources]
    version = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()[:16]
    return {"version_info": version, "resources": resources}
