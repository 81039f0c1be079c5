"""The text of a new team file: what was detected, and what else can be set, in words a team can edit."""

import json

from activities.policy.detect import Detected

_REST = """
# Paths agents may touch (gitignore-style); left out: all but the forbidden ones.
# scope = ["src/", "docs/"]
# Paths no agent may touch.
# forbidden = ["infra/", "*.pem"]
# Ids of persons who may decide; left out: whoever the security owner lets decide.
# reviewers = ["alice"]
# A patch with more changed lines than this goes back to the agent.
# max_changed_lines = 500
# How often a failing patch goes back to the agent before a person is asked.
# feedback_rounds = 2
# Whether an approval survives a moved base when the patch is byte-identical and nothing new is found.
# carry_over = true
# How often a check in which tests turned or broke is run again, and how many seconds are spent on seeing whether the
# checks notice faults in changed lines: more than the platform's are possible, less are not.
# repeats = 2
# mutation_seconds = 300
# Further files that define checks, and further test files, beside the usual ones: changed by a patch, a person looks.
# check_definitions = ["scripts/check.sh"]
# test_paths = ["spec/"]
"""
_HEAD = """\
# How agents work in this repository. Read from the base branch, so a patch can't change what it is judged by.
# It can tighten what the platform and security owners set, never loosen it.
"""


def render_team_file(detected: Detected) -> str:
    """A team.toml that says what detection found. Every key that it leaves out is there as a comment."""
    parts = [_HEAD, _REST]
    if not detected.checks:
        parts.append(
            "\n# No checks were detected: until one is named here, every patch needs a person.\n"
            '# [[checks]]\n# name = "tests"\n# command = "make test"\n'
        )
    for check in detected.checks:
        parts.append(
            "\n# Run without network on base, on the patch with base's tests, and on the patch as it is.\n[[checks]]\n"
            f"name = {_quoted(check.name)}\ncommand = {_quoted(check.command)}\n"
        )
        if check.junit:
            parts.append(
                f"# Where the command writes JUnit XML, which names the tests.\njunit = {_quoted(check.junit)}\n"
            )
    if detected.setup.commands:
        parts.append(
            "\n# Run once per content of the lock files, with the package registry as the only way out. What is put\n"
            "# under $JOURNEYMAN_LAYER is there, read-only, for the agent and the checks.\n[setup]\n"
            f"commands = {_list(detected.setup.commands)}\nlock_files = {_list(detected.setup.lock_files)}\n"
        )
    else:
        parts.append(
            "\n# No lock file with hashes was detected, so nothing is installed before the checks.\n"
            "# [setup]\n# commands = []\n# lock_files = []\n"
        )
    return "".join(parts)


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for the delete character, which JSON leaves as it is.
    return json.dumps(text).replace("\x7f", "\\u007f")


def _list(items: tuple[str, ...]) -> str:
    return "[\n" + "".join(f"    {_quoted(item)},\n" for item in items) + "]"
