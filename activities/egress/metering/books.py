"""The worker's side of the meter: what it is told, and what its books say. Works with the meter dead, too."""

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from activities.egress.contract import EgressRules
from activities.egress.daemon import wait_for
from activities.egress.metering.cost import limit_reached, total
from activities.egress.metering.ledger import Entry, has_held, has_open, read_entries
from activities.egress.metering.policy import SandboxPolicy
from activities.egress.places import Places, write_aside
from workflows.models.usage import Allowance, Metered

_END_SECONDS = 2.0


class Books:
    """Policies and usage by sandbox, under the keys that the gateway gives them. Callers hold the gateway's lock."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def write_policies(self, rules: Mapping[str, EgressRules]) -> None:
        """Tell the meter about these sandboxes and no others."""
        for key, each in rules.items():
            if each.brokered:
                policy = SandboxPolicy(ledger=self._ledger(key), allowance=each.allowance, brokered=each.brokered)
                text = policy.model_dump_json()
                path = self._places.policies / f"{key}.json"
                if not path.exists() or path.read_text() != text:
                    write_aside(path, text)
        for path in self._places.policies.glob("*.json"):
            if path.stem not in rules or not rules[path.stem].brokered:
                path.unlink()

    def metered(self, key: str, allowance: Allowance | None) -> Metered:
        """What a sandbox has used. `allowance`: of one that is open, to tell whether it is held."""
        directory = self._directory(key)
        if directory is None:
            return Metered()
        used = total(entry.metered for entry in read_entries(directory))
        limit = limit_reached(used, allowance) if allowance else ""
        return used.model_copy(update={"held": limit if has_held(directory) else ""})

    def entries(self, key: str) -> tuple[Entry, ...]:
        """All requests of a sandbox in the order in which they began."""
        directory = self._directory(key)
        return read_entries(directory) if directory else ()

    def wait_until_ended(self, key: str) -> None:
        """Give the meter a moment to note the end of what was cut; one that is dead has no more to note."""
        directory = self._directory(key)
        if directory is not None:
            wait_for(lambda: not has_open(directory), _END_SECONDS)

    def forget(self, key: str) -> None:
        """Remove all that is known of a sandbox that was closed."""
        directory = self._directory(key)
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
        self._name(key).unlink(missing_ok=True)

    def _ledger(self, key: str) -> str:
        """The name of a sandbox's ledger: another one after it was forgotten, so that the meter starts over too."""
        path = self._name(key)
        if not path.exists():
            write_aside(path, f"{key}-{secrets.token_hex(4)}")
        return path.read_text()

    def _directory(self, key: str) -> Path | None:
        path = self._name(key)
        return self._places.usage / path.read_text() if path.exists() else None

    def _name(self, key: str) -> Path:
        return self._places.kept / f"ledger-{key}"
