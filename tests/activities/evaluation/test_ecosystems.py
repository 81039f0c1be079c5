"""Repositories in other languages are judged by their own test runner, in the sandbox, without configuration."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activities.policy.detect import detect
from activities.sandbox.host import BubblewrapSandboxes
from activities.sandbox.stage import stage_runtime
from tests.activities.evaluation.court import POLICY, Court
from workflows.models.limits import Guarantees

NPM = {
    "package.json": '{"name": "calc", "version": "1.0.0", "scripts": {"test": "node --test"}}',
    "calc.js": "exports.add = (a, b) => a - b;\n",
    "calc.test.js": 'const { test } = require("node:test"); const assert = require("node:assert");\n'
    'const { add } = require("./calc");\ntest("add", () => assert.strictEqual(add(2, 3), 5));\n',
}
GO = {
    "go.mod": "module calc\n\ngo 1.19\n",
    "calc.go": "package calc\n\nfunc Add(a, b int) int { return a - b }\n",
    "calc_test.go": 'package calc\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n'
    '\tif Add(2, 3) != 5 {\n\t\tt.Fatal("wrong")\n\t}\n}\n',
}
CARGO = {
    "Cargo.toml": '[package]\nname = "calc"\nversion = "0.1.0"\nedition = "2021"\n',
    "Cargo.lock": 'version = 3\n\n[[package]]\nname = "calc"\nversion = "0.1.0"\n',
    "src/lib.rs": "pub fn add(a: i64, b: i64) -> i64 {\n    a - b\n}\n",
    "tests/calc.rs": "#[test]\nfn adds() {\n    assert_eq!(calc::add(2, 3), 5);\n}\n",
    ".gitignore": "target/\n",
}
MAKE = {
    "Makefile": 'test:\n\t[ "$$(sh add.sh 2 3)" = 5 ]\n',
    "add.sh": "echo $(($1 - $2))\n",
}
ECOSYSTEMS = {
    "npm test": ("npm", NPM, "calc.js"),
    "go test": ("go", GO, "calc.go"),
    "cargo test": ("cargo", CARGO, "src/lib.rs"),
    "make test": ("make", MAKE, "add.sh"),
}
MENDED = {"a - b": "a + b", "$1 - $2": "$1 + $2"}


@pytest.fixture
async def court(state: Path) -> AsyncIterator[Court]:
    sandboxes = BubblewrapSandboxes(state / "runs", stage_runtime(state))
    court = Court(Path(tempfile.mkdtemp(prefix="court-", dir=state)), sandboxes)
    yield court
    await court.close()


@pytest.mark.parametrize("check", ECOSYSTEMS)
async def test_a_mended_repository_is_told_from_a_broken_one(court: Court, check: str) -> None:
    program, files, source = ECOSYSTEMS[check]
    if not Path("/usr/bin", program).exists():
        pytest.skip(f"Debian's {program} is not installed: `make system-deps` installs it")
    found = detect(files, lambda path: files[path].encode())
    assert [one.name for one in found.checks] == [check]
    mended = files[source]
    for broken, right in MENDED.items():
        mended = mended.replace(broken, right)
    policy = POLICY.model_copy(update={"checks": found.checks})
    order = await court.order({source: mended}, files=files, policy=policy)
    evidence = (await court.evaluator.judge(order, court.bench(order), Guarantees())).evidence
    output = [outcome for outcome in evidence.patched.outcomes if not outcome.passed]
    assert not evidence.base.passed
    assert evidence.patched.passed, output
    assert not evidence.blocked
