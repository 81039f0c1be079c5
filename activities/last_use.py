"""When something on disk was used last: a mark beside it, whose time of change says so."""

from pathlib import Path


def mark_used(thing: Path) -> None:
    """It is used now. The thing itself has to be there."""
    _mark(thing).touch()


def last_used(thing: Path) -> float:
    """Seconds since the epoch. Without a mark, as of a version that made none, it counts from now on."""
    mark = _mark(thing)
    if not mark.exists():
        mark.touch()
    return mark.stat().st_mtime


def forget_use(thing: Path) -> None:
    """Remove the mark of what is gone."""
    _mark(thing).unlink(missing_ok=True)


def _mark(thing: Path) -> Path:
    return thing.with_name(f"{thing.name}.used")
