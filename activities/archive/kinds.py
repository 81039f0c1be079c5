"""What kinds of artefacts there are, and which of them a record refers to."""

from collections.abc import Iterator
from enum import StrEnum

from pydantic import ValidationError

from activities.archive.contract import ChainEntry
from workflows.models.artifact import ArtifactRef


class Kind(StrEnum):
    """A kind of artefact, each with a lifetime of its own."""

    TRANSCRIPT = "transcript"
    """What an agent said and did, as events."""
    LOG = "log"
    """What agents and checks printed, as it came."""
    CHECKPOINT = "checkpoint"
    """How far a run had come: work tree, conversation, handover."""
    TRACE = "trace"
    """What took how long; not an artefact by hash but batches of spans."""
    REQUEST = "request"
    """Every request that a run made at its way out."""
    CONTEXT = "context"
    """What an agent was told before it started, and the manifest of that."""
    PATCH = "patch"
    EVIDENCE = "evidence"


_BY_NAME = {
    "transcript.jsonl": Kind.TRANSCRIPT,
    "output.log": Kind.LOG,
    "session.tar": Kind.CHECKPOINT,
    "handover.md": Kind.CHECKPOINT,
    "egress.jsonl": Kind.REQUEST,
    "prompt.md": Kind.CONTEXT,
    "manifest.json": Kind.CONTEXT,
    "patch.bundle": Kind.PATCH,
    "patch.diff": Kind.PATCH,
    "evidence.json": Kind.EVIDENCE,
    "feedback.txt": Kind.EVIDENCE,
    "tests.json": Kind.EVIDENCE,
}


def kind_of(name: str, entry_kind: str = "") -> Kind | None:
    """By what whoever stored it called it, and by the entry that refers to it; None is kept for ever."""
    if entry_kind == "checkpoint":
        return Kind.CHECKPOINT
    if name.endswith("-output.txt"):
        return Kind.LOG
    return _BY_NAME.get(name)


def references_of(entry: ChainEntry) -> Iterator[tuple[Kind | None, ArtifactRef]]:
    """Every artefact that an entry refers to, wherever in it; one may come more than once."""
    for ref in (*entry.artifacts, *references_in(entry.data)):
        yield kind_of(ref.name, entry.kind), ref


def references_in(value: object) -> Iterator[ArtifactRef]:
    """Every reference in a JSON value."""
    if isinstance(value, dict):
        if "sha256" in value and "size" in value:
            try:
                yield ArtifactRef.model_validate(value)
                return
            except ValidationError:
                pass
        for inner in value.values():
            yield from references_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from references_in(inner)
