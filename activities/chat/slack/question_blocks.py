"""A question that a task waits with, as one message of its own: what can be answered, until when, and who answered."""

from collections.abc import Iterator

from slack_sdk.models.blocks import ButtonElement, ConfirmObject, PlainTextObject

from activities.chat.slack.button import Button, answer_id
from activities.chat.slack.formatting import code, shown, usd, when
from activities.chat.slack.message import Message, aside, buttons, header, said, unformatted
from workflows.models.decision import Decision
from workflows.models.question import Choice, Question, QuestionKind

_MOST_TEXT = 2400
MOST_KEPT = 300
"""Characters of a question that are shown once it is not asked any more."""
_ABOUT = {
    QuestionKind.BUDGET: "The budget is used up",
    QuestionKind.UNFINISHED: "The agent is not done",
    QuestionKind.HANG: "The agent hung",
    QuestionKind.LIMIT: "A run came to its limit",
    QuestionKind.EGRESS: "The agent was refused a host",
    QuestionKind.SPECIFICATION: "What exactly is asked for?",
    QuestionKind.PACKAGES: "The patch brings new packages",
}
_SAYS = {
    Choice.CONTINUE: "Continue",
    Choice.PROPOSE: "Propose what there is",
    Choice.DISCARD: "Discard",
    Choice.ALLOW_ONCE: "Allow once",
    Choice.ALLOW_REPOSITORY: "Allow for the repository",
    Choice.REFUSE: "Refuse",
}
_MEANS = {
    Choice.DISCARD: "The task ends. What there is stays in the archive.",
    Choice.ALLOW_REPOSITORY: "Every task of this repository may reach the hosts from now on.",
}
"""What is asked about once more."""
_UNANSWERED = {
    QuestionKind.EGRESS: "the hosts stay refused, and the run goes on",
    QuestionKind.PACKAGES: "the packages stay out, and the patch is judged without them",
}
_KEPT = "the work is kept, and nothing is proposed"


def question_message(task: str, question: Question) -> Message:
    """Asked, and open."""
    about = _ABOUT[question.kind]
    text = f"{about} (task {code(task)}): {code(question.text, 300)}"
    blocks = [header(about), unformatted(shown(question.text, _MOST_TEXT))]
    if question.hosts or question.packages:
        named = [code(each, 150) for each in (*question.hosts, *question.packages)[:10]]
        more = len(question.hosts) + len(question.packages) - len(named)
        blocks.append(said(", ".join(named) + (f" and {more} more" if more > 0 else "")))
    if question.kind is QuestionKind.SPECIFICATION:
        blocks.append(said("*Reply in this thread* with what was left unsaid, and the agent begins with that."))
    unanswered = _UNANSWERED.get(question.kind, _KEPT)
    blocks.append(aside(f"Waits until {when(question.expires_at)}; unanswered, {unanswered} · task {code(task)}"))
    return Message(text, (*blocks, *buttons(list(_answers(task, question)))))


def closed_question(task: str, kind: str, words: str, answer: Decision | None) -> Message:
    """Not asked any more. `kind`, `words`: as they were kept, or were found in the message itself."""
    known = QuestionKind(kind) if kind in set(QuestionKind) else None
    about = _ABOUT[known] if known is not None else "A question"
    if answer is not None:
        came = f"{_SAYS[answer.choice]}: " if answer.choice is not None else ""
        more = f", with {usd(answer.more_micro_usd)} more" if answer.more_micro_usd else ""
        said_too = f"\n{code(answer.message, 400)}" if answer.message.strip() else ""
        told = f"*{came}*answered by {code(answer.person.id, 80)} {when(answer.decided_at)}{more}{said_too}"
        brief = f"answered by {code(answer.person.id, 80)}"
    else:
        unanswered = _UNANSWERED.get(known, _KEPT) if known is not None else _KEPT
        told = f"*Not answered in time*: {unanswered}, unless the task was ended before"
        brief = "not answered"
    blocks = [header(about), *((unformatted(shown(words, MOST_KEPT)),) if words else ()), said(told)]
    return Message(f"{about} (task {code(task)}): {brief}", (*blocks, aside(f"task {code(task)}")))


def _answers(task: str, question: Question) -> Iterator[ButtonElement]:
    value = Button(task=task, question=question.id).dump()
    for choice in question.choices:
        label = _label(choice, question)
        yield ButtonElement(
            text=PlainTextObject(text=label, emoji=False),
            action_id=answer_id(choice),
            value=value,
            style="danger" if choice is Choice.DISCARD else None,
            confirm=_asks(choice),
            accessibility_label=f"{label}: task {task}"[:75],
        )


def _label(choice: Choice, question: Question) -> str:
    if choice is not Choice.CONTINUE:
        return _SAYS[choice]
    if question.kind is QuestionKind.SPECIFICATION:
        return "Begin as it is"
    if question.kind is QuestionKind.BUDGET and question.suggested_micro_usd:
        return f"Continue with {usd(question.suggested_micro_usd)} more"
    return _SAYS[choice]


def _asks(choice: Choice) -> ConfirmObject | None:
    if choice not in _MEANS:
        return None
    return ConfirmObject(
        title=_SAYS[choice],
        text=PlainTextObject(text=_MEANS[choice], emoji=False),
        confirm="Yes",
        deny="No",
    )
