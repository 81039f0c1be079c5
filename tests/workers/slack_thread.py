"""One thread of the stand-in for Slack in which a task is shown, and what happens to it there."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from activities.archive.chains import Chains
from activities.archive.objects import Objects
from activities.chat.slack.access import SlackAccess
from activities.decisions.attested import WORKER, Attested
from activities.decisions.halts import HaltRecord
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.signed_record import SignedRecord
from activities.policy.owners import OwnersFiles
from tests.support.slack.server import Slack
from tests.support.slack.workspace import BOT_TOKEN, TEAM, Message
from workers.gateway.conversations import Look
from workers.gateway.halting import Halting
from workers.gateway.messages import TaskView
from workers.gateway.slack_calls import SlackCalls
from workers.gateway.slack_presenter import SlackPresenter
from workers.gateway.slack_reminders import Awaited, SlackReminders
from workflows.models.conversation import Place
from workflows.models.status import TaskStatus

CHANNEL = "C0SHOP"
PEOPLE = {"alice": "U0ALICE", "grace": "U0GRACE", "linus": "U0LINUS"}
MONDAY = datetime(2026, 11, 23, 10, tzinfo=UTC)


class Thread:
    """What somebody wrote, and what a presenter shows below it."""

    def __init__(self, slack: Slack, place: Path, reminders: str = "", *, notify: bool = False) -> None:
        self.slack = slack
        slack.channel(CHANNEL)
        self.asked = slack.write(CHANNEL, "U0ALICE", "mend add()")
        self.place = Place(key=f"slack:{TEAM}:{CHANNEL}:{self.asked.ts}")
        self.now = MONDAY
        (place / "token").write_text(BOT_TOKEN)
        people = "\n".join(f'[people.{name}]\nslack = "{user}"' for name, user in PEOPLE.items())
        table = f'[slack]\napi = "{slack.api}"\nbot_token = {{ file = "{place / "token"}" }}\n'
        table += f'app_token = {{ file = "{place / "token"}" }}\nnotify = {str(notify).lower()}\n{reminders}'
        (place / "journeyman.toml").write_text(f"{table}\n{people}\n")
        self.owners = OwnersFiles.at(place / "journeyman.toml", place / "security.toml")
        objects = Objects.open(str(place / "archive"))
        self.chains = Chains(objects)
        key = SigningKey.load_or_create(place / "keys", WORKER)
        keys = TrustedKeys(lambda: (key.public_key,))
        self.attested = Attested(SignedRecord(self.chains, keys, key))
        access = SlackAccess(lambda: self.owners.platform().slack)
        self.halting = Halting(HaltRecord(objects, keys, key), self.owners)
        awaited = Awaited(self.owners, self.attested)
        self.presenter = SlackPresenter(
            access,
            lambda: self.owners.platform().slack,
            self.chains,
            self.halting,
            SlackCalls(self.owners, awaited),
            SlackReminders(access, awaited),
            lambda: self.now,
        )

    async def show(self, status: TaskStatus, notes: Mapping[str, str] | None = None, **view: Any) -> Look:
        seen = TaskView(status=status, live=status.outcome is None, **view)
        return await self.presenter.show(self.place, notes or {}, seen)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    @property
    def shown(self) -> list[Message]:
        """What is there below what was asked, in order."""
        return [one for one in self.slack.channels[CHANNEL].thread(self.asked.ts) if one is not self.asked]

    def calls(self, method: str) -> int:
        return sum(one.method == method for one in self.slack.calls)


def read(message: Message) -> str:
    """All that it says, as Slack was given it."""
    return json.dumps(message.blocks, ensure_ascii=False) + message.text


def button_ids(message: Message) -> list[str]:
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return [button["action_id"] for row in rows for button in row]
