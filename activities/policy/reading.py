"""Reading a policy file: what is wrong with it is said with its name, its line or key, and the nearest right key."""

import difflib
import functools
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError

from activities.policy.document import Document
from activities.policy.documents import PlatformPolicy, SecurityPolicy, TeamPolicy
from activities.policy.lines import line_of
from workflows.models.policy import PolicyRefusal

MAX_BYTES = 256 * 1024
"""No policy file written by a person is larger; the team's comes from a repository that anybody may have written."""
TEAM_FILE = ".journeyman/team.toml"

Read = TypeVar("Read", bound=Document)
_PLACE = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)")


def read_team(data: bytes | None, name: str = TEAM_FILE) -> TeamPolicy | None:
    """The team's file as its bytes on the base commit, None if base has none. Raises PolicyRefusal."""
    return None if data is None else read_document(TeamPolicy, data, name)


Check = Callable[[Path, bytes], None]


def _nothing(path: Path, data: bytes) -> None:
    """Where nothing but the file itself is asked for."""


def read_platform(path: Path) -> PlatformPolicy:
    """The platform's file; defaults if it does not exist. Raises PolicyRefusal."""
    return _read_file(PlatformPolicy, path)


def read_security(path: Path, check: Check = _nothing) -> SecurityPolicy:
    """The security owner's file; no ceilings if it does not exist. Raises PolicyRefusal.

    `check` is given exactly the bytes that are read, and may refuse them.
    """
    return _read_file(SecurityPolicy, path, check)


def _read_file(document: type[Read], path: Path, check: Check = _nothing) -> Read:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return document()
    except OSError as error:
        # Not readable is not the same as not there: the rules in it would be silently dropped.
        raise PolicyRefusal(
            f"{path}: can't be read ({error.strerror}); mend its permissions or move it away"
        ) from error
    check(path, data)
    return read_document(document, data, str(path))


def read_document(document: type[Read], data: bytes, name: str) -> Read:
    """Parse and validate one file; `name` is what messages call it. Raises PolicyRefusal."""
    return cast("Read", _parsed(document, data, name))


@functools.lru_cache(maxsize=32)
def _parsed(document: type[Document], data: bytes, name: str) -> Document:
    # Files are read again for every decision, and what they say is the same nearly always.
    if len(data) > MAX_BYTES:
        raise PolicyRefusal(f"{name}: is {len(data)} bytes long; at most {MAX_BYTES} are read, so shorten it")
    try:
        content = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PolicyRefusal(f"{name}, line {line}: is not UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise PolicyRefusal(f"{name}, {_syntax(str(error), data)}") from error
    except RecursionError as error:
        raise PolicyRefusal(f"{name}: is nested too deeply to be read; flatten it") from error
    try:
        return document.model_validate(content)
    except ValidationError as error:
        text = data.decode()
        problems = [_located(document, dict(found), text) for found in error.errors(include_url=False)[:10]]
        raise PolicyRefusal(f"{name}: " + "; ".join(problems)) from error


def _syntax(message: str, data: bytes) -> str:
    place = _PLACE.search(message)
    line = place.group(1) if place and place.group(1) else str(data.count(b"\n") + 1)
    return f"line {line}: {_PLACE.sub('', message).strip()}"


def _located(document: type[BaseModel], found: dict[str, Any], text: str) -> str:
    line = line_of(text, _dotted(tuple(found["loc"])))
    return f"line {line}: {_problem(document, found)}" if line else _problem(document, found)


def _problem(document: type[BaseModel], found: dict[str, Any]) -> str:
    location = tuple(found["loc"])
    key = _dotted(location)
    if found["type"] == "extra_forbidden":
        known = _keys_at(document, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        advice = f"did you mean `{near[0]}`?" if near else "known keys here: " + ", ".join(f"`{one}`" for one in known)
        return f"`{key}` is not a key of this file; {advice}"
    message = str(found["msg"]).removeprefix("Value error, ")
    return f"`{key}`: {message}" if key else message


def _dotted(location: tuple[str | int, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _keys_at(document: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """The keys of the table that a validation error's location leads to."""
    model: type[BaseModel] | None = document
    annotation: Any = document
    for part in location:
        if isinstance(part, str) and model is not None and part in model.model_fields:
            annotation = model.model_fields[part].annotation
        model = _model_in(annotation)
    return sorted(model.model_fields) if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `dict[str, Model]` or `tuple[Model, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        if found := _model_in(inner):
            return found
    return None
