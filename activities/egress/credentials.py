"""A provider's key, from where the platform's owner keeps it. No message here ever holds one."""

import os
import subprocess
from pathlib import Path

from activities.egress.places import GatewayError
from activities.policy.agent_tables import KeySource

COMMAND_SECONDS = 15.0
"""How long a command may take to print a key."""
_LONGEST_KEY = 16 * 1024


class CredentialError(GatewayError):
    """A key can't be had; the message says from where, why, and what to do."""


class KeyNotSet(CredentialError):
    """A key that this process could have only from its own environment, which does not change while it lives."""


def read_key(name: str, source: KeySource) -> str:
    """The key of a provider as its source gives it now. Raises CredentialError."""
    if source.environment:
        found = os.environ.get(source.environment)
        if found is None:
            raise KeyNotSet(
                f"no key for {name}: the worker's environment has no variable {source.environment}; set it and "
                "start the worker again"
            )
        where = f"the environment variable {source.environment}"
    elif source.file is not None:
        found, where = _from_file(name, source.file), f"the file {source.file}"
    else:
        found, where = _from_command(name, source.command), f"what the command {source.command[0]} prints"
    key = found.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key or len(key) > _LONGEST_KEY:
        raise CredentialError(f"no key for {name}: {where} is empty or holds more than one word of printable ASCII")
    return key


def _from_file(name: str, path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CredentialError(f"no key for {name}: the file {path} can't be read: {reason}") from None


def _from_command(name: str, command: tuple[str, ...]) -> str:
    # Of its output nothing is repeated, not even on failure: it may hold the key.
    failed = f"no key for {name}: the command {command[0]}"
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
        if ended.returncode:
            raise CredentialError(f"{failed} ended with status {ended.returncode}; run it by hand to see why")
        return ended.stdout.decode()
    except subprocess.TimeoutExpired:
        raise CredentialError(f"{failed} printed none within {COMMAND_SECONDS:.0f} s") from None
    except UnicodeDecodeError:
        raise CredentialError(f"{failed} printed what is no text") from None
    except OSError as error:
        raise CredentialError(f"{failed} can't be started: {error.strerror}") from None
