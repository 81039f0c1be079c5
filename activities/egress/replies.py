"""What Envoy says itself, in words that an agent and its reader can act on."""

from typing import Any

from activities.egress import rate

Json = dict[str, Any]

BOUND_DETAILS = "ext_authz_denied"
"""Envoy's response details where the meter refused a request because its sandbox has too many."""
DENIED_DETAILS = "rbac_access_denied"
"""How Envoy's response details begin where an address was refused."""
UNDECLARED_RULE = "undeclared"
"""Name of the route that refuses what a brokered service has not declared."""
UNLOCKED_RULE = "not locked"
"""Name of the route that refuses what is no file of a locked package."""
ASKED_RULE = "asked about"
"""Name of the route that refuses what is not listed, where people may be asked about that."""
_CEL = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"


def local_replies() -> list[Json]:
    """The replies, and when each is given: the first that fits."""
    host = "%REQ(:AUTHORITY):200%"
    policy = (
        "This is policy, not an outage: trying again does not help. "
        "A person can allow it in the egress list of the repository's policy.\n"
    )
    return [
        {
            "filter": rate.over_rate(),
            "body_format_override": _plain(
                f"Journeyman refused {host}: this sandbox made more than {rate.REQUESTS_AT_ONCE} requests at once. It "
                f"may go on with {rate.REQUESTS_PER_SECOND} a second: wait, and ask less often.\n"
            ),
        },
        {
            # The upstream filter leaves no metadata on the downstream request; its details alone tell what it denied.
            "filter": _where(f"response.code_details.startsWith('{DENIED_DETAILS}')"),
            "body_format_override": _plain(
                f"Journeyman refused {host}: its name leads to a private address of this network. {policy}"
            ),
        },
        {
            "filter": _where(f"xds.route_name == '{UNDECLARED_RULE}'"),
            "body_format_override": _plain(
                f"Journeyman refused %REQ(:METHOD):20% %REQ(:PATH):200% at {host}: only the requests that the agent's "
                "adapter declares go to this service, by exactly these methods and paths. This is policy, not an "
                "outage: trying again does not help.\n"
            ),
        },
        {
            "filter": _where(f"xds.route_name == '{UNLOCKED_RULE}'"),
            "body_format_override": _plain(
                f"Journeyman refused %REQ(:METHOD):20% %REQ(:PATH):200% at {host}: a set-up gets the files that base's "
                "lock files pin, and nothing else. This is policy, not an outage: trying again does not help. Add the "
                "package to a lock file that `lock_files` in .journeyman/team.toml names.\n"
            ),
        },
        {
            # What the meter refuses comes with the meter's own words.
            "filter": _where(f"response.code_details.startsWith('ext_') && response.code_details != '{BOUND_DETAILS}'"),
            "body_format_override": _plain(
                f"Journeyman's meter does not answer, and nothing goes to {host} without it. It is being brought back: "
                "try again in a few seconds.\n"
            ),
        },
        {
            "filter": _where(f"xds.route_name == '{ASKED_RULE}'"),
            "body_format_override": _plain(
                f"Journeyman refused {host}: it is not on this sandbox's allowlist. This is policy, not an outage. The "
                "people who may allow it are asked now, and this sandbox stands still until they have answered: wait "
                "five seconds and try once more. If it is refused again, that is their answer; go on without it.\n"
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


def _where(expression: str) -> Json:
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": _CEL,
                "expression": expression,
            },
        }
    }


def _status(code: int) -> Json:
    comparison = {"op": "EQ", "value": {"default_value": code, "runtime_key": "journeyman.unused"}}
    return {"status_code_filter": {"comparison": comparison}}


def _plain(text: str) -> Json:
    return {"text_format_source": {"inline_string": text}, "content_type": "text/plain; charset=utf-8"}
