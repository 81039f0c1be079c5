"""What Envoy is told: one HTTP proxy listener per sandbox, and the one way out that they share.

Listeners, clusters and routes are files that Envoy watches. Everything that differs between sandboxes and can change
while one runs is in its routes, because replacing a listener cuts the streams that are open and replacing its routes
does not.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from activities.egress.rules import private_networks

Json = dict[str, Any]

DENIED_DETAILS = "rbac_access_denied"
"""How Envoy's response details begin where an address was refused."""
INTERNET = "internet"
STREAM_IDLE = "3600s"
TYPE = "type.googleapis.com/"
RBAC_FILTER = "envoy.filters.http.upstream_rbac"
FORWARD_FILTER = "envoy.filters.http.dynamic_forward_proxy"


def bootstrap(admin: Path, config: Path) -> Json:
    """What Envoy starts with: where the rest is. The admin interface is a unix socket, never a port."""
    return {
        "node": {"id": "journeyman", "cluster": "journeyman"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}, "ignore_global_conn_limit": True},
        "dynamic_resources": {
            "lds_config": _from_file(config / "listeners.json"),
            "cds_config": _from_file(config / "clusters.json"),
        },
    }


def clusters(resolvers: Sequence[str]) -> Json:
    """The one way out: names are resolved here, and each address is judged when it is chosen, before it is dialled.

    Sub-clusters, because there every address is a host of its own. The plain cache would judge the first address of
    an answer and then dial the others as well when that one does not answer.
    """
    any_network = [
        {
            "matcher": {
                "name": "envoy.rbac.matchers.upstream_ip_port",
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher",
                    "upstream_ip": {"address_prefix": str(net.network_address), "prefix_len": net.prefixlen},
                },
            }
        }
        for net in private_networks()
    ]
    refuse_private = {
        "name": RBAC_FILTER,
        "typed_config": {
            "@type": TYPE + "envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {
                "action": "DENY",
                "policies": {"private-address": {"permissions": any_network, "principals": [{"any": True}]}},
            },
        },
    }
    codec = {
        "name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": TYPE + "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
    }
    internet: Json = {
        "name": INTERNET,
        "connect_timeout": "10s",
        "lb_policy": "CLUSTER_PROVIDED",
        "dns_lookup_family": "V4_PREFERRED",
        "dns_refresh_rate": "30s",
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {
                "@type": TYPE + "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                "sub_clusters_config": {
                    "lb_policy": "ROUND_ROBIN",
                    "max_sub_clusters": 4096,
                    "sub_cluster_ttl": "120s",
                },
                # The options meant are those for TLS of Envoy's own; here TLS is the sandbox's, end to end.
                "allow_insecure_cluster_options": True,
            },
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                # One sandbox's request never travels on a connection that another's could have left unclean.
                "common_http_protocol_options": {"max_requests_per_connection": 1},
                "http_filters": [refuse_private, codec],
            }
        },
    }
    if resolvers:
        internet["typed_dns_resolver_config"] = {
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": TYPE + "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [_address(resolver) for resolver in resolvers],
                "dns_resolver_options": {"no_default_search_domain": True},
            },
        }
    return discovery("envoy.config.cluster.v3.Cluster", [internet])


def listener(name: str, sandbox: str, socket: Path, routes: Path, log: Path) -> Json:
    """One sandbox's proxy, on a unix socket."""
    manager = {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "sandbox",
        "codec_type": "HTTP1",
        # Python's own client, and so pip, asks for a tunnel in HTTP/1.0.
        "http_protocol_options": {"accept_http_10": True},
        "rds": {"route_config_name": name, "config_source": _from_file(routes)},
        "strip_trailing_host_dot": True,
        "use_remote_address": True,
        "skip_xff_append": True,
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": STREAM_IDLE,
        "request_headers_timeout": "30s",
        "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        "access_log": [_access_log(sandbox, log)],
        # A tunnel that is open when Envoy is killed is on record all the same.
        "access_log_options": {"flush_log_on_tunnel_successfully_established": True},
        "local_reply_config": {"mappers": _local_replies()},
        "http_filters": [
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
        "per_connection_buffer_limit_bytes": 262144,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def listeners(each: Sequence[Json]) -> Json:
    """The file that names all listeners."""
    return discovery("envoy.config.listener.v3.Listener", each)


def _local_replies() -> list[Json]:
    """What Envoy says itself, in words that an agent and its reader can act on."""
    host = "%REQ(:AUTHORITY):200%"
    policy = (
        "This is policy, not an outage: trying again does not help. "
        "A person can allow it in the egress list of the repository's policy.\n"
    )
    # The upstream filter leaves no metadata on the downstream request; what it denied is told by the details alone.
    denied = {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": f"response.code_details.startsWith('{DENIED_DETAILS}')",
        },
    }
    return [
        {
            "filter": {"extension_filter": denied},
            "body_format_override": _plain(
                f"Journeyman refused {host}: its name leads to a private address of this network. {policy}"
            ),
        },
        {
            "filter": _status(403),
            "body_format_override": _plain(
                f"Journeyman refused {host}: it is not on this sandbox's allowlist. {policy}"
            ),
        },
        {
            "filter": _status(503),
            "body_format_override": _plain(
                f"Journeyman allows {host} but could not reach it: %RESPONSE_CODE_DETAILS%. This is an outage or a "
                "name that does not resolve, not policy.\n"
            ),
        },
    ]


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
    }
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(log),
            "log_format": {"json_format": fields},
        },
    }


def _from_file(path: Path) -> Json:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def discovery(kind: str, resources: Sequence[Json]) -> Json:
    """A file of resources of one kind, as Envoy reads it."""
    resources = [{"@type": TYPE + kind, **resource} for resource in resources]
    version = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()[:16]
    return {"version_info": version, "resources": resources}


def _address(resolver: str) -> Json:
    host, _, port = resolver.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def _status(code: int) -> Json:
    comparison = {"op": "EQ", "value": {"default_value": code, "runtime_key": "journeyman.unused"}}
    return {"status_code_filter": {"comparison": comparison}}


def _plain(text: str) -> Json:
    return {"text_format_source": {"inline_string": text}, "content_type": "text/plain; charset=utf-8"}
