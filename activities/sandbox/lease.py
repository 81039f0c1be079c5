"""The worker's lease as a supervisor sees it: without a worker in touch with Temporal, a run stands still, then ends.

Otherwise a host that is cut off would finish a run that was meanwhile started again elsewhere.
"""

import time
from pathlib import Path

from activities.sandbox.launch import Launch


class Lease:
    """The lease file's age, in seconds. A file that is not there never was renewed, and counts from now on.

    The age is counted on the monotonic clock from the last renewal that was seen: a machine that slept, or whose clock
    was set, must not take that for a silent worker.
    """

    def __init__(self, launch: Launch) -> None:
        self._file = Path(launch.lease)
        self._overdue_after, self._lapses_after = launch.lease_seconds, launch.lapse_seconds
        self._renewed: float | None = None
        self._age_when_seen = 0.0
        self._seen = time.monotonic()

    def age(self) -> float:
        try:
            renewed: float | None = self._file.stat().st_mtime
        except OSError:
            renewed = self._renewed
        if renewed is not None and renewed != self._renewed:
            self._renewed, self._seen = renewed, time.monotonic()
            self._age_when_seen = max(0.0, time.time() - renewed)
        return self._age_when_seen + time.monotonic() - self._seen

    def overdue(self) -> bool:
        """Whether the run must stand still until the lease is renewed."""
        return self.age() > self._overdue_after

    def lapsed(self) -> bool:
        """Whether the run is given up."""
        return self.age() > self._lapses_after

    def explanation(self) -> str:
        return f"The worker on this host has not been in touch for {self.age():.0f} seconds; the limit is " + (
            f"{self._lapses_after:g}."
        )
