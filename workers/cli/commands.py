"""Every command, in the groups and in the order in which help shows them."""

from collections.abc import Callable
from typing import Any

from cyclopts import App, Group

from workers.cli import (
    agents,
    apart,
    asking,
    deciding,
    drilling,
    github,
    halting,
    hosts,
    keeping,
    linear,
    looking,
    machine,
    reverting,
    signal,
    slack,
    trust,
)

GROUPS: tuple[tuple[str, tuple[Callable[..., None], ...]], ...] = (
    (
        "This machine",
        (machine.up, machine.down, machine.doctor, machine.init, machine.demo),
    ),
    (
        "Tasks",
        (
            asking.run,
            asking.tasks,
            looking.show,
            looking.logs,
            looking.diff,
            looking.evidence,
            looking.egress,
            looking.open_,
        ),
    ),
    (
        "Decisions",
        (
            deciding.approve,
            deciding.withdraw,
            deciding.request_changes,
            deciding.reject,
            deciding.merge,
            deciding.answer,
            deciding.cancel,
            reverting.revert,
            drilling.drill,
            hosts.hosts,
            signal.signal,
            trust.trust,
            trust.promote,
            trust.demote,
        ),
    ),
    ("Stopping everything", (halting.halt, halting.resume, halting.halts)),
    (
        "What is kept",
        (keeping.backup, keeping.restore, keeping.upgrade, keeping.forget),
    ),
    (
        "Parts that run apart",
        (apart.worker, apart.gateway, apart.setup_namespace, apart.keys, apart.sign, apart.payload_key, apart.codec),
    ),
)


def name_of(function: Callable[..., Any]) -> str:
    """What one types."""
    return function.__name__.strip("_").replace("_", "-")


def register(app: App) -> None:
    """Add every command."""
    place = 0
    for number, (title, functions) in enumerate(GROUPS):
        group = Group(title, sort_key=number)
        for function in functions:
            place += 1
            app.command(function, name=name_of(function), group=group, sort_key=place)
        if number == 0:
            agents.register(app, group, place + 1)
            github.register(app, group, place + 2)
            slack.register(app, group, place + 3)
            linear.register(app, group, place + 4)
            place += 4
