"""Whether Slack would show these blocks, by slack_sdk's own models and the limits of docs.slack.dev."""

from typing import Any

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

_MOST_OF_MESSAGE, _MOST_OF_VIEW = 50, 100
_MOST_OF_VALUE, _MOST_OF_ID, _MOST_OF_METADATA = 2000, 255, 3000


def refuse_unshowable(blocks: list[dict[str, Any]], view: dict[str, Any] | None = None) -> None:
    """Raise ValueError or SlackObjectFormationError for what Slack refuses."""
    if len(blocks) > (_MOST_OF_VIEW if view is not None else _MOST_OF_MESSAGE):
        raise ValueError(f"no more than {_MOST_OF_VIEW if view is not None else _MOST_OF_MESSAGE} items allowed")
    ids = [one["block_id"] for one in blocks if one.get("block_id")]
    if len(ids) != len(set(ids)):
        raise ValueError("block_id already exists")
    for block in blocks:
        parsed = Block.parse(block)
        if parsed is None:
            raise ValueError(f"unsupported type: {block.get('type')}")
        parsed.validate_json()
        for element in _elements(block):
            _refuse_element(element)
    if view is not None:
        View(**view).validate_json()
        if len(view.get("private_metadata", "")) > _MOST_OF_METADATA:
            raise ValueError("private_metadata is too long")


def _elements(block: dict[str, Any]) -> list[dict[str, Any]]:
    found = [*block.get("elements", []), block.get("accessory"), block.get("element")]
    return [one for one in found if isinstance(one, dict)]


def _refuse_element(element: dict[str, Any]) -> None:
    if len(str(element.get("value", ""))) > _MOST_OF_VALUE:
        raise ValueError("a value is too long")
    if len(str(element.get("action_id", ""))) > _MOST_OF_ID:
        raise ValueError("an action_id is too long")
    if element.get("type") == "button" and len(element.get("text", {}).get("text", "")) > 75:
        raise ValueError("a button's text is too long")
