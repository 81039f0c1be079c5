"""What a reviewer has to know is found, and a detector that breaks hides nothing."""

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from activities.evaluation.changes import ABSENT, Change, PatchLine
from activities.evaluation.checks import CheckedTree
from activities.evaluation.feedback import MOST_CHARS, feedback, summary
from activities.evaluation.findings import MOST_OF_A_RULE, find
from activities.evaluation.guarded import guarded_changes
from activities.evaluation.judged import Judged
from activities.evaluation.looks import Looks
from activities.evaluation.secret_findings import secrets
from activities.repository.git import GitError
from workflows.models.evidence import (
    CheckOutcome,
    CheckRun,
    Coverage,
    Evidence,
    Finding,
    Mutation,
    Severity,
    TestOutcome,
)
from workflows.models.intent import Intent
from workflows.models.patch import LeftOut, LeftOutPath
from workflows.models.person import Person
from workflows.models.policy import Check, LicenceHeader, Setup, TaskPolicy
from workflows.models.run import RunEnd
from workflows.models.task import Repository, Task

CHECK = Check(name="tests", command="run", junit="r.xml")
SILENT = Check(name="tests", command="run")
P, F, S = TestOutcome.PASSED, TestOutcome.FAILED, TestOutcome.SKIPPED


def change(path: str, **given: Any) -> Change:
    of_modes = {"old_mode": "100644", "new_mode": "100644", "old_blob": "a" * 40, "new_blob": "b" * 40}
    return Change(path=path, **{**of_modes, "added": 1, **given})


def tree(tests: dict[str, TestOutcome], exit_code: int | None = None, end: RunEnd = RunEnd.EXITED) -> CheckedTree:
    code = exit_code if exit_code is not None else int(F in tests.values())
    outcome = CheckOutcome(name="tests", end=end, exit_code=code, tests=len(tests))
    return CheckedTree(CheckRun(tree="t", outcomes=(outcome,)), {"tests": tests})


GREEN = tree({"a": P})


def judged(**given: Any) -> Judged:
    of_policy, of_task = given.pop("policy", {}), given.pop("task", {})
    task = Task(
        id="t1",
        intent=Intent(key="cli:1", requester=Person(id="alice")),
        repository=Repository(url="/r", name="r"),
        goal="Mend it",
        **of_task,
    )
    parts: dict[str, Any] = {
        "task": task,
        "policy": TaskPolicy(checks=(CHECK,)).model_copy(update=of_policy),
        "changes": (),
        "added_lines": (),
        "removed_lines": (),
        "patch_bytes": 10,
        "base": GREEN,
        "guarded": GREEN,
        "patched": GREEN,
    }
    return Judged(**{**parts, **given})


def rules(given: Judged) -> list[tuple[str, Severity]]:
    return [(found.rule, found.severity) for found in find(given)]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (".github/workflows/ci.yml", "ci-changed"),
        (".journeyman/team.toml", "policy-changed"),
        ("AGENTS.md", "agent-instructions-changed"),
        ("pkg/AGENTS.md", "agent-instructions-changed"),
        ("package-lock.json", "lock-file-changed"),
        ("requirements-dev.txt", "lock-file-changed"),
        ("deps.lck", "lock-file-changed"),
        ("package.json", "dependencies-changed"),
        ("pyproject.toml", "check-definition-changed"),
        ("conftest.py", "check-definition-changed"),
        ("scripts/check.sh", "check-definition-changed"),
        ("evil.egg-info/entry_points.txt", "check-definition-changed"),
        ("node_modules/.bin/jest", "check-definition-changed"),
        ("src/pytest.py", "check-definition-changed"),
        (".eslintrc.json", "check-definition-changed"),
        ("iniconfig.py", "check-definition-changed"),
        ("lib/evil-1.0.dist-info/entry_points.txt", "check-definition-changed"),
    ],
)
def test_files_with_effects_beyond_the_code_need_a_person(path: str, rule: str) -> None:
    policy = {"check_definitions": ("scripts/check.sh",), "setup": Setup(lock_files=("deps.lck",))}
    assert (rule, Severity.PERSON) in rules(judged(changes=(change(path),), policy=policy))


