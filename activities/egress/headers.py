"""Headers of brokered requests: what a provider, or a proxy before it, could take for more than the request declared.

Beside the gateway's key a sandbox must not say which method or address was really meant, for whom the request is, or
whose account pays.
"""

from typing import Any

KEEP_FILTER = "journeyman.keep_length"
RESTORE_FILTER = "journeyman.restore_length"
_LENGTH = "x-journeyman-length"
"""The stated size of a body, on its way past the meter: Envoy drops it where a filter might change the body, which the
meter never does, and some upstreams take no body whose size is not stated."""
_UNWANTED: tuple[dict[str, str], ...] = (
    *({"contains": part} for part in ("forwarded", "override", "x-original-", "x-rewrite-", "x-http-")),
    *({"exact": name} for name in ("via", "x-host", "x-method", "x-request-uri", "x-real-ip", "true-client-ip")),
    # Whose account it is: the key alone says so.
    *({"contains": part} for part in ("organization", "organisation", "-org", "project", "workspace", "tenant")),
    *({"contains": part} for part in ("account", "billing", "auth-token", "access-token", "api-token", "auth-key")),
)
"""By parts of names: providers and the proxies before them call the same thing by many."""
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3."


def filters() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two filters, before and behind the meter's, that do nothing but on the routes that say so."""
    before, behind = (
        {"name": name, "typed_config": {"@type": _TYPE + "HeaderMutation", "mutations": {}}}
        for name in (KEEP_FILTER, RESTORE_FILTER)
    )
    return before, behind


def on_brokered_routes() -> dict[str, Any]:
    """What these filters do on a brokered route, by their names."""
    unwanted = [{"remove_on_match": {"key_matcher": matcher}} for matcher in _UNWANTED]
    # Not what the sandbox calls so: a size that is not the body's would hide a second request in the first.
    return {
        KEEP_FILTER: _on_route(*unwanted, {"remove": _LENGTH}, _set(_LENGTH, "%REQ(content-length)%")),
        RESTORE_FILTER: _on_route(_set("content-length", f"%REQ({_LENGTH})%"), {"remove": _LENGTH}),
    }


def _on_route(*mutations: dict[str, Any]) -> dict[str, Any]:
    return {"@type": _TYPE + "HeaderMutationPerRoute", "mutations": {"request_mutations": list(mutations)}}


def _set(name: str, value: str) -> dict[str, Any]:
    return {"append": {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
