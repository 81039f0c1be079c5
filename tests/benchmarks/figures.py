"""Figures as they are measured: medians, told as ratios to a baseline of the same run wherever time is in them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    name: str
    """Key in the line of JSON."""
    value: float | None
    """None where it could not be measured; `detail` says why."""
    unit: str = ""
    goal: float | None = None
    better: Literal["less", "more"] = "less"
    detail: str = ""
    """What it was measured against, and how often."""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none, or no value."""
        if self.goal is None or self.value is None:
            return None
        return self.value <= self.goal if self.better == "less" else self.value >= self.goal


def median(values: Sequence[float]) -> float:
    """The middle, rounded to what is worth printing."""
    return round(statistics.median(values), 4)


def percentile(values: Sequence[float], of_hundred: float) -> float:
    """Nearest rank, so that the value is one that was measured."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * of_hundred / 100))], 4)


def spread(values: Sequence[float]) -> str:
    """Least and most, to judge the noise by."""
    return f"{len(values)} runs, {min(values):.3f} to {max(values):.3f}"
