"""A diff on a terminal: coloured, and paged if it does not fit."""

import os
import shlex
import shutil
import subprocess
import sys

from rich.console import Console
from rich.text import Text

_STYLES = (("+++", "bold"), ("---", "bold"), ("diff ", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


def show_diff(text: str) -> None:
    """Print a diff that has been made safe to show; quitting the pager is no error."""
    lines = text.splitlines()
    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as captured:
        for line in lines:
            console.print(Text(line, style=_style(line)))
    pager = _pager() if len(lines) >= shutil.get_terminal_size().lines else []
    if not pager:
        sys.stdout.write(captured.get())
        return
    # `less` keeps colours with R, ends at once if all fits (F), and leaves what was shown on the screen (X).
    environment = {"LESS": "FRX", **os.environ}
    subprocess.run(pager, input=captured.get().encode(), env=environment, check=False)


def _style(line: str) -> str:
    return next((style for start, style in _STYLES if line.startswith(start)), "")


def _pager() -> list[str]:
    """The person's own pager, else less; none if there is neither, or an empty $PAGER asks for none."""
    wanted = shlex.split(os.environ.get("PAGER", "less"))
    return wanted if wanted and shutil.which(wanted[0]) else []