def test_who_looks_at_a_first_lock_file_is_told_that_nothing_has_tried_it() -> None:
    def told(setup: Setup, **how: str) -> str:
        found = find(judged(changes=(change("requirements.txt", **how),), policy={"setup": setup}))
        return next(one.message for one in found if one.rule == "lock-file-changed")

    assert "nothing installed it here" in told(Setup(), old_mode=ABSENT)
    assert "nothing installed it here" not in told(Setup())
    assert "nothing installed it here" not in told(Setup(commands=("true",)), old_mode=ABSENT)


@pytest.mark.parametrize("path", ["iniconfig.py", "random.py", "packaging/__init__.py", "json.so"])
def test_a_new_module_that_python_would_load_in_the_place_of_its_own_needs_a_person(path: str) -> None:
    added = change(path).model_copy(update={"old_mode": ABSENT})
    assert ("hides-a-module", Severity.PERSON) in rules(judged(changes=(added,)))


@pytest.mark.parametrize("path", ["src/random.py", "shop/queue/__init__.py", "calc.py", "random/notes.md"])
def test_a_module_of_such_a_name_below_the_root_is_nothing_unusual(path: str) -> None:
    added = change(path).model_copy(update={"old_mode": ABSENT})
    assert ("hides-a-module", Severity.PERSON) not in rules(judged(changes=(added, change("random.py"))))


@pytest.mark.parametrize(
    ("command", "path", "defines"),
    [
        ("./run_tests.sh", "run_tests.sh", True),
        ("sh -e run_tests.sh --all", "run_tests.sh", True),
        ("python3 tools/check.py src", "tools/check.py", True),
        ("cd tools && ./check", "tools/check", True),
        ("CONFIG=etc/[a].ini make test", "etc/[a].ini", True),
        ("python3 -m tools.check", "tools/check.py", True),
        ("python3 -m tools", "tools/__main__.py", True),
        ("echo 'unclosed; ./run_tests.sh", "run_tests.sh", True),
        ("pytest tests/test_calc.py", "tests/test_calc.py", False),
        ("python3 -m pytest -q", "src/a.py", False),
        ("make test", "src/test", False),
    ],
)
def test_a_script_that_a_check_s_command_names_defines_the_check(command: str, path: str, defines: bool) -> None:
    policy = {"checks": (Check(name="tests", command=command),)}
    found = rules(judged(changes=(change(path),), policy=policy))
    assert (("check-definition-changed", Severity.PERSON) in found) is defines
    taken_back = guarded_changes((change(path),), TaskPolicy().model_copy(update=policy))
    assert (len(taken_back) == 1) is (defines or path.startswith("tests/"))


BLIND = {"base": tree({}), "guarded": tree({}), "patched": tree({}), "policy": {"checks": (SILENT,)}}


def test_a_deleted_test_file_needs_a_person_where_no_report_names_tests() -> None:
    gone = change("tests/test_a.py", new_mode="000000")
    assert ("test-file-deleted", Severity.PERSON) in rules(judged(changes=(gone,), **BLIND))
    assert rules(judged(changes=(gone,))) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tests/test_a.py", "    async def test_add(self):"),
        ("tests/test_a.py", "class TestAdding:"),
        ("web/a.test.ts", "  it('adds', () => {"),
        ("a_test.go", "func TestAdd(t *testing.T) {"),
        ("src/lib.rs", "    #[test]"),
        ("src/ATest.java", "    @Test"),
    ],
)
def test_a_removed_test_needs_a_person_where_no_report_names_tests(path: str, text: str) -> None:
    line = PatchLine(path, 3, text)
    assert ("tests-removed", Severity.PERSON) in rules(judged(removed_lines=(line,), **BLIND))
    # Moved to another file, it is no loss.
    moved = PatchLine(f"more/{path}", 9, text)
    assert rules(judged(removed_lines=(line,), added_lines=(moved,), **BLIND)) == []
    assert rules(judged(removed_lines=(line,))) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tests/test_a.py", "@pytest.mark.skipif(True, reason='x')"),
        ("tests/test_a.py", "        self.skipTest('later')"),
        ("web/a.test.ts", "it.skip('adds', () => {"),
        ("web/a.test.ts", "describe.only('one', () => {"),
        ("a_test.go", "	t.Skip()"),
        ("src/lib.rs", "    #[ignore]"),
        ("src/ATest.java", "    @Disabled"),
    ],
)
def test_a_test_marked_as_skipped_needs_a_person_where_no_report_names_tests(path: str, text: str) -> None:
    line = PatchLine(path, 3, text)
    assert ("test-skip-added", Severity.PERSON) in rules(judged(added_lines=(line,), **BLIND))
    assert rules(judged(added_lines=(line,))) == []


