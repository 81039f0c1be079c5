"""What a team's file may not say is refused with its line, and what it says in vain is told."""

import time

import pytest

from activities.policy.detect import Detected
from activities.policy.documents import SecurityPolicy
from activities.policy.lines import line_of
from activities.policy.reading import read_team
from activities.policy.team_file import combined, without_effect
from tests.activities.policy.test_combine import platform, task
from workflows.models.policy import PolicyRefusal

SECURITY = SecurityPolicy.model_validate(
    {"allow_self_approval": False, "install_scripts": False, "approve": ["ada"], "max_changed_lines": 400}
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# ours\nallow_self_approval = true\n", "team.toml, line 2: `allow_self_approval`"),
        ('scope = ["src/"]\n\n[setup]\ncommands = []\ninstall_scripts = true\n', "line 5: `setup.install_scripts`"),
        ("setup = { install_scripts = true }\n", "line 1: `setup.install_scripts`"),
        ("setup.install_scripts = true\n", "line 1: `setup.install_scripts`"),
        (
            '[[checks]]\nname = "a"\ncommand = """\n[setup]\ninstall_scripts = 1\n"""\n'
            '[setup]\n"install_scripts" = true\n',
            "line 8: `setup.install_scripts`",
        ),
        ('reviewers = ["eve"]\n', "line 1: `reviewers`"),
    ],
)
def test_loosening_is_refused_with_the_line(text: str, told: str) -> None:
    with pytest.raises(PolicyRefusal) as refused:
        combined(platform(allow_self_approval=True), SECURITY, text.encode(), Detected(), task())
    assert told in str(refused.value)


def test_a_key_that_stands_nowhere_has_no_line() -> None:
    assert line_of("a = 1\n[b]\nc = 2\n", "b.d") == 2
    assert line_of("a = 1\n", "b.d") is None
    assert line_of("", "") is None


def test_numbers_that_are_looser_than_another_owners_are_told_and_no_others() -> None:
    text = """
max_changed_lines = 5000
feedback_rounds = 1
tool_calls = 40
repeats = 0

[limits.run]
wall_seconds = 99999.0
memory_bytes = "1 GiB"

[budget]
task_usd = 20.0
answer_seconds = 60.0

[gate]
most_files = 50
watch_seconds = 3600
approvals = { high = 1, medium = 3 }
"""
    found = without_effect(platform(tool_calls=40), SECURITY, text.encode(), task())
    assert found == (
        "`max_changed_lines` = 5000 (line 2)",
        "`repeats` = 0 (line 5)",
        "`limits.run.wall_seconds` = 99999 (line 8)",
        "`budget.task_usd` = 20 (line 12)",
        "`gate.most_files` = 50 (line 16)",
        "`gate.approvals.high` = 1 (line 18)",
    )
    assert without_effect(platform(), SECURITY, None, task()) == ()
    narrow = SecurityPolicy.model_validate({"egress": {"profile": "model-only"}})
    listed = b'[egress]\nprofile = "listed"\n'
    assert without_effect(platform(), narrow, listed, task()) == ('`egress.profile` = "listed" (line 2)',)
    assert without_effect(platform(), SECURITY, listed, task()) == ()


def test_a_file_as_large_as_it_may_be_holds_nobody_up() -> None:
    kinds = "".join(f"[task_types.t{number}]\nmax_changed_lines = 9\n" for number in range(6000))
    large = f"max_changed_lines = 5000000\n{kinds}".encode()
    began = time.process_time()
    assert without_effect(platform(), SECURITY, large, task()) == ("`max_changed_lines` = 5000000 (line 1)",)
    with pytest.raises(PolicyRefusal, match="line 2"):
        read_team(f"# a\nfoo = [\n[{' ' * 200_000}1],\n]\n".encode())
    # In a moment, not in minutes: a gateway answers others meanwhile.
    assert time.process_time() - began < 20
