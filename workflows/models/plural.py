"""Counts in words."""


def plural(count: int, one: str) -> str:
    """`1 file`, `2 files`, `2 watches`, `2 sandboxes`."""
    ending = "es" if one.endswith(("ch", "sh", "s", "x")) else "s"
    return f"{count} {one}" if count == 1 else f"{count} {one}{ending}"
