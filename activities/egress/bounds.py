"""How much of the gateway one sandbox may take, and all of them together: connections, headers, memory.

Nothing here is an answer in words: what is over it has not said anything yet, or there is no memory to answer with.
"""

import json
from typing import Any

CONNECTIONS_OPEN = 256
"""Of one sandbox at once. One more is closed as soon as it is accepted."""
HEADERS_KB = 16
"""Of one request. As many as most servers take; those of agents are about two."""
BUFFER_BYTES = 262_144
"""Of one connection, each way: who does not read what was asked for makes its sender wait."""
IDLE = "60s"
"""How long a connection without a request stays open."""
HEAP_BYTES = 1024 * 1024 * 1024
_FILES_PER_CONNECTION = 4
"""One for the connection, one for where its request goes, and as many again for all else that Envoy opens."""
CLUSTER_THRESHOLDS: dict[str, Any] = {
    "thresholds": [
        dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), 65_536),
    ]
}
"""Far above Envoy's own: clusters are shared, and what one sandbox may use of them is bounded where it comes in."""
_HEAP = "envoy.resource_monitors.fixed_heap"
_CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections"
_TYPE = "type.googleapis.com/envoy.extensions."


def connections_open() -> dict[str, Any]:
    """The filter that closes connections that are more than a sandbox may have open."""
    return {
        "name": "envoy.filters.network.connection_limit",
        "typed_config": {
            "@type": _TYPE + "filters.network.connection_limit.v3.ConnectionLimit",
            "stat_prefix": "sandbox_open",
            "max_connections": CONNECTIONS_OPEN,
        },
    }


def overload() -> dict[str, Any]:
    """What Envoy does as its memory runs out, before the kernel does worse: the greediest streams go first."""
    return {
        "refresh_interval": "0.25s",
        # Streams are told apart by how much they hold, from a quarter of a megabyte on.
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": 18},
        "resource_monitors": [
            {
                "name": _HEAP,
                "typed_config": {
                    "@type": _TYPE + "resource_monitors.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": HEAP_BYTES,
                },
            }
        ],
        "actions": [
            _action("shrink_heap", {"threshold": {"value": 0.7}}),
            _action("reset_high_memory_stream", {"scaled": {"scaling_threshold": 0.8, "saturation_threshold": 0.95}}),
            _action("disable_http_keepalive", {"threshold": {"value": 0.85}}),
            _action("reject_incoming_connections", {"threshold": {"value": 0.9}}),
            _action("stop_accepting_requests", {"threshold": {"value": 0.95}}),
        ],
    }


def of_process(files: int) -> str:
    """What Envoy is told beside its bootstrap, since it depends on who starts it: `files` is what it may open.

    Whoever would accept until no file is left could not be asked by its worker any more whether it lives.
    """
    monitor = {
        "name": _CONNECTIONS,
        "typed_config": {
            "@type": _TYPE + "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": files // _FILES_PER_CONNECTION,
        },
    }
    return json.dumps({"overload_manager": {"resource_monitors": [monitor]}})


def _action(name: str, trigger: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"envoy.overload_actions.{name}", "triggers": [{"name": _HEAP, **trigger}]}
