"""Below a goal, what others said where it was asked for: quoted, the newest as far as there is room. Pure."""

from collections.abc import Sequence

from workflows.models.task import MAX_GOAL_CHARS

_NOTE = 100
"""Room for the line that says what is left out."""


def with_remarks(text: str, heading: str, remarks: Sequence[tuple[str, str]], *, of: str) -> str:
    """A goal with them, at most as long as one may be. `remarks`: who and what, the oldest first, cleaned already.

    `of`: what they are, such as `comments`.
    """
    kept: list[str] = []
    room = MAX_GOAL_CHARS - len(text) - len(heading) - _NOTE
    for who, said in reversed(remarks):
        told = f"\n\n{who}:\n" + "\n".join(f"> {line}" for line in said.splitlines())
        if len(told) > room:
            break
        kept.insert(0, told)
        room -= len(told)
    left_out = len(remarks) - len(kept)
    note = f"\n\n[{left_out} earlier {of} are left out]" if left_out else ""
    return text + heading + note + "".join(kept)
