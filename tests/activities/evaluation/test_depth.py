"""A flaky test is told from a mended one, and changed code that no check runs or would miss is told with its lines."""

import ast
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.evaluation.depth import script_code
from activities.evaluation.depth.code import Changed, Mutant, Statement
from activities.evaluation.depth.deeper import Again
from activities.evaluation.depth.lines_run import covered, lines_run
from activities.evaluation.depth.mutants import MOST_FOR_A_LINE, MOST_TRIED, trials
from activities.evaluation.depth.probe_stage import INSIDE, RECORD, stage_probe
from activities.evaluation.depth.python_code import statements
from activities.evaluation.weakening import script_tests
from tests.activities.evaluation.court import CALC, MENDED, POLICY, SAMPLE, TESTS, Court, rules, script
from tests.activities.evaluation.test_findings import F, P, judged, tree
from tests.activities.evaluation.test_findings import rules as rules_of
from workflows.models.evidence import Coverage, Severity
from workflows.models.limits import Guarantees, Limits
from workflows.models.policy import Check

AGAIN = POLICY.model_copy(update={"repeats": 1})
DEEP = POLICY.model_copy(update={"repeats": 1, "mutation_seconds": 120})


async def test_a_mended_test_is_run_again_on_base_and_on_the_patch(court: Court) -> None:
    evidence = (await court.judge({"calc.py": MENDED}, policy=AGAIN)).evidence
    assert evidence.turned == ("tests.test_calc::test_add",)
    assert [run.passed for run in (*evidence.base_again, *evidence.patched_again)] == [False, True]
    assert (evidence.flaky, evidence.findings) == ((), ())


async def test_nothing_is_run_again_where_nothing_turned_or_broke(court: Court) -> None:
    evidence = (await court.judge({"README.md": "x"}, policy=AGAIN)).evidence
    assert (evidence.base_again, evidence.patched_again) == ((), ())


RUNS = {"base": tree({"a": F}), "patched": tree({"a": P}), "guarded": tree({"a": P})}


def test_a_test_that_passes_on_base_at_a_second_try_is_flaky_and_not_mended() -> None:
    again = Again(base=(tree({"a": P}),), patched=(tree({"a": P}),))
    assert ("flaky-test", Severity.PERSON) in rules_of(judged(**RUNS, again=again))
    steady = Again(base=(tree({"a": F}),), patched=(tree({"a": P}),))
    assert "flaky-test" not in [rule for rule, _ in rules_of(judged(**RUNS, again=steady))]


def test_a_test_that_fails_on_base_now_and_then_is_not_held_against_the_patch() -> None:
    runs = {"base": tree({"a": P}), "patched": tree({"a": F}), "guarded": tree({"a": F})}
    assert ("test-broken", Severity.BLOCKER) in rules_of(judged(**runs))
    again = Again(base=(tree({"a": F}),), patched=(tree({"a": F}),))
    found = rules_of(judged(**runs, again=again))
    assert ("flaky-test", Severity.PERSON) in found
    assert Severity.BLOCKER not in [severity for _, severity in found]


def test_a_test_that_the_patch_makes_flaky_still_blocks() -> None:
    runs = {"base": tree({"a": P}), "patched": tree({"a": F}), "guarded": tree({"a": F})}
    again = Again(base=(tree({"a": P}),), patched=(tree({"a": P}),))
    found = rules_of(judged(**runs, again=again))
    assert ("test-broken", Severity.BLOCKER) in found
    assert ("flaky-test", Severity.PERSON) in found


async def test_a_test_that_fails_by_chance_is_named_flaky_and_never_counts_as_turned(court: Court) -> None:
    # Its chance is the name of its checkout, by which a run tells itself from the others: base's first run fails.
    chance = "def test_a():\n    assert '.base-' not in open('/proc/self/mountinfo').read()\n"
    await court.order({}, files={"calc.py": MENDED, "tests/test_a.py": chance})
    evidence = (await court.judge({"calc.py": MENDED + "\n"}, policy=AGAIN)).evidence
    assert evidence.flaky == ("pytest: tests.test_a::test_a",)
    assert evidence.turned == ()
    assert rules(evidence, Severity.PERSON) == ["flaky-test"]


