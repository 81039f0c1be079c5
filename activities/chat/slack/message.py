"""One message as Slack takes it: blocks that were checked before they are sent, and the same in a line of text."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

MOST_BLOCKS = 50
"""Of one message (docs.slack.dev, Blocks)."""
MOST_TEXT = 3000
"""Characters of one section."""
MOST_HEADER = 150


@dataclass(frozen=True)
class Message:
    """What is posted."""

    text: str
    """What notifications and screen readers say."""
    blocks: tuple[Block, ...] = ()

    def as_json(self) -> list[dict[str, Any]]:
        """The blocks. Raises SlackObjectFormationError where Slack would not take them."""
        return [block.to_dict() for block in self.blocks]

    @property
    def digest(self) -> str:
        """By which it is known whether it was sent already."""
        try:
            blocks = self.as_json()
        except SlackObjectFormationError:
            # Its text alone is sent.
            blocks = []
        content = json.dumps([self.text, blocks], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def header(text: str) -> HeaderBlock:
    """A headline; `text` is escaped already."""
    return HeaderBlock(text=PlainTextObject(text=text[:MOST_HEADER], emoji=False))


def said(text: str) -> SectionBlock:
    """Formatted words of ours; what of them others wrote is code."""
    # Verbatim: Slack makes no link or mention out of what only looks like one.
    return SectionBlock(text=MarkdownTextObject(text=text, verbatim=True))


def said_in_lines(lines: Iterable[str]) -> Iterator[SectionBlock]:
    """As many sections as it takes, none of which ends within a line."""
    kept: list[str] = []
    for line in lines:
        if sum(len(one) + 1 for one in kept) + len(line) > MOST_TEXT:
            yield said("\n".join(kept))
            kept = []
        kept.append(line)
    if kept:
        yield said("\n".join(kept))


def unformatted(text: str) -> SectionBlock:
    """What others wrote, as it is."""
    return SectionBlock(text=PlainTextObject(text=text, emoji=False))


def aside(*texts: str) -> ContextBlock:
    """Smaller, below the rest."""
    return ContextBlock(elements=[MarkdownTextObject(text=text, verbatim=True) for text in texts if text])


def buttons(elements: Sequence[ButtonElement]) -> tuple[Block, ...]:
    """One row of them, if there are any."""
    return (ActionsBlock(elements=list(elements)),) if elements else ()