def test_a_plain_change_needs_nobody() -> None:
    assert rules(judged(changes=(change("src/a.py"), change("tests/test_a.py")))) == []


def test_paths_out_of_any_scope_or_forbidden_block() -> None:
    changes = (change("src/a.py"), change("infra/main.tf"), change("docs/x.md"))
    limits = {"scope": ("src/", "docs/"), "task_type_scope": ("src/", "infra/"), "forbidden": ("infra/",)}
    found = find(judged(changes=changes, policy=limits, task={"scope": ("src/",)}))
    assert {(one.rule, one.path) for one in found} == {
        ("forbidden-path", "infra/main.tf"),
        ("out-of-scope", "infra/main.tf"),
        ("out-of-scope", "docs/x.md"),
    }
    assert all(one.severity is Severity.BLOCKER for one in found)


def test_a_patch_nobody_can_read_blocks() -> None:
    assert rules(judged(changes=(change("a", added=3000),))) == [("too-large", Severity.BLOCKER)]
    assert rules(judged(patch_bytes=10**9)) == [("too-large", Severity.BLOCKER)]


def test_a_patch_that_is_too_large_to_be_read_needs_a_person() -> None:
    unread = {("too-large-to-read", Severity.PERSON), ("secrets-not-searched", Severity.PERSON)}
    assert set(rules(judged(changes=(change("a", new_size=10**8),)))) == unread
    assert unread < set(rules(judged(changes=(change("a", added=10**6),))))


def test_what_was_left_out_of_a_patch_needs_a_person_and_is_named() -> None:
    named = (LeftOutPath(path="big\n.bin", bytes=10**9), LeftOutPath(path="cache/", bytes=7, files=30_000))
    found = [
        each
        for each in find(judged(left_out=LeftOut(named=named, files=30_005, bytes=2 * 10**9)))
        if each.rule == "left-out"
    ]
    assert {each.severity for each in found} == {Severity.PERSON}
    assert [each.path for each in found] == ["big\\n.bin", "cache/", ""]
    assert "1000000000 bytes" in found[0].message
    assert "30000 files" in found[1].message
    assert "4 more files" in found[2].message


def test_what_no_diff_shows_needs_a_person() -> None:
    found = rules(
        judged(
            changes=(
                change("logo.png", binary=True, new_size=200_000),
                change("way", new_mode="120000"),
                change("lib", new_mode="160000"),
                change("a\nb"),
            )
        )
    )
    assert {rule for rule, _ in found} == {"binary-bulk", "symlink", "submodule-changed", "odd-path"}
    assert {severity for _, severity in found} == {Severity.PERSON}
    assert rules(judged(changes=(change("icon.png", binary=True, new_size=500),))) == []


def test_text_that_reads_otherwise_than_it_runs_needs_a_person() -> None:
    lines = (PatchLine(path="a.py", line=3, text="if x:  # \u202e } \u2066"),)
    (found,) = find(judged(changes=(change("a.py"),), added_lines=lines))
    assert (found.rule, found.path, found.line) == ("hidden-characters", "a.py", 3)