async def test_a_fault_in_what_was_mended_is_noticed(court: Court) -> None:
    judgement = await court.judge({"calc.py": MENDED}, policy=DEEP)
    evidence = judgement.evidence
    assert evidence.coverage == Coverage(statements=1, run=1)
    assert evidence.mutation is not None
    assert (evidence.mutation.tried, evidence.mutation.noticed, evidence.findings) == (1, 1, ())
    assert judgement.summary == "1 test turned green, 2 of 2 pass, 1 of 1 changed statements run, 1 of 1 faults noticed"
    # The watched run is at once the further run of the patch.
    assert len(evidence.patched_again) == 1


async def test_changed_code_that_no_test_would_miss_is_told_with_its_line(court: Court) -> None:
    source = MENDED + "\n\ndef half(a):\n    b = a / 2\n    return b\n"
    tests = TESTS + "\n\ndef test_half():\n    from calc import half\n    half(4)\n"
    evidence = (await court.judge({"calc.py": source, "tests/test_calc.py": tests}, policy=DEEP)).evidence
    survived = [found for found in evidence.findings if found.rule == "mutant-survived"]
    assert [(found.path, found.line) for found in survived] == [("calc.py", 11)]
    assert "a / 2" in survived[0].message or "return None" in survived[0].message
    assert all(found.severity is Severity.NOTE for found in survived)


async def test_where_no_fault_at_all_is_noticed_a_person_has_to_look(court: Court) -> None:
    await court.order(
        {}, files={"calc.py": MENDED, "tests/test_calc.py": "import calc\n\n\ndef test_a():\n    calc.add(1, 2)\n"}
    )
    evidence = (await court.judge({"calc.py": MENDED.replace("a + b", "b + a")}, policy=DEEP)).evidence
    assert rules(evidence, Severity.PERSON) == ["no-mutant-noticed"]
    assert evidence.mutation is not None
    assert evidence.mutation.noticed == 0


async def test_changed_lines_that_no_check_runs_are_told(court: Court) -> None:
    source = MENDED + "\n\ndef half(a):\n    b = a / 2\n    return b\n"
    evidence = (await court.judge({"calc.py": source}, policy=DEEP)).evidence
    # `def` runs when the module is read, and so does the mended line; the body does not.
    assert evidence.coverage == Coverage(statements=4, run=2)
    missed = next(found for found in evidence.findings if found.rule == "lines-not-run")
    assert (missed.path, missed.line, missed.severity) == ("calc.py", 10, Severity.NOTE)
    assert "lines 10-11" in missed.message


async def test_a_patch_of_which_nothing_is_run_is_for_a_person(court: Court) -> None:
    await court.order({}, files={**SAMPLE, "calc.py": MENDED, "other.py": "x = 1\n"})
    evidence = (await court.judge({"other.py": "x = 2\ny = 3\n"}, policy=DEEP)).evidence
    assert rules(evidence, Severity.PERSON) == ["changed-code-not-run"]
    assert evidence.mutation is not None
    assert evidence.mutation.tried == 0


async def test_a_check_that_starts_no_python_is_said_not_to_be_watched(court: Court) -> None:
    evidence = (await court.judge({"calc.py": MENDED}, policy=script("true", mutation_seconds=60))).evidence
    assert evidence.coverage is not None
    assert "no check starts a program" in evidence.coverage.unknown
    assert evidence.mutation is not None
    assert evidence.mutation.tried == 0
    assert evidence.findings == ()


async def test_a_tool_that_watches_by_itself_makes_coverage_unknown_and_not_wrong(court: Court) -> None:
    tests = TESTS + "\n\nimport sys\nsys.settrace(lambda *_: None)\n"
    evidence = (await court.judge({"calc.py": MENDED, "tests/test_calc.py": tests}, policy=DEEP)).evidence
    assert evidence.coverage is not None
    assert evidence.coverage.unknown
    assert "lines-not-run" not in rules(evidence)


async def test_no_time_for_it_is_spent_on_a_patch_that_goes_back(court: Court) -> None:
    evidence = (await court.judge({"calc.py": MENDED.replace("2 * a", "3 * a")}, policy=DEEP)).evidence
    assert evidence.blocked
    assert (evidence.coverage, evidence.mutation) == (None, None)


async def test_faults_end_with_the_time_that_policy_gives_and_say_so(court: Court) -> None:
    policy = script("python3 -c 'import calc; assert calc.add(1, 2) == 3'; sleep 1", mutation_seconds=5)
    source = MENDED + "".join(f"\nx{n} = {n} + 1" for n in range(10)) + "\n"
    evidence = (await court.judge({"calc.py": source}, policy=policy)).evidence
    assert evidence.mutation is not None
    assert evidence.mutation.tried < 10
    assert "mutation_seconds" in evidence.mutation.stopped


