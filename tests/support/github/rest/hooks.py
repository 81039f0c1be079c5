"""An app's webhook deliveries: what was told, what came of it, and once more."""

from tests.support.github.answers.people import time
from tests.support.github.routing import Call, Refused, Reply, route
from tests.support.github.state import Delivery, Json
from tests.support.github.webhooks import redeliver


def _item(delivery: Delivery) -> Json:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": time(delivery.at),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation.id,
        "repository_id": delivery.repository.id,
        "throttled_at": None,
    }


def _delivery(call: Call) -> Delivery:
    for delivery in call.github.deliveries:
        if str(delivery.id) == call.parameters["delivery_id"] and delivery.installation.app is call.app:
            return delivery
    raise Refused(404, "Not Found")


@route("GET /app/hook/config", "app")
def get_config(call: Call) -> Reply:
    assert call.app is not None
    config: Json = {"content_type": "json", "insecure_ssl": "0"}
    if call.app.hook_url:
        config |= {"url": call.app.hook_url}
    if call.app.hook_secret:
        config |= {"secret": "********"}
    return Reply(200, config)


@route("GET /app/hook/deliveries", "app")
def list_deliveries(call: Call) -> Reply:
    """Newest first; further pages by a cursor, not by number."""
    done = [
        one
        for one in call.github.deliveries
        if one.installation.app is call.app and one.status != "pending" and _wanted(one, call.query.get("status"))
    ]
    done.sort(key=lambda one: one.id, reverse=True)
    if call.query.get("cursor"):
        done = [one for one in done if one.id < int(call.query["cursor"])]
    size = min(int(call.query.get("per_page", 30)), 100)
    page, more = done[:size], done[size:]
    following = f'<{call.url}?per_page={size}&cursor={page[-1].id}>; rel="next"' if more else ""
    return Reply(200, [_item(one) for one in page], {"Link": following} if more else {})


def _wanted(delivery: Delivery, status: str | None) -> bool:
    if status is None:
        return True
    return (delivery.status == "OK") == (status == "success")


@route("GET /app/hook/deliveries/{delivery_id}", "app")
def get_delivery(call: Call) -> Reply:
    delivery = _delivery(call)
    told: Json = {
        **_item(delivery),
        "url": delivery.installation.app.hook_url,
        "request": {"headers": delivery.headers, "payload": delivery.payload},
        "response": {"headers": {}, "payload": delivery.answered or None},
    }
    return Reply(200, told)


@route("POST /app/hook/deliveries/{delivery_id}/attempts", "app")
def attempt_again(call: Call) -> Reply:
    redeliver(call.github, _delivery(call))
    return Reply(202, {})
