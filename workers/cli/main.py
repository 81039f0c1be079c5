"""The program `journeyman`: parses the command line and turns every failure into words and an exit code."""

import os
import sys
from collections.abc import Sequence
from importlib import metadata

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from workers.cli import commands
from workers.cli.client import CommandFailed
from workers.cli.terminal import Terminal, tell
from workers.settings import SettingsInvalid, StateUnusable

_HELP = """Run coding agents for a team: sandboxed, judged, approved, merged, and taken back if need be.

Begin with `journeyman up` in one terminal; then, in another, `journeyman run 'GOAL' --repo PATH`.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 nothing is running here, 4 the task ended without a patch to
review, 5 it stands still until somebody answers or guides it, 130 interrupted."""


def build() -> App:
    """The whole command line."""
    # Most defaults are an empty text, which says nothing; where one matters the words tell it.
    shown = Parameter(show_default=False)
    errors = Terminal(sys.stderr)
    app = App(name="journeyman", help=_HELP, version=_version, error_console=errors, default_parameter=shown)
    commands.register(app)
    return app


def call(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    if not all(_is_text(argument) for argument in arguments):
        tell("journeyman: an argument is not valid UTF-8: type it again, or set LANG to what the terminal uses")
        return 2
    try:
        build()(list(arguments), exit_on_error=False, print_error=False)
    except CommandFailed as error:
        tell(f"journeyman: {error}")
        return error.code
    except CycloptsError as error:
        words = [*(error.command_chain or ()), "--help"]
        tell(f"journeyman: {str(error).strip()}\n  how it is used: journeyman {' '.join(words)}")
        return 2
    except ValidationError as error:
        # What was typed makes no message to the gateway.
        first = error.errors()[0]
        tell(f"journeyman: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}")
        return 2
    except SettingsInvalid as error:
        tell(f"journeyman: {error}")
        return 2
    except StateUnusable as error:
        tell(f"journeyman: {error}\n  mend it with: {error.mend}")
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("journeyman: interrupted\n")
        return 130
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    return 0


def main() -> None:
    """Entry point of the installed program."""
    code = call(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    # A process that used the Temporal client can abort while the interpreter shuts down (temporalio/sdk-python issue
    # 300), so every command ends here, with its own code.
    os._exit(code)


def _is_text(argument: str) -> bool:
    """Bytes that are no UTF-8 come as lone surrogates, which no answer and no record could hold."""
    return not any("\ud800" <= character <= "\udfff" for character in argument)


def _version() -> str:
    return metadata.version("journeyman")