async def test_a_fault_that_makes_a_check_hang_counts_as_noticed(court: Court) -> None:
    head = "def add(a, b):\n    n = 0\n    while n < 3:\n        n = n + 1\n    return a + b\n"
    loop = head + "\n\ndef double(a):\n    return 2 * a\n"
    policy = DEEP.model_copy(update={"check_limits": Limits(wall_seconds=60)})
    evidence = (await court.judge({"calc.py": loop}, policy=policy)).evidence
    assert evidence.mutation is not None
    assert evidence.mutation.noticed >= 1


async def test_a_step_that_starts_again_goes_on_among_its_faults_and_comes_to_the_same(court: Court) -> None:
    source = MENDED.replace("2 * a", "a + a")
    order = await court.order({"calc.py": source}, policy=DEEP)
    bench = court.bench(order)
    first = asyncio.create_task(court.evaluator.judge(order, bench, Guarantees()))
    async with asyncio.timeout(120):
        while not any(".mutant0x" in run for run in court.sandboxes.known_runs()):
            await asyncio.sleep(0.02)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    evidence = (await court.evaluator.judge(order, bench, Guarantees())).evidence
    assert evidence.mutation is not None
    assert (evidence.mutation.tried, evidence.mutation.noticed) == (2, 2)
    await court.checks.clear(bench)
    assert [run for run in court.sandboxes.known_runs() if run.startswith(court.name)] == []


async def test_a_path_that_can_t_be_told_to_the_probe_is_left_out_and_breaks_nothing(court: Court) -> None:
    def plant(work: Path) -> None:
        (work / "calc.py").write_text(MENDED)
        with open(bytes(work) + b"/caf\xe9.py", "wb") as file:
            file.write(b"x = 1\n")
        (work / "a\nb.py").write_text("x = 1\n")
        (work / "latin.py").write_bytes(b"# coding: latin-1\nx = '\xe9'\n")

    evidence = (await court.judge(plant, policy=DEEP)).evidence
    assert evidence.coverage == Coverage(statements=1, run=1)


async def test_notes_that_a_patch_brings_along_are_not_what_was_seen(court: Court) -> None:
    forged = {"calc.py": MENDED + "\n\ndef half(a):\n    return a / 2\n", f"{RECORD}/x": "watching\n10 calc.py\n"}
    evidence = (await court.judge(forged, policy=DEEP)).evidence
    assert evidence.coverage is not None
    assert evidence.coverage.run < evidence.coverage.statements
    assert "lines-not-run" in rules(evidence)


async def test_several_checks_are_watched_together_and_the_first_that_fails_notices(court: Court) -> None:
    other = Check(name="other", command="python3 -c 'import calc; calc.double(2)'")
    policy = DEEP.model_copy(update={"checks": (other, POLICY.checks[0])})
    evidence = (await court.judge({"calc.py": MENDED}, policy=policy)).evidence
    assert evidence.coverage == Coverage(statements=1, run=1)
    assert evidence.mutation is not None
    assert (evidence.mutation.tried, evidence.mutation.noticed) == (1, 1)


async def test_nothing_of_the_deeper_look_is_left_on_the_host(court: Court) -> None:
    await court.judge({"calc.py": MENDED}, policy=DEEP)
    assert [name for name in court.workspaces.names() if name.startswith(court.name)] == []
    assert [run for run in court.sandboxes.known_runs() if run.startswith(court.name)] == []


async def test_the_repository_s_own_sitecustomize_still_counts(court: Court) -> None:
    command = "PYTHONPATH=$PYTHONPATH:/work/site python3 -c 'import builtins; assert builtins.theirs == 1'"
    await court.order({}, files={"calc.py": CALC, "site/sitecustomize.py": "import builtins\nbuiltins.theirs = 1\n"})
    evidence = (await court.judge({"calc.py": MENDED}, policy=script(command, mutation_seconds=60))).evidence
    assert evidence.patched.passed
    assert evidence.coverage is not None
    assert evidence.coverage.unknown == ""


SCRIPT = "exports.add = (a, b) => a - b;\nexports.half = (a) => {\n  return a / 2;\n};\n"
SCRIPT_TEST = (
    'const { test } = require("node:test"); const assert = require("node:assert");\n'
    'const { add } = require("./calc");\ntest("add", () => assert.strictEqual(add(2, 3), 5));\n'
)
NODE = script("node --test", mutation_seconds=120)
needs_node = pytest.mark.skipif(not Path("/usr/bin/node").exists(), reason="Debian's node is not installed")


