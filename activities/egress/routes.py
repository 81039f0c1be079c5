"""A sandbox's allowlist as Envoy's routes: what matches a rule goes out, everything else is answered with a refusal."""

import hashlib
import json
import re
from collections.abc import Sequence

from activities.egress import headers
from activities.egress.clusters import INTERNET, RBAC_FILTER
from activities.egress.configuration import (
    ADMIT_FILTER,
    FORWARD_FILTER,
    METER_FILTER,
    ROUTE_FACTS,
    STREAM_IDLE,
    TUNNEL_FILTER,
    TYPE,
    Json,
    discovery,
    metered_mode,
)
from activities.egress.contract import BrokeredService, Endpoint, PackageHost
from activities.egress.packages import MOST_PAGE_BYTES, package_hosts
from activities.egress.replies import ASKED_RULE, UNDECLARED_RULE
from activities.egress.rules import Rule
from activities.egress.services import CREDENTIAL_HEADERS, Upstream

PROBE_HOST = "egress.journeyman.invalid"
"""Asked for by the gateway itself, through a sandbox's own socket, to see which routes hold; reserved by RFC 2606."""
PROBE_RULE = "probe"
REFUSED_RULE = "refused"
_PLAIN_AUTHORITY = "[A-Za-z0-9_][A-Za-z0-9_.-]*(:[0-9]+)?"
"""A name and a port; nothing that some parser might take for the end of a name."""


def routes(
    name: str,
    rules: Sequence[Rule],
    brokered: Sequence[tuple[BrokeredService, Upstream]],
    packages: Sequence[PackageHost] = (),
    *,
    allow_private: bool,
    asks: bool,
) -> tuple[Json, str]:
    """A sandbox's allowlist and brokered services, and the version that its probe answers with.

    A brokered host is refused but for what it declares before the allowlist is looked at.
    """
    refused = ASKED_RULE if asks else REFUSED_RULE
    matching = [
        *(route for service, upstream in brokered for route in _brokered(name, service, upstream, allow_private)),
        *(route for rule in rules for route in _rule_routes(rule, allow_private)),
    ]
    registries = package_hosts(packages, allow_private=allow_private)
    facts = [refused, matching, *registries]
    version = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    refusal = {"status": 403, "body": {"inline_string": "refused"}}
    configuration = {
        "@type": TYPE + "envoy.config.route.v3.RouteConfiguration",
        "name": name,
        **({"max_direct_response_body_size_bytes": MOST_PAGE_BYTES} if registries else {}),
        "virtual_hosts": [
            *registries,
            {
                "name": "all",
                "domains": ["*"],
                "routes": [
                    {
                        "name": PROBE_RULE,
                        "match": {"path": "/", "headers": [_exactly(":authority", PROBE_HOST)]},
                        "direct_response": {"status": 200, "body": {"inline_string": version}},
                    },
                    *matching,
                    {"name": refused, "match": {"connect_matcher": {}}, "direct_response": refusal},
                    {"name": refused, "match": {"prefix": ""}, "direct_response": refusal},
                ],
            },
        ],
    }
    return discovery("envoy.config.route.v3.RouteConfiguration", [configuration]), version


def brokered_rule(service: BrokeredService) -> str:
    """How the record names the rule by which a service's requests were let through."""
    return f"brokered {service.credential}"


def _brokered(sandbox: str, service: BrokeredService, upstream: Upstream, allow_private: bool) -> list[Json]:
    """A service's endpoints by method, exact path and name; then the refusal of all else at that name."""
    name = re.escape(service.host)
    anywhere = {"name": ":authority", "string_match": {"safe_regex": {"regex": f"(?i){name}\\.?(:[0-9]*)?"}}}
    refusal = {"status": 403, "body": {"inline_string": "refused"}}
    return [
        *(
            _endpoint(sandbox, service, upstream, endpoint, allow_private or service.private)
            for endpoint in service.endpoints
        ),
        {
            "name": UNDECLARED_RULE,
            "match": {"connect_matcher": {}, "headers": [anywhere]},
            "direct_response": refusal,
        },
        {"name": UNDECLARED_RULE, "match": {"prefix": "", "headers": [anywhere]}, "direct_response": refusal},
    ]


