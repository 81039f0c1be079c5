"""What a protected branch demands, in GitHub's words, and of whom it demands nothing."""

from dataclasses import dataclass, field


@dataclass
class Protection:
    """One branch's rules. Nothing is demanded of apps that may bypass them."""

    checks: dict[str, int | None] = field(default_factory=dict)
    """Required check runs or statuses: name to the id of the app that must have written it, or None for any."""
    strict: bool = False
    """Whether the head must contain the base's newest commit. It takes effect with required checks only."""
    approvals: int = 0
    dismiss_stale: bool = False
    """Whether a push takes approvals back."""
    last_push_approval: bool = False
    """Whether somebody other than who pushed last must approve."""
    pull_request: bool = True
    """Whether changes must come by a pull request."""
    linear: bool = False
    queue: bool = False
    """Whether pull requests merge through a merge queue."""
    force_pushes: bool = False
    deletions: bool = False
    ruleset: bool = False
    """Whether the rules come from a ruleset, whose refusals are worded in another way."""
    bypass: set[str] = field(default_factory=set)
    """Slugs of apps, and logins, that the rules don't bind."""
