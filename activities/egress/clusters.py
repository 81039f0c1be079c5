"""Where requests go: to whatever an allowlist names, to the upstreams of brokered services, and to the meter."""

from collections.abc import Sequence
from pathlib import Path

from activities.egress.bounds import BUFFER_BYTES, CLUSTER_THRESHOLDS
from activities.egress.configuration import METER, TYPE, Json, discovery, from_file
from activities.egress.rules import private_networks
from activities.egress.services import Upstream

INTERNET = "internet"
RBAC_FILTER = "envoy.filters.http.upstream_rbac"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_ONE_REQUEST = {"max_requests_per_connection": 1}
"""One sandbox's request never travels on a connection that another's could have left unclean."""
_CODEC: Json = {
    "name": "envoy.filters.http.upstream_codec",
    "typed_config": {"@type": TYPE + "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
}


def clusters(resolvers: Sequence[str], upstreams: Sequence[Upstream], places: "ClusterPlaces") -> Json:
    """All clusters. Names are resolved by `resolvers`, or as the host does."""
    resolving = [_internet(), *(_upstream(upstream, places) for upstream in upstreams)]
    if resolvers:
        for cluster in resolving:
            cluster["typed_dns_resolver_config"] = {
                "name": "envoy.network.dns_resolver.cares",
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                    "resolvers": [_address(resolver) for resolver in resolvers],
                    "dns_resolver_options": {"no_default_search_domain": True},
                },
            }
    return discovery("envoy.config.cluster.v3.Cluster", [*resolving, _meter(places.meter)])


class ClusterPlaces:
    """Files that clusters name."""

    def __init__(self, secrets: Path, authorities: Path, meter: Path) -> None:
        """`secrets`: directory of the keys' files; `authorities`: certificates to trust; `meter`: its socket."""
        self.secrets = secrets
        self.authorities = authorities
        self.meter = meter


def _refuse_private() -> Json:
    """A filter that judges each address when it is chosen, before it is dialled."""
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
    return {
        "name": RBAC_FILTER,
        "typed_config": {
            "@type": TYPE + "envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {
                "action": "DENY",
                "policies": {"private-address": {"permissions": any_network, "principals": [{"any": True}]}},
            },
        },
    }


def _internet() -> Json:
    """Whatever an allowlist names: resolved here.

    Sub-clusters, because there every address is a host of its own. The plain cache would judge the first address of
    an answer and then dial the others as well when that one does not answer.
    """
    return {
        "name": INTERNET,
        "connect_timeout": "10s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": CLUSTER_THRESHOLDS,
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
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
                "common_http_protocol_options": _ONE_REQUEST,
                "http_filters": [_refuse_private(), _CODEC],
            }
        },
    }


def _upstream(upstream: Upstream, places: ClusterPlaces) -> Json:
    """One service's upstream. The key is added behind the router, where no log, no filter and no meter sees it.

    Every address that the name has is a host of its own, judged as such.
    """
    inject = {
        "name": "envoy.filters.http.credential_injector",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
            "overwrite": True,
            "credential": {
                "name": "envoy.http.injected_credentials.generic",
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.http.injected_credentials.generic.v3.Generic",
                    "header": upstream.header,
                    "credential": {
                        "name": upstream.name,
                        "sds_config": from_file(secret_file(places.secrets, upstream.name)),
                    },
                },
            },
        },
    }
    filters = [_refuse_private(), *([inject] if upstream.credential else []), _CODEC]
    cluster: Json = {
        "name": upstream.name,
        "connect_timeout": "10s",
        "circuit_breakers": CLUSTER_THRESHOLDS,
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "type": "STATIC" if upstream.address else "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "dns_refresh_rate": "30s",
        "dns_failure_refresh_rate": {"base_interval": "1s", "max_interval": "10s"},
        # A name that does not resolve must not keep other sandboxes from being opened.
        "wait_for_warm_on_init": False,
        "load_assignment": {
            "cluster_name": upstream.name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(upstream.host, upstream.port)}}]}],
        },
        "typed_extension_protocol_options": {
            _OPTIONS: {
                "@type": TYPE + _OPTIONS,
                **({"auto_config": {}} if upstream.tls else {"explicit_http_config": {"http_protocol_options": {}}}),
                "common_http_protocol_options": _ONE_REQUEST,
                "http_filters": filters,
            }
        },
    }
    if upstream.tls:
        name = {
            "san_type": "IP_ADDRESS" if upstream.address else "DNS",
            "matcher": {"exact": upstream.host},
        }
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                **({} if upstream.address else {"sni": upstream.host}),
                "common_tls_context": {
                    "validation_context": {
                        "trusted_ca": {"filename": str(places.authorities)},
                        "match_typed_subject_alt_names": [name],
                    }
                },
            },
        }
    return cluster


def secret_file(directory: Path, name: str) -> Path:
    """The file that holds an upstream's key as Envoy reads it."""
    return directory / f"{name}.json"


def _meter(socket: Path) -> Json:
    return {
        "name": METER,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": METER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": str(socket)}}}}]}],
        },
        "circuit_breakers": CLUSTER_THRESHOLDS,
        "typed_extension_protocol_options": {
            _OPTIONS: {"@type": TYPE + _OPTIONS, "explicit_http_config": {"http2_protocol_options": {}}}
        },
    }


def _address(resolver: str) -> Json:
    host, _, port = resolver.rpartition(":")
    return _socket(host.strip("[]"), int(port))


def _socket(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}
