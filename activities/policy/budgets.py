"""What agents may use of model providers: the `[budget]` table of all three files, and what holds of them together."""

from pydantic import Field

from activities.policy.document import Document
from workflows.models.usage import ANSWER_SECONDS, USD, Budget

TASK_USD = 10.0
"""What one task may use where nobody states anything: more than a good run needs, little enough to lose."""


class BudgetTable(Document):
    """Caps in US dollars, tokens, requests and bytes, as the gateway counts them. Reaching one pauses the run."""

    task_usd: float | None = Field(default=None, ge=0)
    """Of one task, all its runs together; 10 if no file states it."""
    task_most_usd: float | None = Field(default=None, ge=0)
    """What answers may raise one task's cap to."""
    task_tokens: int | None = Field(default=None, gt=0)
    """Of prompts and of answers together."""
    task_requests: int | None = Field(default=None, gt=0)
    """To model providers."""
    task_bytes: int | None = Field(default=None, gt=0)
    """To and from model providers."""
    requester_day_usd: float | None = Field(default=None, ge=0)
    """Of all tasks that one person asked for, on one UTC day, in one team."""
    team_day_usd: float | None = Field(default=None, ge=0)
    """Of all tasks of one team, on one UTC day."""
    answer_seconds: float | None = Field(default=None, gt=0)
    """How long a question waits; 4 hours if no file states it. A run that stands still holds its place that long."""


_DEFAULTS = BudgetTable(task_usd=TASK_USD, answer_seconds=ANSWER_SECONDS)


def combined_budget(
    platform: BudgetTable, security: BudgetTable, team_table: BudgetTable, *, spenders: tuple[str, ...], team: str
) -> Budget:
    """The smallest of each that any owner states; where the platform's states nothing, its default counts."""
    tables = (_with_defaults(platform), security, team_table)
    return Budget(
        task_micro_usd=_micro(_smallest("task_usd", tables)),
        task_most_micro_usd=_micro(_smallest("task_most_usd", tables)),
        task_tokens=_whole(_smallest("task_tokens", tables)),
        task_requests=_whole(_smallest("task_requests", tables)),
        task_bytes=_whole(_smallest("task_bytes", tables)),
        requester_day_micro_usd=_micro(_smallest("requester_day_usd", tables)),
        team_day_micro_usd=_micro(_smallest("team_day_usd", tables)),
        answer_seconds=answer_seconds(platform, security, team_table),
        spenders=spenders,
        team=team,
    )


def answer_seconds(platform: BudgetTable, security: BudgetTable, team_table: BudgetTable) -> float:
    """How long a question waits."""
    return _smallest("answer_seconds", (_with_defaults(platform), security, team_table)) or ANSWER_SECONDS


def _with_defaults(platform: BudgetTable) -> BudgetTable:
    return _DEFAULTS.model_copy(update={name: value for name, value in platform if value is not None})


def _smallest(key: str, tables: tuple[BudgetTable, ...]) -> float | None:
    stated = [value for table in tables if (value := getattr(table, key)) is not None]
    return min(stated, default=None)


def _micro(usd: float | None) -> int | None:
    return None if usd is None else round(usd * USD)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
