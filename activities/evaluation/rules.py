"""Every rule by which something is found, with what it means: for reviewers, for the reference page and for SARIF."""

from typing import NamedTuple

from workflows.models.evidence import Severity

BLOCKER, PERSON, NOTE = Severity.BLOCKER, Severity.PERSON, Severity.NOTE


class Rule(NamedTuple):
    """What a finding of one kind means."""

    severity: Severity
    """The severest that it has."""
    meaning: str
    help: str = ""
    """What to do about it, where that is not plain."""


RULES: dict[str, Rule] = {
    # Checks
    "no-checks": Rule(PERSON, "No checks are known for the repository.", "Name them in team.toml."),
    "check-failed": Rule(BLOCKER, "A check fails with the patch, and not only in tests that fail on base too."),
    "check-hung": Rule(BLOCKER, "A check did not end within its time."),
    "check-over-limit": Rule(BLOCKER, "A check used more memory, processes, disk or output than it may."),
    "check-not-found": Rule(BLOCKER, "A check's command is not there with the patch."),
    "check-never-found": Rule(BLOCKER, "A check's command is not there, on base neither.", "Mend checks or set-up."),
    "pre-existing-failures": Rule(NOTE, "A check fails, in tests that fail on base too."),
    "nothing-to-turn": Rule(PERSON, "Of a test-fix task: every check passes on base."),
    "nothing-turned": Rule(
        BLOCKER, "What fails on base fails with the patch, too. For a person where the task is to mend nothing."
    ),
    "passes-only-with-its-own-tests": Rule(PERSON, "A check fails with base's tests and passes with the patch's."),
    "no-test-report": Rule(PERSON, "A check left no usable JUnit report, so its tests can't be compared."),
    # Tests
    "test-broken": Rule(BLOCKER, "A test passed on base and fails with the patch."),
    "test-vanished": Rule(PERSON, "A test ran on base and is gone with the patch."),
    "test-skipped": Rule(PERSON, "A test ran on base and is skipped with the patch."),
    "flaky-test": Rule(PERSON, "A test, or a check, passed and failed on one and the same tree."),
    "test-file-deleted": Rule(PERSON, "A file of tests is gone, and no report says where its tests are."),
    "tests-removed": Rule(PERSON, "Tests are gone or renamed, and no report says what became of them."),
    "test-skip-added": Rule(PERSON, "A mark keeps tests from running, and no report says which."),
    "assertion-removed": Rule(PERSON, "A test that still runs no longer asserts something."),
    "assertion-loosened": Rule(PERSON, "An assertion rules out less than before, or counts only in part."),
    "assertion-changed": Rule(PERSON, "A test asserts something else than before."),
    "expected-value-changed": Rule(PERSON, "A test expects another value of the same thing."),
    "tolerance-widened": Rule(PERSON, "A value may be further off than before."),
    "timeout-raised": Rule(PERSON, "A test may take longer than before."),
    "retries-added": Rule(PERSON, "A test may fail more often before it counts as failed."),
    "mock-added": Rule(PERSON, "A test that was there, or what prepares it, replaces what was tested."),
    "snapshot-changed": Rule(PERSON, "A recorded value that tests compare with is rewritten."),
    "test-without-assertion": Rule(NOTE, "A new test asserts nothing by itself."),
    "test-not-compared": Rule(PERSON, "What a file of tests asserts could not be read."),
    # Changed code
    "lines-not-run": Rule(NOTE, "Changed statements that no check runs."),
    "changed-code-not-run": Rule(PERSON, "No check runs any changed statement."),
    "mutant-survived": Rule(NOTE, "The checks pass with a fault in a changed line."),
    "no-mutant-noticed": Rule(PERSON, "The checks notice none of the faults that were put into changed lines."),
    # Secrets
    "secret": Rule(BLOCKER, "Something added has the shape of a credential.", "Take it out; revoke it if it is real."),
    "possible-secret": Rule(PERSON, "Something added is called like a credential."),
    "secrets-not-searched": Rule(PERSON, "So much is added that not all of it was searched for secrets."),
    # Paths and size
    "forbidden-path": Rule(BLOCKER, "A path that no agent may touch."),
    "out-of-scope": Rule(BLOCKER, "A path outside the scope of the repository, the task type or the task."),
    "too-large": Rule(BLOCKER, "More lines or bytes are changed than are accepted."),
    "too-large-to-read": Rule(PERSON, "So much that nothing in its text was looked for."),
    "left-out": Rule(PERSON, "Left in the workspace, and more than a patch may have."),
    "check-definition-changed": Rule(PERSON, "A file that defines how checks run."),
    "hides-a-module": Rule(PERSON, "A new module that Python loads in the place of its own or of a tool's."),
    "ci-changed": Rule(PERSON, "Changes what CI runs."),
    "policy-changed": Rule(PERSON, "Changes rules that hold for agents or owners."),
    "agent-instructions-changed": Rule(PERSON, "Changes what every later agent is told."),
    "migration-changed": Rule(PERSON, "Changes how data is stored, which a revert does not undo."),
    "lock-file-changed": Rule(PERSON, "Changes which third-party code is installed."),
    "dependencies-changed": Rule(PERSON, "May change dependencies, or how they are built."),
    "packages-brought": Rule(PERSON, "Packages that somebody allowed are brought by its lock files."),
    "packages-not-allowed": Rule(PERSON, "Packages that nobody allowed: checks ran with those that base has."),
    "environment-broken": Rule(BLOCKER, "No environment can be made with the changed lock files."),
    "symlink": Rule(PERSON, "A symbolic link."),
    "submodule-changed": Rule(PERSON, "A submodule; what it brings is not in the diff."),
    "odd-path": Rule(PERSON, "A name with characters that can't be shown."),
    "binary-bulk": Rule(PERSON, "Much that no diff shows."),
    "generated-bulk": Rule(PERSON, "Much that is generated or vendored."),
    "minified": Rule(PERSON, "Lines so long that nobody reads them."),
    "hidden-characters": Rule(PERSON, "Text that reads otherwise than it runs."),
    "licence-header-missing": Rule(BLOCKER, "A file without the header that team.toml asks for.", "Add the header."),
    # People
    "pushed-by-people": Rule(PERSON, "Somebody pushed to the task's branch by themselves, and so does not approve it."),
    # Reasoning
    "no-reasoning": Rule(PERSON, "The agent says nothing, or less than three words, about what it did and why."),
    "claim-contradicted": Rule(PERSON, "The agent says something that the evidence contradicts."),
    # Ourselves
    "detector-failed": Rule(PERSON, "A detector broke.", "Look for what it would have found."),
}