# In two parts, so that this file itself holds nothing that looks like a secret.
SECRETS = [
    "key = '" + "AKIA" + "IOSFODNN7EXAMPLE" + "'",
    "-----BEGIN RSA " + "PRIVATE KEY-----",
    "token: " + "ghp" + "_" + "a1B2" * 9,
    "url = 'https://user:" + "s3cr3tpassw" + "ord@example.com/x'",
    "slack: " + "xoxb" + "-123456789012-123456789012-abcdefghijkl",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_blocks_and_is_never_repeated(text: str) -> None:
    line = PatchLine(path="config.py", line=7, text=text + "  # pragma: allowlist secret")
    (found,) = find(judged(changes=(change("config.py"),), added_lines=(line,)))
    assert (found.rule, found.severity, found.path, found.line) == ("secret", Severity.BLOCKER, "config.py", 7)
    told = found.message + (feedback((found,), GREEN, GREEN) or "")
    for part in text.replace("'", " ").split():
        assert len(part) < 12 or part not in told


def test_what_may_be_a_secret_needs_a_person() -> None:
    line = PatchLine(path="a.py", line=1, text='password = "' + "correct-horse" + '-battery"')
    assert rules(judged(added_lines=(line,))) == [("possible-secret", Severity.PERSON)]
    assert rules(judged(added_lines=(PatchLine(path="a.py", line=1, text="def password(self): ..."),))) == []


def test_searching_for_secrets_asks_nobody_on_the_network() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_): sys.exit('asked the network')\n"
        "socket.socket.connect = refuse\n"
        "from tests.activities.evaluation.test_findings import PatchLine, SECRETS, find, judged\n"
        "found = find(judged(added_lines=tuple(PatchLine(path='a', line=1, text=t) for t in SECRETS)))\n"
        "sys.exit(0 if len(found) == len(SECRETS) else repr(found))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_more_text_than_can_be_searched_needs_a_person() -> None:
    search = partial(secrets, most_characters=20_000)
    lines = tuple(PatchLine(path="a", line=n, text="x" * 4000) for n in range(6))
    assert [found.rule for found in search(judged(added_lines=lines))] == ["secrets-not-searched"]
    assert list(search(judged(added_lines=lines[:5]))) == []
    huge = (change("a", new_size=10**9),)
    assert ("secrets-not-searched", Severity.PERSON) in rules(judged(changes=huge))


def test_text_made_to_be_slow_to_search_does_not_hold_up_the_host() -> None:
    slow = tuple(PatchLine(path="a", line=n, text="password" * 500) for n in range(500))
    began = time.monotonic()
    found = list(secrets(judged(added_lines=slow), most_seconds=1))
    assert ("secrets-not-searched", Severity.PERSON) in [(one.rule, one.severity) for one in found]
    assert time.monotonic() - began < 15


def test_a_detector_that_breaks_needs_a_person_and_hides_nothing() -> None:
    def breaks(_: Judged) -> Iterator[Finding]:
        yield Finding(rule="found-before", severity=Severity.BLOCKER, message="m")
        raise RuntimeError("quotes " + SECRETS[0])

    def works(_: Judged) -> Iterator[Finding]:
        yield Finding(rule="found-after", severity=Severity.NOTE, message="m")

    found = find(judged(), [breaks, works])
    assert [one.rule for one in found] == ["found-before", "detector-failed", "found-after"]
    assert found[1].severity is Severity.PERSON
    assert "breaks" in found[1].message
    assert "AKIA" not in found[1].message


def test_a_thousand_findings_of_one_kind_are_counted_and_not_all_told() -> None:
    changes = tuple(change(f"infra/{n}") for n in range(1000))
    found = find(judged(changes=changes, policy={"forbidden": ("infra/",)}))
    assert len(found) == MOST_OF_A_RULE + 1
    assert "950 more" in found[-1].message


def test_an_exit_status_outweighs_every_name_in_a_report() -> None:
    lying = tree({"a": P}, exit_code=1)
    assert ("check-failed", Severity.BLOCKER) in rules(judged(patched=lying, guarded=lying))


def test_a_vanished_test_is_not_outweighed_by_an_exit_status() -> None:
    gone = tree({"b": P}, exit_code=0)
    assert ("test-vanished", Severity.PERSON) in rules(judged(patched=gone, guarded=gone))


@pytest.mark.parametrize(
    ("base", "patched"),
    [
        (tree({"a": F}), tree({"a": F, "new": F})),  # another test fails
        (tree({"a": F}), tree({"a": F}, exit_code=3)),  # it ended in another way
        (tree({}, exit_code=1), tree({}, exit_code=1)),  # no names are known
        (tree({"a": P}, exit_code=1), tree({"a": F})),  # that one passed
        (tree({"a": F}), tree({"a": F}, end=RunEnd.DEADLINE)),
    ],
)
def test_only_exactly_bases_own_failures_are_excused(base: CheckedTree, patched: CheckedTree) -> None:
    found = rules(judged(base=base, patched=patched, guarded=patched))
    assert "pre-existing-failures" not in {rule for rule, _ in found}
    assert Severity.BLOCKER in {severity for _, severity in found}


