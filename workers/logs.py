"""What a process that serves tells of its work: a line on the terminal, everything in a file in the state directory.

A task whose agent has a typing error in its name is no failure of this process. The person who asked is told by the
task; whoever runs the process gets one line, and finds the stack trace in the file if there is more to it.
"""

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from temporalio.exceptions import ApplicationError

from workers.settings import Settings

_FILE_BYTES = 10 * 1024 * 1024
_KEPT_FILES = 3
_LINE_CHARS = 400


class _OneLine(logging.Formatter):
    """Time, what it was about, and the first line of why."""

    def format(self, record: logging.LogRecord) -> str:
        step = getattr(record, "temporal_activity", None)
        about = f"{step['workflow_id']}, {step['activity_type']}: " if isinstance(step, dict) else ""
        error = record.exc_info[1] if record.exc_info else None
        said = record.getMessage()
        if error is not None:
            # Temporal's own message repeats all of a step's details; what failed is in the error.
            said = str(error) or repr(error) if about else f"{said}: {error}"
        line = " ".join("".join(c if c.isprintable() else " " for c in f"{about}{said}").split())
        shown = line if len(line) <= _LINE_CHARS else f"{line[: _LINE_CHARS - 1]}…"
        return f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower()} {shown}"


class _Whole(logging.Formatter):
    """Everything, but no stack trace of a step or an update that ended with words for people: they say it all."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ApplicationError) and error.non_retryable:
            bare = logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
            bare.msg, bare.args = f"{record.getMessage()}: {error.type}: {error.message}", ()
            return super().format(bare)
        return super().format(record)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether asyncio says more than that a process which was ended just then had been waited for by `kill` itself."""
    return not str(record.msg).startswith("Unknown child process pid")


def log_to(settings: Settings, name: str, *, terminal: int = logging.WARNING) -> Path:
    """Send this process's log to `logs/NAME.log` in the state directory, and what matters to standard error too."""
    folder = settings.prepare_state() / "logs"
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / f"{name}.log"
    file = RotatingFileHandler(path, maxBytes=_FILE_BYTES, backupCount=_KEPT_FILES, encoding="utf-8")
    file.setFormatter(_Whole("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    shown = logging.StreamHandler(sys.stderr)
    shown.setLevel(terminal)
    shown.setFormatter(_OneLine())
    logging.getLogger("asyncio").addFilter(_is_news)
    logging.basicConfig(level=logging.WARNING, handlers=[file, shown], force=True)
    return path
