"""A person's names and words, and how they are taken out of JSON and looked for in bytes.

Where a value stands says what may become of it: who somebody is, is replaced; free text has names and words taken out;
addresses, paths, hashes and keys of intents are what everything else is found by, and stay.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping

from workflows.models.base import Model

FORGOTTEN = "[forgotten on request]"
"""In the place of what a person wrote."""
_FREE_TEXT = frozenset(
    {"goal", "acceptance", "link", "message", "detail", "summary", "why", "title", "body", "text", "reason"}
    | {"reviewers", "egress_allowed", "enduser.id", "told", "approved_by", "persons", "pushed_by"}
)
_DISTINCTIVE = 8
"""Characters from which on a text is looked for inside others: a shorter one, such as "ok", is in any."""


class Words(Model):
    """Somebody's, and what stands in their place."""

    person: str
    alias: str
    names: tuple[str, ...] = ()
    """Id, display names and accounts."""
    texts: tuple[str, ...] = ()
    """What they wrote: goals, criteria, comments."""


def is_person(value: object) -> bool:
    """Whether a JSON value is a models.person.Person."""
    return isinstance(value, Mapping) and value.keys() == {"id", "account", "name"}


def people_in(value: object) -> Iterator[Mapping[str, str]]:
    """Every person in a JSON value."""
    if isinstance(value, Mapping):
        if is_person(value):
            yield value
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from people_in(inner)


def taken_out(value: object, words: Words, key: str = "") -> object:
    """The same JSON value without them."""
    if isinstance(value, Mapping):
        if is_person(value) and value["id"] == words.person:
            return {"id": words.alias, "account": "", "name": words.alias}
        return {name: taken_out(inner, words, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [taken_out(inner, words, key) for inner in value]
    if isinstance(value, str) and key in _FREE_TEXT:
        return without(value, words)
    return value


def without(text: str, words: Words) -> str:
    """A free text without their words and names."""
    if text in words.texts:
        return FORGOTTEN
    # What is taken out changes what stands beside it: until nothing is left to take out.
    while (left := _once_without(text, words)) != text:
        text = left
    return text


def _once_without(text: str, words: Words) -> str:
    done = re.compile(f"({re.escape(FORGOTTEN)}|{re.escape(words.alias)})")
    for said in sorted(words.texts, key=len, reverse=True):
        told = "" if len(said) >= _DISTINCTIVE else f"{words.person}: "
        text = _outside(done, text, re.compile(re.escape(f"{told}{said}")), f"{told}{FORGOTTEN}")
    for name in sorted(words.names, key=len, reverse=True):
        text = _outside(done, text, _as_word(name), words.alias)
    return text


def _outside(done: re.Pattern[str], text: str, found: re.Pattern[str], instead: str) -> str:
    """What was put there already is left alone, whatever somebody wrote or is called: twice is the same as once."""
    parts = done.split(text)
    return "".join(part if n % 2 else found.sub(lambda _: instead, part) for n, part in enumerate(parts))


def mentions(words: Words) -> Callable[[bytes], bool]:
    """Whether bytes have what they wrote, or a name that is nobody else's; raw or inside JSON.

    A plain name is not looked for: `root` or `ada` is a word of its own in what programs print.
    """
    telling = [said for said in words.texts if len(said) >= _DISTINCTIVE]
    telling += [name for name in words.names if len(name) >= _DISTINCTIVE and (" " in name or "@" in name)]
    forms = {
        form for said in telling for form in (said, json.dumps(said)[1:-1], json.dumps(said, ensure_ascii=False)[1:-1])
    }
    needles = [form.encode("utf-8", "surrogatepass") for form in forms]
    return lambda data: any(needle in data for needle in needles)


def _as_word(name: str) -> re.Pattern[str]:
    # Not within a path, an address or a longer name.
    return re.compile(rf"(?<![\w./@-]){re.escape(name)}(?![\w/@-]|\.\w)")
