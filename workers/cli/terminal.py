"""What a terminal is given. Nothing is printed that could move its cursor, change its title or hide text."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment

_PIPE_COLUMNS = 500


def visible(text: str) -> str:
    """Text with its lines kept, and everything else that a terminal would act on spelled out."""
    return "".join(c if c.isprintable() or c in "\n\t" else _spelled(c) for c in text)


class Terminal(Console):
    """A console that makes visible whatever it is given; what acts on the terminal are its own colours alone."""

    def __init__(self, file: TextIO) -> None:
        # Into a pipe a row is a line, however long, for whoever searches it.
        width = None if file.isatty() or "COLUMNS" in os.environ else _PIPE_COLUMNS
        super().__init__(file=file, highlight=False, soft_wrap=True, width=width)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Called by rich for everything that is printed."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def out() -> Terminal:
    """Standard output, for what was asked for."""
    return Terminal(sys.stdout)


def tell(text: str) -> None:
    """A line on standard error, for what is said besides."""
    sys.stderr.write(f"{visible(text)}\n")


def plain(text: str, limit: int = 500) -> str:
    """Untrusted text as one line that can neither move the cursor nor use markup."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return escape(line if len(line) <= limit else line[: limit - 1] + "…")


def safe_block(data: bytes) -> str:
    """Untrusted output with its lines kept and every other control character made visible."""
    return visible(data.decode("utf-8", errors="replace").replace("\r", ""))


def print_json(value: BaseModel | Iterable[BaseModel]) -> None:
    """One JSON document on standard output."""
    if isinstance(value, BaseModel):
        sys.stdout.write(value.model_dump_json(indent=2, ensure_ascii=True) + "\n")
    else:
        sys.stdout.write("[" + ",\n ".join(item.model_dump_json(ensure_ascii=True) for item in value) + "]\n")


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
