"""Findings by what a patch touches: paths, size, kinds of content."""

from collections.abc import Iterator

from activities.evaluation import paths
from activities.evaluation.changes import GITLINK, SYMLINK, Change, is_readable
from activities.evaluation.check_scripts import named_files
from activities.evaluation.judged import Judged
from activities.evaluation.paths import shown
from workflows.models.evidence import Finding, Severity

BINARY_FILES = 10
BINARY_BYTES = 100 * 1024
_UNSEEN = frozenset(
    "\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""Bidirectional and zero-width characters: source that reads otherwise than it runs (CVE-2021-42574)."""
_KINDS = (
    ("ci-changed", paths.CI, "changes what CI runs"),
    ("policy-changed", paths.POLICY, "changes rules that hold for agents or owners"),
    ("agent-instructions-changed", paths.AGENT_INSTRUCTIONS, "changes what every later agent is told"),
    ("lock-file-changed", paths.LOCK_FILES, "changes which third-party code is installed"),
    ("migration-changed", paths.MIGRATIONS, "changes how data is stored, which taking the patch back does not undo"),
    ("dependencies-changed", paths.MANIFESTS, "may change dependencies or how they are built"),
)
_NEVER_TRIED = (
    "; base has no set-up, so nothing installed it here; if it pins by hash, later tasks install it unless [setup] in "
    "team.toml says otherwise"
)


def scope(judged: Judged) -> Iterator[Finding]:
    """Paths that this task may not touch."""
    scopes = [
        ("the repository's scope", judged.policy.scope),
        (f"the scope of {judged.task.task_type} tasks", judged.policy.task_type_scope),
        ("the task's scope", judged.task.scope),
    ]
    for change in judged.changes:
        if paths.matches(change.path, judged.policy.forbidden):
            yield _about(change, "forbidden-path", Severity.BLOCKER, "must not be touched by any agent: put it back")
        for name, patterns in scopes:
            if patterns and not paths.matches(change.path, patterns):
                allowed = ", ".join(patterns)[:300]
                yield _about(change, "out-of-scope", Severity.BLOCKER, f"is outside {name} ({allowed}): put it back")


def size(judged: Judged) -> Iterator[Finding]:
    """More than a person can be asked to read."""
    lines = sum(change.added + change.removed for change in judged.changes)
    if lines > judged.policy.max_changed_lines:
        message = f"{lines} lines are changed, and at most {judged.policy.max_changed_lines} are accepted: do less"
        yield Finding(rule="too-large", severity=Severity.BLOCKER, message=message)
    if judged.patch_bytes > judged.policy.max_patch_bytes:
        message = f"the diff has {judged.patch_bytes} bytes, and at most {judged.policy.max_patch_bytes} are accepted"
        yield Finding(rule="too-large", severity=Severity.BLOCKER, message=message)


def unreadable(judged: Judged) -> Iterator[Finding]:
    """More than is looked through at all, so that what other findings say of its text is not known."""
    if not is_readable(judged.changes):
        size = sum(change.new_size for change in judged.changes)
        message = (
            f"the changed files have {size} bytes, too large to be read: they, or one of them, are so large or have so "
            "many lines that nothing in them was looked for; leave generated files out, or look for yourself"
        )
        yield Finding(rule="too-large-to-read", severity=Severity.PERSON, message=message)


def left_out(judged: Judged) -> Iterator[Finding]:
    """What the agent left in its workspace and is not judged, since it is more than a patch may have."""
    left = judged.left_out
    for each in left.named:
        what = f"{each.files} files with {each.bytes} bytes are" if each.files > 1 else f"{each.bytes} bytes are"
        message = f"{what} more than a patch may have, so it was left out: what was judged is the rest"
        yield Finding(rule="left-out", severity=Severity.PERSON, message=message, path=shown(each.path))
    if (more := left.files - sum(each.files for each in left.named)) > 0:
        message = f"{more} more files were left out, {left.bytes} bytes in all"
        yield Finding(rule="left-out", severity=Severity.PERSON, message=message)


def check_definitions(judged: Judged) -> Iterator[Finding]:
    """Files that decide what the checks are. What code under test says of itself is worth nothing after that."""
    policy = judged.policy
    definitions = (*paths.CHECK_DEFINITIONS, *policy.check_definitions, *named_files(policy.checks))
    for change in judged.changes:
        if paths.matches(change.path, definitions):
            yield _about(change, "check-definition-changed", Severity.PERSON, "defines how the checks run")


def sensitive_paths(judged: Judged) -> Iterator[Finding]:
    """Files whose effect goes beyond the code."""
    for change in judged.changes:
        for rule, patterns, why in _KINDS:
            if paths.matches(change.path, patterns):
                first = rule == "lock-file-changed" and change.is_added and not judged.policy.setup.commands
                yield _about(change, rule, Severity.PERSON, f"{why}{_NEVER_TRIED if first else ''}")
        if change.path in judged.policy.setup.lock_files and not paths.matches(change.path, paths.LOCK_FILES):
            yield _about(change, "lock-file-changed", Severity.PERSON, "changes which third-party code is installed")


def unusual_entries(judged: Judged) -> Iterator[Finding]:
    """Links, submodules, and much that no diff shows."""
    for change in judged.changes:
        if change.new_mode == SYMLINK:
            yield _about(change, "symlink", Severity.PERSON, "is a symbolic link: look where it leads")
        if GITLINK in (change.new_mode, change.old_mode):
            yield _about(
                change, "submodule-changed", Severity.PERSON, "is a submodule: what it brings is not in the diff"
            )
        if shown(change.path) != change.path:
            yield _about(change, "odd-path", Severity.PERSON, "has a name with characters that can't be shown")
    binary = [change for change in judged.changes if change.binary and not change.is_deleted]
    total = sum(change.new_size for change in binary)
    if len(binary) > BINARY_FILES or total > BINARY_BYTES:
        message = f"{len(binary)} binary files with {total} bytes, which no diff shows"
        yield Finding(rule="binary-bulk", severity=Severity.PERSON, message=message, path=shown(binary[0].path))


def hidden_characters(judged: Judged) -> Iterator[Finding]:
    """Added text that reads otherwise than it runs."""
    binary = {change.path for change in judged.changes if change.binary}
    for line in judged.added_lines:
        if line.path not in binary and not _UNSEEN.isdisjoint(line.text):
            yield Finding(
                rule="hidden-characters",
                severity=Severity.PERSON,
                message="has bidirectional or zero-width characters, so it may read otherwise than it runs",
                path=shown(line.path),
                line=line.line,
            )


def _about(change: Change, rule: str, severity: Severity, message: str) -> Finding:
    verb = "was added" if change.is_added else "was deleted" if change.is_deleted else "was changed"
    return Finding(rule=rule, severity=severity, message=f"{verb}; it {message}", path=shown(change.path))
