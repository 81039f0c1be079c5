"""The reference pages, made from the code: `python -m workers.reference` writes them, a test keeps them true."""

import inspect
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Any, get_args

from cyclopts import App, Parameter
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from activities.evaluation.rules import RULES
from activities.policy.documents import PlatformPolicy, SecurityPolicy, TeamPolicy
from workers.cli import agents, github, linear, slack
from workers.cli.commands import GROUPS, name_of
from workers.settings import Settings
from workers.worker import WORKFLOWS
from workflows import search_attributes
from workflows.agent_task import AgentTask
from workflows.conversation import Conversation
from workflows.delivery import Delivery
from workflows.delivery_sweep import DeliverySweep
from workflows.host_sweep import HostSweep
from workflows.merge_turns import MergeTurns
from workflows.merge_watch import MergeWatch
from workflows.models.status import Stage
from workflows.revert_drill import RevertDrill
from workflows.revert_merge import RevertMerge
from workflows.team_budget import TeamBudget

_HEAD = "<!-- Made by `python -m workers.reference`; do not edit. -->\n"
_WORKFLOW_IDS: dict[type, str] = {
    AgentTask: "task/<task id>",
    RevertMerge: "revert/<task id>",
    RevertDrill: "drill…",
    MergeWatch: "watch/<task id>",
    MergeTurns: "merge-turns/<hash>",
    TeamBudget: "budget/<team>",
    HostSweep: "sweep/<host>…",
    Delivery: "delivery/<sha256>",
    Conversation: "conversation/<task id>",
    DeliverySweep: "delivery-sweep…",
}
"""Where dots follow, a schedule of that name adds the time."""
_SEARCH_ATTRIBUTES = {
    "JourneymanRepository": "Name of the repository.",
    "JourneymanPhase": "1, 2 or 3.",
    "JourneymanTaskType": "Such as `bug-fix`.",
    "JourneymanRequester": "Id of the person who asked.",
    "JourneymanAgent": "Name of the agent that ran last.",
    "JourneymanStage": "Where the task stands; see the stages below. Those that pass in a moment are not told here.",
    "JourneymanPullRequest": "Address of the pull request.",
    "JourneymanOutcome": "How it ended; empty while it is open.",
}


def pages() -> dict[str, str]:
    """File name to Markdown."""
    return {
        "settings.md": _settings(),
        "policy-files.md": _policy_files(),
        "commands.md": _commands(),
        "temporal.md": _temporal(),
        "findings.md": _findings(),
    }


def _settings() -> str:
    lines = [_HEAD, "# Settings\n", "Environment variables of `up`, `worker`, `gateway` and every other command.\n"]
    lines += ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (PydanticUndefined, None, "") else f"`{field.default}`"
        if name == "state":
            default = "`$XDG_DATA_HOME/journeyman`, `~/.local/share/journeyman`; as root `/var/lib/journeyman`"
        lines.append(f"| `JOURNEYMAN_{name.upper()}` | {default} | {_one_line(field.description)} |")
    return "\n".join(lines) + "\n"


def _policy_files() -> str:
    lines = [_HEAD, "# Policy files\n", "Three owners, three files; the strictest wins. Unknown keys are errors.\n"]
    for title, model in (
        ("`journeyman.toml`: the platform owner's", PlatformPolicy),
        ("`security.toml`: the security owner's", SecurityPolicy),
        ("`.journeyman/team.toml`: the team's, read from the base branch", TeamPolicy),
    ):
        lines += [
            f"## {title}\n",
            _one_line(inspect.getdoc(model)) + "\n",
            "| key | default | meaning |",
            "|---|---|---|",
        ]
        lines += [f"| `{key}` | {default} | {meaning} |" for key, default, meaning in _keys(model, "")]
        lines.append("")
    return "\n".join(lines)


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        inner, shape = _inner(field.annotation)
        key = f"{prefix}{name}"
        if inner is None:
            empty = field.default in (PydanticUndefined, None, (), "", {})
            yield key, "" if empty else f"`{_shown(field.default)}`", _one_line(field.description)
        else:
            yield from _keys(
                inner, f"{key}.NAME." if shape == "dict" else f"{key}[]." if shape == "list" else f"{key}."
            )


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, "table"
    origin = str(getattr(annotation, "__origin__", ""))
    for argument in get_args(annotation):
        found, shape = _inner(argument)
        if found is not None:
            return found, "dict" if "dict" in origin else "list" if "tuple" in origin else shape
    return None, ""