@pytest.mark.parametrize(
    ("task_type", "base", "patched", "found"),
    [
        ("test-fix", tree({"a": F}), tree({"a": F}), ("nothing-turned", Severity.BLOCKER)),
        ("bug-fix", tree({"a": F}), tree({"a": F}), ("nothing-turned", Severity.PERSON)),
        ("test-fix", tree({}, exit_code=1), tree({}, exit_code=1), ("nothing-turned", Severity.BLOCKER)),
        ("test-fix", GREEN, GREEN, ("nothing-to-turn", Severity.PERSON)),
        ("test-fix", tree({"a": F, "b": F}), tree({"a": P, "b": F}), None),  # one of two is mended
        ("test-fix", tree({}, exit_code=1), tree({}, exit_code=0), None),  # without names the check itself turned
        ("bug-fix", GREEN, GREEN, None),
    ],
)
def test_a_patch_that_mends_nothing_that_fails_does_not_pass_as_a_fix(
    task_type: str, base: CheckedTree, patched: CheckedTree, found: tuple[str, Severity] | None
) -> None:
    given = judged(task={"task_type": task_type}, base=base, patched=patched, guarded=patched)
    told = [(rule, severity) for rule, severity in rules(given) if rule.startswith("nothing-")]
    assert told == ([found] if found else [])


def test_a_check_that_policy_names_and_nobody_ran_blocks() -> None:
    nothing = CheckedTree(CheckRun(tree="t"))
    assert ("check-failed", Severity.BLOCKER) in rules(judged(patched=nothing, guarded=nothing, base=nothing))


@pytest.mark.parametrize("code", [126, 127])
def test_a_missing_command_says_whether_set_up_installed_anything(code: int) -> None:
    missing = tree({}, exit_code=code)
    given = {"patched": missing, "guarded": missing}
    assert "[setup]" in find(judged(**given))[0].message
    assert "[setup]" not in find(judged(**given, has_layer=True))[0].message


def test_the_agent_is_told_what_to_mend_in_bounded_plain_text() -> None:
    blocker = Finding(rule="check-failed", severity=Severity.BLOCKER, message="m", path="a.py", line=4)
    red = CheckedTree(tree({"a": F}).run, {}, {}, {"tests": "\x1b[31mred" + "y" * 100_000})
    text = feedback((blocker,), red, GREEN)
    assert text
    assert "a.py:4 m [check-failed]" in text
    assert len(text) <= MOST_CHARS + 50
    assert "\x1b" not in feedback((blocker,), CheckedTree(red.run, {}, {}, {"tests": "\x1b[31mred"}), GREEN)  # type: ignore[operator]
    assert feedback((blocker.model_copy(update={"severity": Severity.PERSON}),), red, GREEN) is None


@pytest.mark.parametrize(
    "path",
    [
        "alembic/versions/1_a.py",
        "shop/migrations/0002_price.py",
        "db/migrate/2024_add.rb",
        "db/schema.rb",
        "sql/V2__price.sql",
        "prisma/schema.prisma",
        "prisma/migrations/1/migration.sql",
        "api/migrations/1.js",
    ],
)
def test_a_migration_needs_a_person_since_taking_the_patch_back_does_not_undo_it(path: str) -> None:
    assert ("migration-changed", Severity.PERSON) in rules(judged(changes=(change(path),)))
    assert rules(judged(changes=(change("src/migrate.py"),))) == []


def lines_of(path: str, count: int, text: str = "x") -> tuple[PatchLine, ...]:
    return tuple(PatchLine(path, number + 1, text) for number in range(count))


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (lines_of("api/a_pb2.py", 400), "generated-bulk"),
        (lines_of("vendor/lib/a.go", 400), "generated-bulk"),
        ((PatchLine("a.go", 1, "// Code generated by x. DO NOT EDIT."), *lines_of("a.go", 400)), "generated-bulk"),
        (lines_of("web/app.js", 5, "x" * 4000), "minified"),
        (lines_of("web/app.min.js", 20, "x" * 4000), "generated-bulk"),
    ],
)
def test_bulk_that_nobody_wrote_needs_a_person(lines: tuple[PatchLine, ...], rule: str) -> None:
    assert (rule, Severity.PERSON) in rules(judged(added_lines=lines))


@pytest.mark.parametrize(
    "lines", [lines_of("src/a.py", 400), lines_of("api/a_pb2.py", 20), lines_of("a.svg", 9, "x" * 3000)]
)
def test_what_somebody_wrote_or_little_of_the_rest_is_nothing_unusual(lines: tuple[PatchLine, ...]) -> None:
    assert rules(judged(added_lines=lines)) == []


