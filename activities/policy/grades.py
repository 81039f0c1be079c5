"""Whether a host enforces its limits as strongly as a policy asks."""

from collections.abc import Mapping

from workflows.models.limits import Grade, LimitGrades

_ORDER = (Grade.NONE, Grade.WATCHED, Grade.KERNEL)


def strongest(one: Grade, other: Grade) -> Grade:
    """The stronger of two grades."""
    return max(one, other, key=_ORDER.index)


def unmet(required: Mapping[str, str], grades: LimitGrades) -> tuple[str, ...]:
    """One sentence for each limit that the host holds less strongly than is required; empty if it may run the task."""
    return tuple(
        f"{name} must be enforced by grade {least!r}, and this host has {getattr(grades, name).value!r}"
        for name, least in sorted(required.items())
        if _ORDER.index(getattr(grades, name)) < _ORDER.index(Grade(least))
    )
