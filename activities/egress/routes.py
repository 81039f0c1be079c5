"""A sandbox's allowlist as Envoy's routes: what matches a rule goes out, everything else is answered with a refusal."""

import hashlib
import json
from collections.abc import Sequence

from activities.egress.configuration import (
    FORWARD_FILTER,
    INTERNET,
    RBAC_FILTER,
    STREAM_IDLE,
    TYPE,
    Json,
    discovery,
)
from activities.egress.rules import Rule

PROBE_HOST = "egress.journeyman.invalid"
"""Asked for by the gateway itself, through a sandbox's own socket, to see which routes hold; reserved by RFC 2606."""
PROBE_RULE = "probe"
REFUSED_RULE = "refused"
_PLAIN_AUTHORITY = "[A-Za-z0-9_][A-Za-z0-9_.-]*(:[0-9]+)?"
"""A name and a port; nothing that some parser might take for the end of a name."""


def routes(name: str, rules: Sequence[Rule], allow_private: bool) -> tuple[Json, str]:
    """A sandbox's allowlist, and the version that its probe answers with."""
    matching = [route for rule in rules for route in _rule_routes(rule, allow_private)]
    version = hashlib.sha256(json.dumps(matching, sort_keys=True).encode()).hexdigest()[:16]
    refusal = {"status": 403, "body": {"inline_string": "refused"}}
    configuration = {
        "@type": TYPE + "envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "virtual_hosts": [
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
                    {"name": REFUSED_RULE, "match": {"connect_matcher": {}}, "direct_response": refusal},
                    {"name": REFUSED_RULE, "match": {"prefix": ""}, "direct_response": refusal},
                ],
            }
        ],
    }
    return discovery("envoy.config.route.v3.RouteConfiguration", [configuration]), version


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
    return {"name": rule.text, "match": match, "route": action, "typed_per_filter_config": overrides}


def _exactly(header: str, value: str) -> Json:
    return {"name": header, "string_match": {"exact": value}}
