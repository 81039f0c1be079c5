"""Other meters in the place of ours: the gateway's own configuration of a sandbox, with other filters where its are.

Everything else of the way is the same: listener, routes, upstreams, log. So the difference is the meter.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from activities.egress.configuration import ADMIT_FILTER, METER_FILTER, TYPE
from activities.egress.opened import key
from activities.egress.places import ENVOY_UID, Places
from activities.egress.process import EnvoyProcess

Json = dict[str, Any]

NAMESPACE = "trial"
_MOST_EVENT_BYTES = 8 * 1024 * 1024
"""As our meter's: Envoy's own 8 KiB is less than the last event of many a Responses stream."""
_FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "input": (
        ("message", "usage", "input_tokens"),
        ("usage", "input_tokens"),
        ("usage", "prompt_tokens"),
        ("response", "usage", "input_tokens"),
    ),
    "output": (
        ("message", "usage", "output_tokens"),
        ("usage", "output_tokens"),
        ("usage", "completion_tokens"),
        ("response", "usage", "output_tokens"),
    ),
    "cached": (
        ("message", "usage", "cache_read_input_tokens"),
        ("usage", "cache_read_input_tokens"),
        ("usage", "prompt_tokens_details", "cached_tokens"),
        ("response", "usage", "input_tokens_details", "cached_tokens"),
    ),
}
"""Where the three dialects state it: of a stream, and of an answer that is none."""


def _rules() -> list[Json]:
    """The last value of each field counts: Anthropic states output in the first event and again in the last."""
    return [
        {
            "selectors": [{"key": part} for part in path],
            "on_present": {"metadata_namespace": NAMESPACE, "key": name, "type": "NUMBER"},
        }
        for name, paths in _FIELDS.items()
        for path in paths
    ]


def _of_streams() -> Json:
    parser = {
        "@type": TYPE + "envoy.extensions.content_parsers.json.v3.JsonContentParser",
        "rules": [{"rule": rule} for rule in _rules()],
    }
    return {
        "name": "envoy.filters.http.sse_to_metadata",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.filters.http.sse_to_metadata.v3.SseToMetadata",
            "response_rules": {
                "content_parser": {"name": "envoy.content_parsers.json", "typed_config": parser},
                "max_event_size": _MOST_EVENT_BYTES,
            },
        },
    }


def _of_whole_answers() -> Json:
    # It wants to be told what to write of a field that it does not find; it is not to replace one that it did.
    nothing = {"metadata_namespace": NAMESPACE, "key": "none", "value": 0}
    rules = [{**rule, "on_missing": nothing, "on_error": nothing} for rule in _rules()]
    return {
        "name": "envoy.filters.http.json_to_metadata",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata",
            "response_rules": {"rules": rules},
        },
    }


VARIANTS: dict[str, list[Json]] = {
    "nothing": [],
    "sse_to_metadata": [_of_streams()],
    "sse_and_json": [_of_streams(), _of_whole_answers()],
}
"""Filters in the place of ours, by what they are called here."""


@asynccontextmanager
async def variant(ours: Path, root: Path, sandbox: str, filters: list[Json]) -> AsyncIterator[tuple[Path, int]]:
    """An Envoy of its own with what the gateway at `ours` told its own. Its root must be as long or short.

    Yields the directory of the sandbox's socket and Envoy's process id.
    """
    places = Places(root)
    places.make()
    for file in Places(ours).config.glob("*.json"):
        content = json.loads(file.read_text().replace(str(ours), str(root)))
        written = places.config / file.name
        written.write_text(json.dumps(_changed(content, filters)))
        _give_to_envoy(written)
    directory = places.sandboxes / key(sandbox)
    directory.mkdir()
    _give_to_envoy(directory)
    process = EnvoyProcess(places)
    await asyncio.to_thread(process.start)
    try:
        yield directory, int(json.loads((places.kept / "envoy.json").read_text())["pid"])
    finally:
        await asyncio.to_thread(process.stop)


def _give_to_envoy(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, ENVOY_UID, ENVOY_UID)


def _changed(content: Any, filters: list[Json]) -> Any:
    """The same with other filters, no settings for those that went, and what the new ones found in the log."""
    if isinstance(content, list):
        return [_changed(part, filters) for part in content]
    if not isinstance(content, dict):
        return content
    content = {name: _changed(part, filters) for name, part in content.items()}
    if "http_filters" in content:
        kept: list[Json] = []
        for each in content["http_filters"]:
            if each["name"] == METER_FILTER:
                kept += filters
            elif each["name"] != ADMIT_FILTER:
                kept.append(each)
        content["http_filters"] = kept
    if "typed_per_filter_config" in content:
        for name in (ADMIT_FILTER, METER_FILTER):
            content["typed_per_filter_config"].pop(name, None)
    if "json_format" in content:
        fields = {name: f"%DYNAMIC_METADATA({NAMESPACE}:{name})%" for name in _FIELDS}
        content["json_format"] = content["json_format"] | fields
    return content
