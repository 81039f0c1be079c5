"""Evidence: what was found out about a patch, outside the agent's sandbox."""

import hashlib
import json
from enum import StrEnum

from workflows.models.artifact import ArtifactRef
from workflows.models.base import Model
from workflows.models.limits import LimitGrades
from workflows.models.run import RunEnd


class Severity(StrEnum):
    """What a finding does."""

    BLOCKER = "blocker"
    """Goes back to the agent; can't be approved."""
    PERSON = "person"
    """Only a person may approve it, whatever the phase."""
    NOTE = "note"


class Finding(Model):
    """One fact about a patch that a reviewer should know."""

    rule: str
    """Stable name, such as `tests-deleted`."""
    severity: Severity
    message: str
    path: str = ""
    line: int = 0


class TestOutcome(StrEnum):
    """Outcome of one test by its JUnit name."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckOutcome(Model):
    """One check, run once."""

    name: str
    end: RunEnd
    exit_code: int | None = None
    seconds: float = 0
    tests: int = 0
    failed: tuple[str, ...] = ()
    """Names of failed tests, at most 200; JUnit names tests but never outweighs the exit code."""
    output: ArtifactRef | None = None

    @property
    def passed(self) -> bool:
        """Only a normal exit with code 0 counts."""
        return self.end is RunEnd.EXITED and self.exit_code == 0


class CheckRun(Model):
    """All checks on one tree."""

    tree: str
    """Git tree that was checked out."""
    outcomes: tuple[CheckOutcome, ...] = ()
    tests: ArtifactRef | None = None
    """JSON object: test name to outcome, over all checks."""

    @property
    def passed(self) -> bool:
        """Every check passed, and there was at least one."""
        return bool(self.outcomes) and all(outcome.passed for outcome in self.outcomes)


class Coverage(Model):
    """Which changed code the checks ran."""

    statements: int = 0
    """Changed statements in files that could be watched, tests apart."""
    run: int = 0
    """Of these, how many were run by any check."""
    unknown: str = ""
    """Why it was not measured."""


class Mutation(Model):
    """Whether the checks notice faults that are put into changed lines, one at a time."""

    lines: int = 0
    """Changed lines that faults were put into."""
    tried: int = 0
    noticed: int = 0
    stopped: str = ""
    """Why no more were tried, if there were more."""


class ClaimHolds(StrEnum):
    """What evidence says of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNCHECKED = "unchecked"


class Claim(Model):
    """Something that the agent says of its own work."""

    kind: str
    """Such as `tests-pass`."""
    said: str
    """In its words, which are untrusted."""
    holds: ClaimHolds
    shown_by: str
    """The check, or the part of the patch, that shows it."""


_ADDED = (
    *("backend", "runtime", "egress_allowed", "patched_layer", "packages", "hangs"),
    *("base_again", "patched_again", "flaky", "coverage", "mutation", "claims"),
)
"""Fields without which evidence was put on record before: empty, they are no part of its hash."""


class Evidence(Model):
    """Everything found out about one head on one base. Its hash is what an approval is bound to."""

    task_id: str
    base_commit: str
    head: str
    policy_hash: str
    base: CheckRun
    """The repository's checks on base."""
    guarded: CheckRun
    """The patched source with base's tests and check definitions."""
    patched: CheckRun
    """The patch as it is."""
    turned: tuple[str, ...] = ()
    """Tests that failed on base and pass on the patch; at most 200."""
    base_again: tuple[CheckRun, ...] = ()
    """Of checks in which something turned or broke: further runs on base."""
    patched_again: tuple[CheckRun, ...] = ()
    """And on the patch."""
    flaky: tuple[str, ...] = ()
    """Tests that said different things about one and the same tree; at most 200. None of them is among the turned."""
    coverage: Coverage | None = None
    mutation: Mutation | None = None
    claims: tuple[Claim, ...] = ()
    """Of the agent's last message, as far as they are of a kind that is known; at most 20."""
    findings: tuple[Finding, ...] = ()
    layer: str = ""
    """Hash of the environment layer, if any."""
    patched_layer: str = ""
    """The one that the patch was judged in, where it is another: made from its own lock files."""
    packages: tuple[str, ...] = ()
    """What it brings there and who allowed that, each such as `requests@2.32.0 (allowed by grace)`."""
    grades: LimitGrades = LimitGrades()
    backend: str = ""
    """What made the sandboxes of the checks, with the grades above; empty in evidence that is older than this field."""
    runtime: str = ""
    """The program by which it did, with its version."""
    files: int = 0
    added: int = 0
    removed: int = 0
    egress_refused: tuple[str, ...] = ()
    egress_allowed: tuple[str, ...] = ()
    """Hosts that people allowed the agent beyond the policy's list, each with who did."""
    hangs: tuple[str, ...] = ()
    """Runs of the agent that hung, each with how; at most 20."""

    @property
    def blocked(self) -> bool:
        """Whether any finding forbids approval."""
        return any(finding.severity is Severity.BLOCKER for finding in self.findings)

    def digest(self) -> str:
        """sha256 over the canonical JSON of all of the above."""
        content = self.model_dump(mode="json")
        for name in _ADDED:
            if not content[name]:
                del content[name]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class Evaluation(Model):
    """Evidence as the workflow carries it: by reference, with what it needs to go on."""

    evidence: ArtifactRef
    evidence_hash: str
    base_commit: str
    head: str
    policy_hash: str
    blocked: bool
    findings: tuple[Finding, ...] = ()
    """At most 50; all are in the evidence."""
    summary: str = ""
    """One line for people, such as `1 test turned green, 14 of 14 pass`."""
    feedback: ArtifactRef | None = None
    """What to tell the agent, if blocked."""
    base_run: CheckRun | None = None
    """Reused when the same base is evaluated again."""
