"""Nothing that comes from outside acts on a terminal: it can't move the cursor, set the title or hide text."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.terminal import environment, typed
from workers.cli.main import call
from workers.cli.printing import print_tasks
from workers.cli.terminal import Terminal, print_json, tell
from workers.gateway.messages import TaskLine
from workflows.models.plural import plural
from workflows.models.pull_request import RevertOutcome, RevertResult
from workflows.models.status import Stage

HOSTILE = "\x1b[2J\x1b]0;title\x07[red]\x9b2K\u202egnp.exe\r"


def acting(text: str) -> list[str]:
    """Characters that a terminal acts on, lines aside."""
    return [character for character in text if not character.isprintable() and character not in "\n\t"]


@pytest.mark.parametrize(
    ("counted", "said"),
    [((1, "watch"), "1 watch"), ((0, "watch"), "0 watches"), ((2, "sandbox"), "2 sandboxes"), ((3, "file"), "3 files")],
)
def test_counts_are_told_in_words_that_fit(counted: tuple[int, str], said: str) -> None:
    assert plural(*counted) == said


def test_a_process_that_kill_had_waited_for_is_no_news_for_whoever_runs_up(state: Path) -> None:
    code = (
        "import logging; from workers.logs import log_to; from workers.settings import Settings; "
        "log_to(Settings(), 'up'); say = logging.getLogger('asyncio').warning; "
        "say('Unknown child process pid %d, will report returncode 255', 7); say('slow %s', 'callback')"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment(state), capture_output=True, check=True)
    assert "slow callback" in run.stderr.decode()
    assert "Unknown child" not in run.stderr.decode() + (state / "logs" / "up.log").read_text()


def test_a_list_of_tasks_shows_hostile_ids_and_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_tasks([TaskLine(task_id=HOSTILE, repository=HOSTILE, stage=Stage.RUN, requester=HOSTILE)])
    shown = capsys.readouterr().out
    assert acting(shown) == []
    assert "[red]" in shown


def test_standard_error_and_whatever_else_is_printed_are_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    tell(f"conflict:\n  {HOSTILE}")
    said = capsys.readouterr().err
    assert acting(said) == []
    assert said.startswith("conflict:\n  \\x1b[2J")
    file = io.StringIO()
    Terminal(file).print(HOSTILE, f"a\n{HOSTILE}", markup=False)
    assert acting(file.getvalue()) == []


def test_json_holds_everything_and_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(RevertResult(outcome=RevertOutcome.CONFLICT, detail=HOSTILE))
    text = capsys.readouterr().out
    assert text.isascii()
    assert acting(text) == []
    assert json.loads(text)["detail"] == HOSTILE


def test_a_wrong_argument_is_repeated_visibly(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["nonsense\x1b[2J"]) != 0
    captured = capsys.readouterr()
    assert acting(captured.out + captured.err) == []


async def test_a_name_that_is_no_ascii_and_bytes_that_are_no_text_are_refused_as_wrong_usage(state: Path) -> None:
    for arguments in (("approve", "x", "--as", "Zoë"), ("run", "caf\udce9", "--repo", "/tmp")):
        answer = await typed(state, *arguments)
        assert answer.code == 2, answer.error
        assert "Traceback" not in answer.error