HEADER = {
    "licence_headers": (LicenceHeader(paths=("*.py", "*.js"), text="Copyright {year} Acme\nAll rights reserved"),)
}


@pytest.mark.parametrize(
    ("path", "lines", "missing"),
    [
        ("a.py", ["# Copyright 2026 Acme", "# All rights reserved", "x = 1"], False),
        ("a.js", ["/*", " * Copyright 2024-2026 Acme", " * All rights reserved", " */"], False),
        ("a.js", ["// copyright 2026 ACME all rights reserved"], False),
        ("a.py", ["x = 1"], True),
        ("a.py", ["# Copyright 20xx Acme", "# All rights reserved"], True),
        ("a.py", ["x = 1"] * 60 + ["# Copyright 2026 Acme", "# All rights reserved"], True),
        ("a.txt", ["x = 1"], False),
    ],
)
def test_a_new_file_without_the_licence_header_that_was_asked_for_goes_back(
    path: str, lines: list[str], missing: bool
) -> None:
    added = change(path, old_mode=ABSENT, new_size=9)
    text = tuple(PatchLine(path, number + 1, line) for number, line in enumerate(lines))
    found = rules(judged(changes=(added,), added_lines=text, policy=HEADER))
    assert (("licence-header-missing", Severity.BLOCKER) in found) is missing


def test_a_file_that_loses_its_licence_header_goes_back_and_one_that_changes_its_year_does_not() -> None:
    changes = (change("a.py", new_size=9),)
    had = tuple(PatchLine("a.py", n + 1, t) for n, t in enumerate(["# Copyright 2020 Acme", "# All rights reserved"]))
    has = (PatchLine("a.py", 1, "# Copyright 2026 Acme"), PatchLine("a.py", 2, "# All rights reserved"))
    lost = judged(changes=changes, removed_lines=had, policy=HEADER)
    assert ("licence-header-missing", Severity.BLOCKER) in rules(lost)
    assert rules(judged(changes=changes, removed_lines=had, added_lines=has, policy=HEADER)) == []


def test_a_licence_header_is_plain_text_that_no_repository_can_make_slow() -> None:
    text = "(a+)+$" * 50 + "{year}" * 20
    policy = {"licence_headers": (LicenceHeader(paths=("*",), text=text),)}
    lines = tuple(PatchLine("a.py", 1, "a" * 4000 + "1234 " * 400) for _ in range(40))
    began = time.monotonic()
    assert rules(judged(changes=(change("a.py", old_mode=ABSENT, new_size=9),), added_lines=lines, policy=policy))
    assert time.monotonic() - began < 5


def test_one_line_tells_people_how_it_stands() -> None:
    def of(patched: CheckedTree, **given: Any) -> str:
        run = patched.run
        return summary(
            Evidence(
                task_id="t", base_commit="b", head="h", policy_hash="p", base=run, guarded=run, patched=run, **given
            )
        )

    assert of(GREEN, turned=("a",)) == "1 test turned green, 1 of 1 pass"
    assert of(CheckedTree(CheckRun(tree="t"))) == "no checks"
    blocker = Finding(rule="x", severity=Severity.BLOCKER, message="m")
    assert of(tree({"a": F}), findings=(blocker, blocker)).endswith("checks fail: tests, 2 blockers")
    deep = of(GREEN, coverage=Coverage(statements=3, run=2), mutation=Mutation(lines=2, tried=4, noticed=1))
    assert deep == "1 of 1 pass, 2 of 3 changed statements run, 1 of 4 faults noticed"


async def test_a_look_that_breaks_is_told_and_the_rest_goes_on_but_a_host_that_is_out_of_order_is_not_hidden() -> None:
    async def broken(error: Exception) -> int:
        raise error

    looks = Looks()
    assert await looks.take("comparing tests", broken(KeyError("AKIAIOSFODNN7EXAMPLQ")), 7) == 7
    assert looks.glance("reading claims", lambda: int("no number"), 8) == 8
    told = [(found.rule, found.severity, found.message.partition(",")[0]) for found in looks.findings()]
    assert told == [
        ("detector-failed", Severity.PERSON, "comparing tests broke (KeyError)"),
        ("detector-failed", Severity.PERSON, "reading claims broke (ValueError)"),
    ]
    for error in (GitError("reading", "gone", 1), OSError("full")):
        with pytest.raises(type(error)):
            await looks.take("comparing tests", broken(error), 7)