@needs_node
async def test_changed_javascript_that_no_check_runs_or_would_miss_is_told(court: Court) -> None:
    await court.order({}, files={"calc.js": SCRIPT, "calc.test.js": SCRIPT_TEST})
    mended = SCRIPT.replace("a - b", "a + b").replace("a / 2", "a * 0.5")
    evidence = (await court.judge({"calc.js": mended}, policy=NODE)).evidence
    # The line with `add` is two: what is exported when the module is loaded, and what the function returns.
    assert evidence.coverage == Coverage(statements=3, run=2)
    missed = next(found for found in evidence.findings if found.rule == "lines-not-run")
    assert (missed.path, missed.line) == ("calc.js", 3)
    assert evidence.mutation is not None
    assert (evidence.mutation.lines, evidence.mutation.noticed) == (1, 1)


@needs_node
async def test_javascript_that_no_test_would_miss_is_told_with_its_line(court: Court) -> None:
    tests = SCRIPT_TEST + 'test("half", () => { require("./calc").half(4); });\n'
    await court.order({}, files={"calc.js": SCRIPT, "calc.test.js": tests})
    mended = SCRIPT.replace("a - b", "a + b").replace("a / 2", "a * 0.5")
    evidence = (await court.judge({"calc.js": mended}, policy=NODE)).evidence
    survived = [(found.path, found.line) for found in evidence.findings if found.rule == "mutant-survived"]
    assert survived == [("calc.js", 3)]


@needs_node
async def test_javascript_that_is_translated_before_it_runs_is_not_measured(court: Court) -> None:
    # As transpilers do: what runs under the file's address is another text.
    test = (
        'const vm = require("node:vm"), fs = require("node:fs"), url = require("node:url");\n'
        'const source = "/* header */" + fs.readFileSync("calc.js", "utf8");\n'
        'vm.runInThisContext(`(exports => {${source}})`, { filename: url.pathToFileURL("calc.js").href })({});\n'
    )
    await court.order({}, files={"calc.js": SCRIPT, "calc.test.js": test})
    evidence = (await court.judge({"calc.js": SCRIPT.replace("a - b", "a + b")}, policy=NODE)).evidence
    assert evidence.coverage is not None
    assert "could be watched" in evidence.coverage.unknown
    assert "lines-not-run" not in rules(evidence)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["result", "url", "functions", "ranges", "startOffset"]), inner, max_size=3
            )
        ),
        max_leaves=12,
    )
)
def test_counts_that_node_did_not_write_are_read_without_an_error(written: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / RECORD).mkdir()
        for name, content in (("a.json", json.dumps(written)), ("b.json", json.dumps({"result": [written]}))):
            (Path(folder) / RECORD / name).write_text(content)
        assert lines_run([Path(folder)], {"a.js": Changed("a.js", b"", ())}).unknown


def test_each_fault_in_javascript_is_a_program() -> None:
    source = "const f = (a, b) => {\n  if (a > b && !c) { return 'é' + (a * 2); }\n  g(a === 3 ?? b);\n  throw a;\n};\n"
    faults = [mutant for each in script_code.statements(source, ".js", range(1, 9)) for mutant in each.mutants]
    assert len(faults) > 6
    for fault in faults:
        mutated = fault.applied(source.encode()).decode()
        assert mutated != source
        assert not script_tests.units(mutated.encode(), ".js")[0].is_test