def _endpoint(
    sandbox: str, service: BrokeredService, upstream: Upstream, endpoint: Endpoint, allow_private: bool
) -> Json:
    host = {"name": ":authority", "string_match": {"safe_regex": {"regex": f"(?i){re.escape(service.host)}(:80)?"}}}
    no_upgrade = {"name": "upgrade", "present_match": True, "invert_match": True}
    rule = brokered_rule(service)
    told = {
        "sandbox": sandbox,
        "host": service.host,
        "method": endpoint.method,
        "path": endpoint.path,
        "rule": rule,
    }
    overrides: Json = {
        ADMIT_FILTER: {
            "@type": TYPE + "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
            "check_settings": {"context_extensions": told},
        },
        METER_FILTER: {
            "@type": TYPE + "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",
            # What costs nothing is measured by its stated size, or shown if it states none.
            "overrides": {"processing_mode": metered_mode("STREAMED" if endpoint.usage else "NONE")},
        },
        **headers.on_brokered_routes(),
        # What follows is no name that a sandbox chose.
        FORWARD_FILTER: {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "disabled": True},
    }
    if allow_private:
        overrides[RBAC_FILTER] = {"@type": TYPE + "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"}
    return {
        "name": rule,
        # Of the path as it was written: nothing is decoded or tidied up before it is compared. What asks for another
        # protocol is not the request that was declared.
        "match": {"path": endpoint.path, "headers": [host, _exactly(":method", endpoint.method), no_upgrade]},
        "metadata": {"filter_metadata": {ROUTE_FACTS: {"host": service.host, "path": endpoint.path}}},
        # An answer that is not compressed is one that can be read in passing.
        "request_headers_to_remove": sorted({*CREDENTIAL_HEADERS, service.header, "accept-encoding"}),
        "response_headers_to_remove": ["set-cookie"],
        "route": {
            "cluster": upstream.name,
            "timeout": "0s",
            # Not counted while a request is held; an upstream that falls silent is left after this time.
            "idle_timeout": "0s",
            "host_rewrite_literal": upstream.authority,
            "prefix_rewrite": upstream.base + endpoint.path,
            "retry_policy": {
                "retry_on": "connect-failure",
                "num_retries": 2,
                "per_try_idle_timeout": STREAM_IDLE,
            },
        },
        "typed_per_filter_config": overrides,
    }


def _rule_routes(rule: Rule, allow_private: bool) -> list[Json]:
    """Routes of one rule. What is resolved and dialled is the rule's own text wherever the rule is an exact name."""
    return [
        _route(rule, port, connect, allow_private, suffix)
        for port in rule.ports
        for connect in (True, False)
        # A tunnel always names its port; a plain request need not name 80.
        for suffix in ([f":{port}", ""] if port == 80 and not connect else [f":{port}"])
    ]


def _route(rule: Rule, port: int, connect: bool, allow_private: bool, suffix: str) -> Json:
    overrides: Json = {}
    if rule.wildcard:
        authority = [
            {"name": ":authority", "string_match": {"suffix": f".{rule.name}{suffix}", "ignore_case": True}},
            {"name": ":authority", "string_match": {"safe_regex": {"regex": _PLAIN_AUTHORITY}}},
        ]
    else:
        authority = [{"name": ":authority", "string_match": {"exact": f"{rule.name}{suffix}", "ignore_case": True}}]
        overrides[FORWARD_FILTER] = {
            "@type": TYPE + "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig",
            "host_rewrite_literal": rule.name if port == 80 and not connect else f"{rule.name}:{port}",
        }
    if allow_private:
        overrides[RBAC_FILTER] = {"@type": TYPE + "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"}
    action: Json = {
        "cluster": INTERNET,
        "timeout": "0s",
        "idle_timeout": STREAM_IDLE,
        # Another address of the same name, judged anew; nothing was sent yet, so that any method may be tried.
        "retry_policy": {"retry_on": "connect-failure", "num_retries": 2},
    }
    match: Json = {"prefix": "/", "headers": authority}
    if connect:
        action["upgrade_configs"] = [{"upgrade_type": "CONNECT", "connect_config": {}}]
        match = {"connect_matcher": {}, "headers": authority}
        overrides[TUNNEL_FILTER] = {
            "@type": TYPE + "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",
            "overrides": {},
        }
    return {"name": rule.text, "match": match, "route": action, "typed_per_filter_config": overrides}


def _exactly(header: str, value: str) -> Json:
    return {"name": header, "string_match": {"exact": value}}
