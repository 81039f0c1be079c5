"""One holder at a time of something on disk, across tasks of one process and across processes."""

from pathlib import Path

from filelock import AsyncFileLock


def lock_file(path: Path) -> AsyncFileLock:
    """A lock to enter with `async with`; each caller has its own, so two tasks of one process exclude each other."""
    # Closed to others: whoever can open a file can hold its lock.
    return AsyncFileLock(path, poll_interval=0.02, thread_local=False, run_in_executor=False, mode=0o600)
