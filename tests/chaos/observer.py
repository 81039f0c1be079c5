"""Looks at the hosts' directories all the time: what runs print and which cgroups they have is gone when they are."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

from activities.sandbox.launch import Launch
from activities.sandbox.run_directory import read
from tests.chaos import agent

_LOOK_SECONDS = 0.15


@dataclass
class Seen:
    """One execution of an agent: a run that was lost and begun again under its id is two."""

    run_id: str
    began: float
    """Unix seconds."""
    output: bytes = b""

    @property
    def task(self) -> str:
        """Whose it was."""
        return self.run_id.split("-")[0]

    @property
    def steps(self) -> list[int]:
        """What it announced."""
        return agent.steps_in(self.output)


class Observer:
    """Remembers every execution and every cgroup."""

    def __init__(self, hosts: Path) -> None:
        self._hosts = hosts
        self._seen: dict[tuple[str, int, int], Seen] = {}
        self.cgroups: set[str] = set()

    async def look_on(self) -> None:
        """For ever."""
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(_LOOK_SECONDS)

    def _look(self) -> None:
        for file in self._hosts.glob("*/runs/*/launch.json"):
            with contextlib.suppress(Exception):
                status = file.stat()
                key = (str(file), status.st_ino, status.st_mtime_ns)
                if key not in self._seen:
                    content = read(file)
                    if content is None:
                        continue
                    self.cgroups.add(f"journeyman-{Launch.from_json(content).mark}")
                    self._seen[key] = Seen(file.parent.name, status.st_mtime)
                self._seen[key].output = (file.parent / "output.log").read_bytes()

    def of(self, task: str) -> list[Seen]:
        """Every execution of its agent, in order."""
        runs = [seen for seen in self._seen.values() if seen.task == task and seen.run_id.count("-") == 2]
        return sorted(runs, key=lambda seen: seen.began)