def _shown(default: Any) -> str:
    """As it is written in TOML; a text without its quotes."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return "[" + ", ".join(f'"{one}"' if isinstance(one, str) else _shown(one) for one in default) + "]"
    if isinstance(default, time):
        return f"{default:%H:%M}"
    return str(int(default) if isinstance(default, int) else default)


def _commands() -> str:
    lines = [_HEAD, "# Commands\n", "`journeyman COMMAND --help` says the same. Errors go to standard error.\n"]
    lines += [
        "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 nothing is running here, 4 the task ended without a",
        "patch to review, 5 it stands still until somebody answers or guides it, 130 interrupted.\n",
    ]
    for name, function in commands():
        lines += [f"## journeyman {name}\n", "```", _usage(name, function), "```\n", _described(function), ""]
    return "\n".join(lines)


def commands() -> list[tuple[str, Any]]:
    """Every command, by the name one types."""
    named = [(name_of(function), function) for _, functions in GROUPS for function in functions]
    grouped = (
        ("agents", agents.COMMANDS),
        ("github", github.COMMANDS),
        ("slack", slack.COMMANDS),
        ("linear", linear.COMMANDS),
    )
    below = [(f"{group} {name_of(function)}", function) for group, functions in grouped for function in functions]
    return [*named, *below]


def _usage(name: str, function: Any) -> str:
    words = [f"journeyman {name}"]
    for parameter in inspect.signature(function).parameters.values():
        required = parameter.default is inspect.Parameter.empty
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            word = _option(parameter)
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            word, required = f"{parameter.name.upper()}...", False
        else:
            word = parameter.name.upper()
        words.append(word if required else f"[{word}]")
    return " ".join(words)


def _option(parameter: inspect.Parameter) -> str:
    """As one types it: what is so by default can only be taken back."""
    name = parameter.name.strip("_").replace("_", "-")
    if "bool" in str(parameter.annotation):
        return f"--no-{name}" if parameter.default is True else f"--{name}"
    choices = get_args(parameter.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"--{name} {'|'.join(choices)}"
    return f"--{name} {name.upper()}"


def _described(function: Any) -> str:
    text = inspect.getdoc(function) or ""
    head, _, parameters = text.partition("Parameters\n----------\n")
    told = _numpy_entries(parameters)
    lines = [head.strip(), ""]
    for parameter in inspect.signature(function).parameters.values():
        shared = next((part.help for part in get_args(parameter.annotation) if isinstance(part, Parameter)), None)
        if meaning := told.get(parameter.name) or shared:
            option = parameter.kind is inspect.Parameter.KEYWORD_ONLY
            lines.append(f"- `{_option(parameter) if option else parameter.name.upper()}`: {_one_line(meaning)}")
    return "\n".join(lines).strip() + "\n"


def _numpy_entries(text: str) -> dict[str, str]:
    """Name to meaning: a line that is not indented begins an entry."""
    entries: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1].isspace():
            entries[name] += line
        elif line.strip():
            name = line.strip()
            entries[name] = ""
    return entries


def _temporal() -> str:
    lines = [_HEAD, "# In Temporal\n", "## Search attributes\n", "| name | type | meaning |", "|---|---|---|"]
    for key in search_attributes.ALL:
        kind = "Int" if key.indexed_value_type.name == "INT" else "Keyword"
        lines.append(f"| `{key.name}` | {kind} | {_SEARCH_ATTRIBUTES[key.name]} |")
    lines += ["\n## Stages\n", ", ".join(f"`{stage}`" for stage in Stage) + "\n"]
    lines += ["## Workflows\n", "| workflow | id | what it is |", "|---|---|---|"]
    lines += [
        f"| `{workflow.__name__}` | `{_WORKFLOW_IDS[workflow]}` | {_one_line(inspect.getdoc(workflow))} |"
        for workflow in WORKFLOWS
    ]
    lines.append("")
    for workflow in WORKFLOWS:
        named = [
            f"| `{name}` | {kind} | {_one_line(inspect.getdoc(function))} |"
            for name, function in inspect.getmembers(workflow)
            if not name.startswith("_") and (kind := _message_kind(function))
        ]
        if named:
            lines += [
                f"## Messages of `{workflow.__name__}`\n",
                "| name | kind | meaning |",
                "|---|---|---|",
                *named,
                "",
            ]
    lines.append("Updates of `AgentTask` take a decision signed by a gateway; one that nobody signed is refused.\n")
    return "\n".join(lines)


def _findings() -> str:
    lines = [_HEAD, "# Findings\n"]
    lines += [
        "A `blocker` goes back to the agent and can't be approved; `person` asks for a person; a `note` is told.\n"
    ]
    lines += ["| rule | severity | meaning |", "|---|---|---|"]
    for name, rule in RULES.items():
        lines.append(f"| `{name}` | {rule.severity} | {_one_line(f'{rule.meaning} {rule.help}')} |")
    return "\n".join(lines) + "\n"


def _message_kind(function: object) -> str:
    """Whether Temporal's decorators made this an update, a query or a signal."""
    if hasattr(function, "_defn"):
        return "update"
    return next((kind for kind in ("query", "signal") if hasattr(function, f"__temporal_{kind}_definition")), "")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def write(target: Path = Path("docs/reference"), /) -> None:
    """Write every page.

    Parameters
    ----------
    target
        The directory they are in.
    """
    for name, text in pages().items():
        (target / name).write_text(text)


if __name__ == "__main__":
    App(name="python -m workers.reference", default_command=write)()
