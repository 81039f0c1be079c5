"""What runs may use of model providers, and what they have used, as the gateway counts it."""

from pydantic import Field

from workflows.models.base import Model

USD = 1_000_000
"""Micro-dollars in a dollar: money is counted in whole micro-dollars, never in fractions."""
ANSWER_SECONDS = 4 * 3600.0
"""How long a question waits where no owner states it."""


class Allowance(Model):
    """What a sandbox may use of its brokered services in all; None sets no limit. Beyond it, requests are held."""

    micro_usd: int | None = None
    tokens: int | None = None
    requests: int | None = None
    bytes: int | None = None


class Metered(Model):
    """What a sandbox has used of its brokered services, as the gateway counted it."""

    requests: int = 0
    input_tokens: int = 0
    """Without what was read from a cache."""
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    bytes: int = 0
    """Of bodies, both ways, as they came."""
    micro_usd: int = 0
    estimated: bool = False
    """Whether some of it was counted at the dearest price, or from bytes, because the answer did not say."""
    price_version: str = ""
    held: str = ""
    """Which limit holds requests back, such as `micro_usd`: one was held and the allowance still is used up. It stays
    so while a client that gave up waits to try again. Empty if none does."""

    @property
    def tokens(self) -> int:
        """All kinds together."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def plus(self, other: "Metered") -> "Metered":
        """Both together."""
        return Metered(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            bytes=self.bytes + other.bytes,
            micro_usd=self.micro_usd + other.micro_usd,
            estimated=self.estimated or other.estimated,
            price_version=other.price_version or self.price_version,
        )


class Budget(Model):
    """What one task, one requester and one team may use; None sets no cap. Days are UTC days."""

    task_micro_usd: int | None = Field(default=None, ge=0)
    task_tokens: int | None = Field(default=None, ge=0)
    task_requests: int | None = Field(default=None, ge=0)
    task_bytes: int | None = Field(default=None, ge=0)
    task_most_micro_usd: int | None = Field(default=None, ge=0)
    """The most that a task's cap may be raised to by answers."""
    requester_day_micro_usd: int | None = Field(default=None, ge=0)
    team_day_micro_usd: int | None = Field(default=None, ge=0)
    answer_seconds: float = Field(default=ANSWER_SECONDS, gt=0)
    """How long a question about a limit waits before the work is kept and the task ends."""
    spenders: tuple[str, ...] = ()
    """Ids of persons who may let a day's cap be exceeded; empty means anybody but the requester."""
    team: str = ""
    """Whose day counts: what team.toml says, else the repository's name."""

    @property
    def counts_days(self) -> bool:
        """Whether any cap is shared between tasks."""
        return self.requester_day_micro_usd is not None or self.team_day_micro_usd is not None


class Reserve(Model):
    """Reserve money for one run on a team's day: in all, not in addition. Asking the same again changes nothing."""

    run_id: str
    team: str
    requester: str
    micro_usd: int | None = None
    """In all; None asks for whatever the day's caps leave."""
    requester_day_micro_usd: int | None = None
    team_day_micro_usd: int | None = None
    extra_micro_usd: int = 0
    """What authorised persons let this task use beyond the day's caps."""


class Reserved(Model):
    """What a run may use now."""

    micro_usd: int | None = None
    """In all; None means that nothing limits it."""
    bound_by: str = ""
    """`requester-day` or `team-day`, if that gave less than was asked for."""


class Settle(Model):
    """A run is over: what it really used counts, the rest of its reservation is free again."""

    run_id: str
    team: str
    micro_usd: int


class Reservation(Model):
    """What one run was promised, or has used if it is over."""

    day: str
    requester: str
    micro_usd: int
    open: bool = True


class TeamDays(Model):
    """Everything the entity carries through continue-as-new."""

    team: str = ""
    reservations: dict[str, Reservation] = {}


def team_budget_workflow_id(team: str) -> str:
    """The Temporal workflow id of a team's budget."""
    return f"budget/{team}"
