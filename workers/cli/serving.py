"""Running what a command serves until it is asked to end, with every failure that we have words for told in them."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from typing import Any

from workers.cli.client import CommandFailed
from workers.settings import StateUnusable


@contextlib.contextmanager
def asked_to_end() -> Iterator[asyncio.Event]:
    """What is set when this process is asked to end, from before it says that it serves.

    It listens on while everything is cleaned up: asked twice, it would otherwise be killed in the middle of that.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    yield asked


def _interrupt_once(*_: object) -> None:
    """As Ctrl-C does it; what comes after it finds the clean-up under way."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGINT)


def run_to_its_end(serving: Coroutine[Any, Any, None]) -> None:
    """Run it. Raises CommandFailed and StateUnusable."""
    # A shell starts background jobs with SIGINT ignored; whoever sends it or SIGTERM still wants every clean-up, and
    # may do so before what is served listens for signals itself.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt_once)
    try:
        asyncio.run(serving)
    except (CommandFailed, StateUnusable):
        raise
    except (RuntimeError, OSError) as error:
        raise CommandFailed(str(error)) from error
    except Exception as error:
        if type(error).__module__.startswith(("workers.", "activities.", "workflows.")):
            raise CommandFailed(str(error)) from error
        raise
    finally:
        sys.stdout.flush()
