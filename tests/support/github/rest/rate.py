"""How many requests a caller has left."""

import time

from tests.support.github.faults import LIMIT
from tests.support.github.routing import Call, Reply, route


@route("GET /rate_limit", "any")
def get_rate_limit(call: Call) -> Reply:
    kind = {"limit": LIMIT, "used": 1, "remaining": LIMIT - 1, "reset": int(time.time()) + 3600}
    return Reply(200, {"resources": dict.fromkeys(("core", "search", "graphql"), kind), "rate": kind})
