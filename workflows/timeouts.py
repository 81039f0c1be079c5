"""Timeouts and retry policies, one per class of work."""

from datetime import timedelta

from temporalio.common import RetryPolicy

from workflows.models.policy import TaskPolicy

QUICK = timedelta(seconds=30)
"""Archive and signature work: milliseconds when all is well."""
FORGE = timedelta(minutes=5)
"""One outward action on a forge, with a clone over the network at worst."""
MERGE = timedelta(minutes=10)
"""For a merge with all its tries; then people are told what was in its way."""
REVERT = timedelta(minutes=2)
"""For a revert with all its tries, and for each of them: a slow forge may need most of it, and whoever asks for one has
no more time than this. A worker that dies is noticed by its heartbeat.
"""
OUTWARD = timedelta(minutes=1)
"""One try of a merge."""
PREPARE = timedelta(minutes=60)
"""Clone, check out and, on first use, build the environment layer."""
ROOM = (timedelta(seconds=5), timedelta(minutes=5))
"""First and longest pause before a place is asked for again, after a host had no room on its disk."""
HALT = (timedelta(seconds=2), timedelta(minutes=5))
"""First and longest pause before a step is asked for again that answered that its work is halted."""
SWEEP = timedelta(minutes=30)
"""With the wait for a host that is away."""
HEARTBEAT = timedelta(seconds=30)
"""For every step that may take longer: a worker that died, or a step that never reached one, is noticed after this
long; the next attempt reattaches.
"""
RUN_MARGIN = timedelta(minutes=10)
"""On top of a sandbox's own deadline, which is what really ends it."""
ATTENDANCE_HEARTBEAT = timedelta(seconds=20)
SILENCES = 2
"""How often in a row a host's control queue must go unserved before the host counts as gone."""
RELEASE = timedelta(minutes=2)
"""A host that can't even release is left to its own sweep."""


def evaluation(policy: TaskPolicy) -> timedelta:
    """What judging one patch may take: three trees, two of them again where tests turned, and a deeper look."""
    seconds = len(policy.checks) * (3 + 2 * policy.repeats) * policy.check_limits.wall_seconds
    seconds += policy.mutation_seconds
    if policy.setup.lock_files:
        # With the packages that the patch brings, an environment is made before.
        seconds += policy.setup_limits.wall_seconds
    return timedelta(seconds=seconds) + RUN_MARGIN


PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=1)
)
"""Until it works: what is retried is idempotent, and its permanent errors say that they are."""
FEW = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=6)
"""For steps whose failure a person should hear about within minutes."""

UNTIL_REATTACHED = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.5,
    maximum_interval=timedelta(seconds=20),
    maximum_attempts=20,
)
"""On a host: each restart of a worker costs an attempt; a step that keeps failing is told to people after minutes."""
