"""What becomes of one ref, by a push or by the REST API."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RefChange:
    """One ref, before and after; None is not there."""

    ref: str
    before: str | None
    after: str | None

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None


def changes(before: dict[str, str], after: dict[str, str]) -> list[RefChange]:
    """What differs between two listings of refs."""
    return [
        RefChange(ref, before.get(ref), after.get(ref))
        for ref in sorted(before.keys() | after.keys())
        if before.get(ref) != after.get(ref)
    ]
