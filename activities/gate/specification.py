"""Whether a task says what is wanted: before an agent is paid, and again before policy merges what it did. Pure."""

import re

from activities.evaluation import paths
from activities.gate.facts import GateFacts
from workflows.models.task import Task

_WORD = re.compile(r"\w[\w'-]*")
_CONCRETE = re.compile(r"[`\"“”]|\w[/\\.:]\w|\w_\w|\w\(|[a-z][A-Z]|\d|#\d|--\w|[A-Z][A-Z0-9]{2,}")
"""Something one can look for: a name in code, a path, a number, a quotation."""
_SAYS_NOTHING = frozenset(
    _WORD.findall(
        """
        a an and any app application better bit bug bugs can clean cleanup code codebase cool could do does doesn't
        doing everything fast faster fix fixed fixes fixing for good great handle help how improve improved
        improvement improvements in is issue issues it it's its just let lets like look make makes mend more my nice
        nicer of on our please performance problem problems project quality refactor repo repository some something
        somehow stuff that the them there these thing things this to up update upgrade use very was we what when
        which with work working works would you your
        """
    )
)
_ENOUGH_WORDS = 2
"""That say something, beside those above."""


def question(task: Task) -> str:
    """What to ask back about a vague goal, or an empty string."""
    if task.acceptance or task.scope or _CONCRETE.search(task.goal):
        return ""
    telling = {word for word in (found.lower() for found in _WORD.findall(task.goal)) if word not in _SAYS_NOTHING}
    if len(telling) >= _ENOUGH_WORDS:
        return ""
    return (
        "the goal does not say what should be different afterwards, and no agent was started yet. Say where it shows, "
        "what should happen instead and how one would notice, and let it go on with that; let it go on as it is; or "
        "discard it"
    )


def gaps(facts: GateFacts) -> tuple[str, ...]:
    """What a task lacks to be merged by policy: a person would have to judge what was meant."""
    found = []
    if question(facts.task):
        found.append("the goal is vague")
    if not facts.task.acceptance:
        found.append("no acceptance criteria are stated")
    if not (facts.task.scope or facts.policy.task_type_scope):
        found.append("no scope is stated for it or for its task type")
    only_documents = bool(facts.paths) and all(paths.matches(path, paths.DOCS) for path in facts.paths)
    if not facts.turned and not (facts.task.task_type == "docs" and only_documents):
        found.append("no test failed before the patch and passes with it, so nothing shows that it does what was asked")
    return tuple(found)
