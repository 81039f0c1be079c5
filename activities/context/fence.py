"""Fences around text that others wrote, which the text itself can't close."""

import hashlib


def fenced(text: str, label: str) -> str:
    """The text between two lines that it can't contain, since they are made from its hash. The text is not changed."""
    mark = hashlib.sha256(f"{label}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
    while mark in text:
        mark = hashlib.sha256(mark.encode()).hexdigest()[:24]
    return f"<<<<< {label} {mark}\n{text}\n>>>>> {label} {mark}\n"
