"""Whether security's file is what its owner signed, where an owner's key is known to this installation.

The signature stands beside the file, with the text that was signed, so that a change is named by its line. Without a
key of an owner nothing is asked: on one machine for one person, whoever can write the file is its owner.
"""

import difflib
import json
from pathlib import Path

from pydantic import ValidationError

from activities.decisions.keys import SigningKey, TrustedKeys, Untrusted
from workflows.models.base import Model
from workflows.models.policy import PolicyRefusal

OWNER = "security-owner"
"""The role whose keys count: `security-owners/*.pub` in the installation's directory of keys."""
_PREFIX = b"journeyman security policy\n"
"""Before what is signed, so that no signature over something else counts for it."""
_MOST_SHOWN = 120


class OwnerSignature(Model):
    """What an owner signed, and how it is known."""

    text: str
    """The whole file."""
    key_id: str
    signature: str
    """Base64."""


def signature_file(path: Path) -> Path:
    """Where the signature of a file is."""
    return path.with_name(f"{path.name}.sig")


def sign(path: Path, key: SigningKey) -> Path:
    """Sign a file as it is now; returns where the signature is. Raises OSError and UnicodeDecodeError."""
    text = path.read_bytes().decode()
    signed = OwnerSignature(text=text, key_id=key.key_id, signature=key.sign(_PREFIX + text.encode()))
    place = signature_file(path)
    draft = place.with_name(f".{place.name}.draft")
    draft.write_text(json.dumps(signed.model_dump(), indent=1) + "\n")
    draft.chmod(0o644)
    draft.replace(place)
    return place


class OwnersSignatures:
    """Refuses a file that no owner signed as it is."""

    def __init__(self, owners: TrustedKeys) -> None:
        self._owners = owners

    def refuse_missing(self, path: Path) -> None:
        """Raises PolicyRefusal for a file that is not there although its owner is known: its rules would be gone."""
        if self._owners.any() and not path.exists():
            raise PolicyRefusal(
                f"{path}: is not there, and a security owner is known here: put it back, with {signature_file(path)}"
            )

    def refuse_unsigned(self, path: Path, data: bytes) -> None:
        """Raises PolicyRefusal, which names the line that differs. Nothing is asked where no owner's key is known."""
        if not self._owners.any():
            return
        place = signature_file(path)
        how = f"have its owner look at it and sign it: journeyman sign {path} --keys DIRECTORY"
        try:
            signed = OwnerSignature.model_validate_json(place.read_bytes())
            self._owners.verify(signed.key_id, signed.signature, _PREFIX + signed.text.encode())
        except FileNotFoundError as error:
            raise PolicyRefusal(f"{path}: is not signed by an owner (there is no {place}); {how}") from error
        except (ValidationError, OSError) as error:
            raise PolicyRefusal(f"{place}: can't be read as a signature; {how}") from error
        except Untrusted as error:
            raise PolicyRefusal(f"{place}: is no signature of a known owner ({error}); {how}") from error
        text = data.decode(errors="replace")
        if text != signed.text:
            raise PolicyRefusal(f"{path}: {_first_change(signed.text, text)}, which its owner did not sign; {how}")


def _first_change(before: str, after: str) -> str:
    """Where two texts begin to differ, for people."""
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if kind == "delete":
            return f"line {new_from + 1} lacks {_shown(old[old_from:old_to])}"
        if kind != "equal":
            return f"line {new_from + 1} says {_shown(new[new_from:new_to])}"
    return "its line ends differ"


def _shown(lines: list[str]) -> str:
    first = " ".join("".join(c if c.isprintable() else " " for c in lines[0]).split())[:_MOST_SHOWN]
    return f"`{first}`" + (f" and {len(lines) - 1} lines more" if len(lines) > 1 else "")
