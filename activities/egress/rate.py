"""How many requests a sandbox may make: without a bound, a loop of refused ones fills the host's disk with records.

Every listener has two buckets. One is of requests, and says so when it is empty. The other is of connections, and
wider: it closes what is over it without a word, since a request that is no HTTP never reaches the first one.
"""

from typing import Any

REQUESTS_AT_ONCE = 5_000
REQUESTS_PER_SECOND = 50
CONNECTIONS_AT_ONCE = 10_000
CONNECTIONS_PER_SECOND = 100
OVER_RATE_DETAILS = "local_rate_limited"
"""Envoy's response details where a request was over it."""
_KEPT_PERCENT = 1
_TYPE = "type.googleapis.com/envoy.extensions."


def connections() -> dict[str, Any]:
    """The filter that new connections pass first."""
    return {
        "name": "envoy.filters.network.local_ratelimit",
        "typed_config": {
            "@type": _TYPE + "filters.network.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "sandbox_connections",
            "token_bucket": _bucket(CONNECTIONS_AT_ONCE, CONNECTIONS_PER_SECOND),
        },
    }


def requests() -> dict[str, Any]:
    """The filter that requests pass first; over it they are answered with 429."""
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}, "runtime_key": "journeyman.unused"}
    return {
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": _TYPE + "filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "sandbox_requests",
            "token_bucket": _bucket(REQUESTS_AT_ONCE, REQUESTS_PER_SECOND),
            "filter_enabled": always,
            "filter_enforced": always,
        },
    }


def recorded() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two filters of the access log: every request within the rate, and a few of the others, which stand for all."""
    sampled = {
        "runtime_filter": {
            "runtime_key": "journeyman.unused_sample",
            "percent_sampled": {"numerator": _KEPT_PERCENT, "denominator": "HUNDRED"},
            "use_independent_randomness": True,
        }
    }
    return _where("!="), {"and_filter": {"filters": [_where("=="), sampled]}}


def over_rate() -> dict[str, Any]:
    """Where Envoy answers for being over the rate."""
    return _where("==")


def _where(comparison: str) -> dict[str, Any]:
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": _TYPE + "access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": f"response.code_details {comparison} '{OVER_RATE_DETAILS}'",
            },
        }
    }


def _bucket(at_once: int, per_second: int) -> dict[str, Any]:
    return {"max_tokens": at_once, "tokens_per_fill": per_second, "fill_interval": "1s"}
