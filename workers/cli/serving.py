"""Running what a command serves, with every failure that we have words for told in them."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from workers.cli.client import CommandFailed
from workers.settings import StateUnusable


def run_to_its_end(serving: Coroutine[Any, Any, None]) -> None:
    """Run it. Raises CommandFailed and StateUnusable."""
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
