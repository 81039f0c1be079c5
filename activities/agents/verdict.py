"""What an agent's run came to: judged by its result event and its denials, never by the exit code alone.

Command lines exit with 0 after a permission was denied, call a failure a success, and stop without a word when the
model refuses. So a run that does not clearly say that it ended well has not.
"""

import re
from collections.abc import Sequence

from activities.agents.adapter import Verdict
from workflows.models.run import RunEnd
from workflows.models.transcript import EventKind, TranscriptEvent

SUMMARY_CHARS = 8_000
_SAID_CHARS = 500
_TOOLS_NAMED = 5
ENDS = {
    RunEnd.DEADLINE: "it did not end in time",
    RunEnd.MEMORY: "it used more memory than it may",
    RunEnd.PROCESSES: "it started more processes than it may",
    RunEnd.DISK: "it wrote more to disk than it may",
    RunEnd.OUTPUT: "it wrote more output than it may",
    RunEnd.STOPPED: "it was stopped",
    RunEnd.TOOL_CALLS: "it made as many tool calls as one run may",
    RunEnd.BUDGET: "it was ended at a cap of its budget",
    RunEnd.PAUSED: "it stands still at a cap of its budget",
    RunEnd.LEASE_LAPSED: "its host lost touch for too long",
    RunEnd.NOT_STARTED: "its sandbox could not be made",
    RunEnd.HUNG: "it hung",
    RunEnd.LOST: "its supervisor died",
}
"""What an end is in words, after the agent's name."""
_ADVICE = {
    r"\b429\b|rate.?limit|too many requests": "the provider's rate limit was reached; wait, or ask it for a higher one",
    r"\b529\b|overloaded": "the provider is overloaded; ask again later",
    r"\b40[13]\b|authentication|unauthorized|invalid.{0,20}key": "the request was refused; check the provider's `key` "
    "in journeyman.toml and the run's record of requests",
    r"\b404\b|model.{0,40}not.{0,10}(found|exist)": "the provider does not know what was asked for; check the agent's "
    "`model` and the provider's `url`",
    r"refus(al|ed to)|usage policy|content.?filter": "the model refused the task; put it differently, or take another "
    "model",
    r"connect|network|unreachable|timed? ?out|\b50[0234]\b|socket": "the model could not be reached; check the "
    "provider's `url` and the run's record of requests",
    r"max.?turns": "it used up its turns; ask for less at once",
}
"""What command lines say, as far as it is known, and what to do about it; the first that fits."""


def summary_of(events: Sequence[TranscriptEvent]) -> str:
    """The agent's last words."""
    result = _last(events, EventKind.RESULT)
    message = _last(events, EventKind.MESSAGE)
    words = (result.text if result else "") or (message.text if message else "")
    return words[:SUMMARY_CHARS]


def unfinished(agent: str, events: Sequence[TranscriptEvent], end: RunEnd) -> Verdict | None:
    """The verdict on a run that did not end by itself; None if it did."""
    if end is RunEnd.EXITED:
        return None
    after = " after it had reported its result" if _last(events, EventKind.RESULT) else ""
    error = _last(events, EventKind.ERROR)
    said = f"; the last error: {error.text[:_SAID_CHARS]}{_advice(error.text)}" if error and not after else ""
    return Verdict(succeeded=False, detail=f"{agent}: {ENDS[end]}{after}{said}", summary=summary_of(events))


def judge_by_result(
    agent: str, events: Sequence[TranscriptEvent], exit_code: int | None, end: RunEnd, *, closing_words: bool = False
) -> Verdict:
    """The verdict on a command line that always writes a result event when it ends well.

    `closing_words`: whether it also fails without a message after its last tool call, since it shows a refusal so.
    """
    if verdict := unfinished(agent, events, end):
        return verdict
    summary = summary_of(events)

    def failed(detail: str) -> Verdict:
        return Verdict(succeeded=False, detail=f"{agent}: {detail}", summary=summary)

    result, error = _last(events, EventKind.RESULT), _last(events, EventKind.ERROR)
    if result is None:
        said = error or _last(events, EventKind.MESSAGE)
        words = f": {said.text[:_SAID_CHARS]}{_advice(said.text)}" if said else ""
        return failed(f"it ended without a result, with exit code {exit_code}{words}")
    if result.is_error:
        words = (result.text or (error.text if error else ""))[:_SAID_CHARS] or f"exit code {exit_code}"
        return failed(f"it reported a failure: {words}{_advice(words)}")
    denied = [event.tool or "a tool" for event in events if event.kind is EventKind.DENIAL]
    if denied:
        names = ", ".join(list(dict.fromkeys(denied))[:_TOOLS_NAMED])
        return failed(
            f"it was denied {len(denied)} tool calls ({names}) and ended all the same; its own settings, such as a "
            "permission list in the repository, must not deny what the task needs"
        )
    if closing_words and not _closed_with_words(events):
        return failed("it ended without a word after its last step: the model may have refused the task")
    odd = f"{agent} reported success, then exited with code {exit_code}" if exit_code else ""
    return Verdict(succeeded=True, detail=odd, summary=summary)


def _closed_with_words(events: Sequence[TranscriptEvent]) -> bool:
    for event in reversed(events):
        if event.kind in (EventKind.TOOL_CALL, EventKind.TOOL_RESULT):
            return False
        if event.kind is EventKind.MESSAGE and event.text and not event.session:
            return True
    return False


def _advice(words: str) -> str:
    found = next((advice for pattern, advice in _ADVICE.items() if re.search(pattern, words, re.IGNORECASE)), "")
    return f" ({found})" if found else ""


def _last(events: Sequence[TranscriptEvent], kind: EventKind) -> TranscriptEvent | None:
    return next((event for event in reversed(events) if event.kind is kind), None)