def watch(folder: Path, program: str, *watched: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program with the probe, which takes /work for the checkout; another path is put in its place."""
    staged = stage_probe(folder / "state")
    probe = folder / "probe"
    probe.mkdir()
    text = (staged / "sitecustomize.py").read_text().replace('"/work"', repr(str(folder)))
    (probe / "sitecustomize.py").write_text(text)
    environment = {"PYTHONPATH": str(probe), "JOURNEYMAN_PROBE": "\n".join(watched), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, check=False
    )


def test_the_probe_notes_threads_forks_and_processes_that_end_at_once(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        "def a():\n    return 1\n\n\ndef b():\n    return 2\n\n\ndef c():\n    return 3\n"
    )
    program = (
        "import os, sys, threading; sys.path.insert(0, '.'); import importlib; code = importlib.import_module('code_')"
    ).replace("code_", "sample")
    (tmp_path / "code.py").rename(tmp_path / "sample.py")
    program += (
        "; t = threading.Thread(target=code.a); t.start(); t.join(); pid = os.fork()"
        "; (code.b(), os._exit(0)) if pid == 0 else os.waitpid(pid, 0)"
    )
    done = watch(tmp_path, program, "sample.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    run = lines_run([tmp_path], {"sample.py": Changed("sample.py", b"", ())})
    assert run.unknown == ""
    assert run.places["sample.py"] == {1, 2, 5, 6, 9}


CALC_CODE = {"calc.py": Changed("calc.py", b"", ())}


def test_notes_that_code_under_test_forged_neither_lead_elsewhere_nor_fill_memory(tmp_path: Path) -> None:
    folder = tmp_path / RECORD
    folder.mkdir()
    (folder / "a").write_bytes(
        b"watching\n" + b"1 calc.py\n99999999999999 calc.py\nx calc.py\n2 ../../etc/passwd\n\xff\n" * 9
    )
    assert lines_run([tmp_path], CALC_CODE).places == {"calc.py": {1}}
    (folder / "b").symlink_to("/etc/passwd")
    assert lines_run([tmp_path], CALC_CODE).unknown
    (folder / "b").unlink()
    (folder / "big").write_bytes(b"1 calc.py\n" * 4_000_000)
    assert lines_run([tmp_path], CALC_CODE).unknown
    assert covered({}, lines_run([tmp_path], CALC_CODE)).unknown


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "1", "2.5", "True", "'é'", "f(a)", "x[0]"]),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "==", "<", "and", "or", "in", "%"]), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    ),
    max_leaves=6,
)
BODIES = st.lists(
    st.one_of(
        EXPRESSIONS.map(lambda text: f"x = {text}"),
        EXPRESSIONS.map(lambda text: f"if {text}:\n        y = 1  # é"),
        EXPRESSIONS.map(lambda text: f"return {text}"),
        EXPRESSIONS.map(lambda text: f"log('é', {text}); z = {text}"),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(BODIES)
def test_each_fault_is_a_program_that_differs_from_the_patch_in_its_own_statement_alone(body: list[str]) -> None:
    source = "def f(a, b):\n" + "".join(f"    {line}\n" for line in body)
    lines = source.encode().splitlines()
    for statement in statements(source, range(1, len(lines) + 1)):
        for mutant in statement.mutants:
            mutated = mutant.applied(source.encode())
            assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(source))
            changed = mutated.splitlines()
            assert changed[: statement.line - 1] == lines[: statement.line - 1]
            rest = len(lines) - max(statement.end, mutant.last + 1)
            assert not rest or changed[-rest:] == lines[-rest:]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5), st.booleans()), max_size=80))
def test_time_is_spread_over_lines_and_a_line_is_done_with_once_a_fault_is_noticed(
    made: list[tuple[int, int, bool]],
) -> None:
    fault = Mutant(0, 0, 0, 0, "", "a fault")
    code = {"a.py": tuple(Statement(line, line, (fault,) * count) for line, count, _ in made)}
    noticing = {line for line, _, notices in made if notices}
    told = trials(code, {"a.py": {line for line, _, _ in made}})
    order = []
    for place, mutant in told.next_ones():
        assert place not in told.noticed
        order.append(place)
        told.tell(place, mutant, place[1] in noticing)
    assert len(order) <= MOST_TRIED
    assert all(order.count(place) <= MOST_FOR_A_LINE for place in order)
    result = told.result()
    assert result.noticed + len(list(told.unnoticed())) == result.lines
    assert bool(result.stopped) <= (result.tried == MOST_TRIED)


def test_no_fault_is_put_into_what_was_not_run() -> None:
    code = {"a.py": statements("x = 1 + 2\ny = 3\n", [1, 2])}
    assert {place for place, _ in trials(code, {"a.py": {2}}).next_ones()} == {("a.py", 2)}
    assert list(trials(code, {}).next_ones()) == []


@pytest.mark.parametrize("text", ['"""Doc."""', "global x", "x: int"])
def test_what_never_runs_is_not_counted_as_code(text: str) -> None:
    source = f"def f():\n    {text}\n    return 1\n"
    assert len(statements(source, [2])) == int(text == "x: int")


def test_the_probe_is_staged_once_and_open_to_sandboxes(tmp_path: Path) -> None:
    first = stage_probe(tmp_path)
    assert stage_probe(tmp_path) == first
    assert (first / "sitecustomize.py").stat().st_mode & 0o777 == 0o644
    assert INSIDE.startswith("/opt/journeyman/")
