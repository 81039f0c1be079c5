"""A patch is judged by what base asks of it, and no patch gets through by changing what it is asked."""

import asyncio
import json
from pathlib import Path

import pytest

from activities.evaluation.checks import ChecksInterrupted
from activities.policy.detect import JUNIT
from tests.activities.evaluation.court import CALC, MENDED, POLICY, SAMPLE, TESTS, Court, rules, script
from workflows.models.evidence import CheckRun, Evidence, Severity
from workflows.models.limits import Guarantees, Limits
from workflows.models.policy import Check
from workflows.models.run import RunEnd


async def test_a_mended_bug_is_seen_as_one_test_turned_green(court: Court) -> None:
    judgement = await court.judge({"calc.py": MENDED})
    evidence = judgement.evidence
    assert evidence.findings == ()
    assert not evidence.blocked
    assert evidence.turned == ("tests.test_calc::test_add",)
    assert judgement.summary == "1 test turned green, 2 of 2 pass"
    assert judgement.feedback is None
    assert (evidence.files, evidence.added, evidence.removed) == (1, 1, 1)
    assert [run.passed for run in (evidence.base, evidence.guarded, evidence.patched)] == [False, True, True]


async def test_a_patch_that_breaks_a_test_goes_back_with_what_failed(court: Court) -> None:
    judgement = await court.judge({"calc.py": MENDED.replace("2 * a", "3 * a")})
    assert set(rules(judgement.evidence, Severity.BLOCKER)) == {"check-failed", "test-broken"}
    assert judgement.feedback
    assert "test_double" in judgement.feedback
    assert "assert 12 == 8" in judgement.feedback


async def test_what_was_red_before_and_stays_red_does_not_block(court: Court) -> None:
    judgement = await court.judge({"README.md": "Calculator\n"})
    assert rules(judgement.evidence) == ["nothing-turned", "pre-existing-failures"]
    assert not judgement.evidence.blocked


async def test_a_new_failure_beside_an_old_one_blocks(court: Court) -> None:
    judgement = await court.judge({"tests/test_more.py": "def test_more():\n    assert False\n"})
    assert "check-failed" in rules(judgement.evidence, Severity.BLOCKER)


async def test_turning_a_test_green_by_changing_it_needs_a_person(court: Court) -> None:
    judgement = await court.judge({"tests/test_calc.py": TESTS.replace("== 4", "== 0").replace("== 5", "== -1")})
    found = rules(judgement.evidence, Severity.PERSON)
    assert sorted(found) == ["expected-value-changed", "expected-value-changed", "passes-only-with-its-own-tests"]


async def test_a_deleted_test_needs_a_person_although_every_check_passes(court: Court) -> None:
    judgement = await court.judge({"tests/test_calc.py": TESTS.split("\n\n\ndef test_double")[0], "calc.py": MENDED})
    assert judgement.evidence.patched.passed
    assert rules(judgement.evidence) == ["test-vanished"]
    assert "test_double" in judgement.evidence.findings[0].message


async def test_a_skipped_test_needs_a_person(court: Court) -> None:
    skipped = TESTS.replace("def test_add", "import pytest\n@pytest.mark.skip\ndef test_add")
    judgement = await court.judge({"tests/test_calc.py": skipped})
    assert "test-skipped" in rules(judgement.evidence, Severity.PERSON)


async def test_a_conftest_that_makes_everything_pass_is_taken_out_of_the_guarded_run(court: Court) -> None:
    forging = (
        "import pytest\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    result = yield\n    result.get_result().outcome = 'passed'\n"
    )
    judgement = await court.judge({"conftest.py": forging})
    assert judgement.evidence.patched.passed
    assert not judgement.evidence.guarded.passed
    found = rules(judgement.evidence, Severity.PERSON)
    assert "passes-only-with-its-own-tests" in found
    assert "check-definition-changed" in found


async def test_a_module_that_takes_the_test_runners_place_is_taken_out_of_the_guarded_run(court: Court) -> None:
    judgement = await court.judge({"pytest.py": "print('all good')\n"})
    assert judgement.evidence.patched.passed
    assert not judgement.evidence.guarded.passed
    assert "check-definition-changed" in rules(judgement.evidence, Severity.PERSON)


async def test_a_report_that_was_committed_does_not_count_as_this_runs(court: Court) -> None:
    forged = '<testsuite><testcase classname="tests.test_calc" name="test_add"/></testsuite>'
    policy = POLICY.model_copy(update={"checks": (Check(name="fake", command="true", junit=JUNIT),)})
    judgement = await court.judge({JUNIT: forged}, policy=policy)
    assert judgement.evidence.patched.outcomes[0].tests == 0
    assert "no-test-report" in rules(judgement.evidence, Severity.PERSON)


async def test_deleting_everything_is_not_a_pass(court: Court) -> None:
    def delete(work: Path) -> None:
        for path in work.rglob("*"):
            if path.is_file() and ".git" not in path.parts:
                path.unlink()

    judgement = await court.judge(delete)
    assert judgement.evidence.blocked
    assert "test-vanished" in rules(judgement.evidence)


async def test_a_check_that_hangs_is_ended_and_named(court: Court) -> None:
    policy = script("[ ! -e hang ] || sleep 60", check_limits=Limits(wall_seconds=1))
    judgement = await court.judge({"hang": ""}, policy=policy)
    assert rules(judgement.evidence) == ["check-hung"]
    assert judgement.evidence.patched.outcomes[0].end is RunEnd.DEADLINE
    assert "did not end within 1 s" in judgement.evidence.findings[0].message


async def test_a_check_that_is_not_there_is_named_as_that(court: Court) -> None:
    judgement = await court.judge({"README.md": "x"}, policy=script("no-such-program --test"))
    assert rules(judgement.evidence) == ["check-never-found", "nothing-turned"]
    # Nothing to tell an agent, who can't mend it: a person is asked at once.
    assert judgement.evidence.blocked
    assert judgement.feedback is None
    assert "[setup]" in judgement.evidence.findings[0].message
    assert "fails on base too" in judgement.evidence.findings[0].message


async def test_without_names_a_red_check_that_was_red_before_still_blocks(court: Court) -> None:
    judgement = await court.judge({"README.md": "x"}, policy=script("exit 1"))
    assert rules(judgement.evidence) == ["check-failed", "nothing-turned"]


async def test_a_repository_without_checks_needs_a_person_for_every_patch(court: Court) -> None:
    judgement = await court.judge({"README.md": "x"}, policy=POLICY.model_copy(update={"checks": ()}))
    assert rules(judgement.evidence) == ["no-checks"]
    assert judgement.summary.startswith("no checks")
    assert not judgement.evidence.patched.passed


async def test_checks_have_no_network(court: Court) -> None:
    listing = "import socket; names = [name for _, name in socket.if_nameindex()]; assert names == ['lo'], names"
    judgement = await court.judge({"README.md": "x"}, policy=script(f'python3 -c "{listing}"'))
    assert judgement.evidence.patched.passed


async def test_trees_that_are_equal_are_run_once(court: Court) -> None:
    await court.order({"calc.py": MENDED})
    judgement = await court.judge({"calc.py": MENDED}, policy=script("date +%N"))
    assert judgement.evidence.guarded == judgement.evidence.patched


async def test_a_base_that_was_judged_is_not_run_again(court: Court) -> None:
    first = await court.judge({"calc.py": CALC.replace("a - b", "a * b")})
    second = await court.judge({"calc.py": MENDED}, base_run=first.evidence.base)
    assert second.evidence.base == first.evidence.base
    assert second.evidence.turned == ("tests.test_calc::test_add",)
    other = await court.judge({"calc.py": MENDED}, base_run=first.evidence.base, policy=script("true"))
    assert [outcome.name for outcome in other.evidence.base.outcomes] == ["script"]


async def test_tests_of_several_checks_are_told_apart(court: Court) -> None:
    again = Check(name="again", command=POLICY.checks[0].command, junit=JUNIT)
    policy = POLICY.model_copy(update={"checks": (POLICY.checks[0], again)})
    first = await court.judge({"calc.py": MENDED}, policy=policy)
    assert first.evidence.turned == ("again: tests.test_calc::test_add", "pytest: tests.test_calc::test_add")
    reused = await court.judge({"calc.py": MENDED}, policy=policy, base_run=first.evidence.base)
    assert reused.evidence.turned == first.evidence.turned


async def test_the_evidence_and_what_the_agent_is_told_are_on_record(court: Court) -> None:
    order = await court.order({"calc.py": CALC.replace("2 * a", "3 * a")})
    evaluation = await court.evaluator.evaluate(order, court.bench(order), Guarantees())
    evidence = Evidence.model_validate_json(await court.artifacts.get(evaluation.evidence))
    assert evidence.digest() == evaluation.evidence_hash
    assert evaluation.blocked
    assert evaluation.feedback
    assert b"test_double" in await court.artifacts.get(evaluation.feedback)
    assert evidence.patched.tests
    tests = json.loads(await court.artifacts.get(evidence.patched.tests))
    assert tests == {"tests.test_calc::test_add": "failed", "tests.test_calc::test_double": "failed"}
    assert not [name for name in court.workspaces.names() if name.startswith(court.name)]
    assert not [run for run in court.sandboxes.known_runs() if run.startswith(court.name)]


async def test_a_step_that_starts_again_finds_the_check_that_still_runs(court: Court) -> None:
    # The check counts its starts in the checkout, and waits until it is told to go on.
    policy = script("echo started >> count; while [ ! -e go-on ]; do sleep 0.05; done; cat count")
    order = await court.order({"README.md": "x"}, policy=policy)
    bench = court.bench(order)
    first = asyncio.create_task(court.evaluator.judge(order, bench, Guarantees()))
    checkout = court.workspaces.path(f"{bench.name}.base-0")
    async with asyncio.timeout(30):
        while not (checkout / "count").exists():
            await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert court.sandboxes.live_runs()
    second = asyncio.create_task(court.evaluator.judge(order, bench, Guarantees()))
    async with asyncio.timeout(60):
        while not second.done():
            for label in ("base", "guarded", "patched"):
                folder = court.workspaces.path(f"{bench.name}.{label}-0")
                if (folder / "count").exists():
                    (folder / "go-on").touch()
            await asyncio.sleep(0.05)
    evidence = (await second).evidence
    assert evidence.base.passed
    assert evidence.base.outcomes[0].output
    assert await court.artifacts.get(evidence.base.outcomes[0].output) == b"started\n"


async def test_a_check_that_somebody_stopped_is_no_evidence_and_is_run_anew(court: Court) -> None:
    order = await court.order({"README.md": "x"}, policy=script("touch begun; sleep 60"))
    bench = court.bench(order)
    judging = asyncio.create_task(court.evaluator.judge(order, bench, Guarantees()))
    async with asyncio.timeout(30):
        while not (court.workspaces.path(f"{bench.name}.base-0") / "begun").exists():
            await asyncio.sleep(0.05)
    await court.sandboxes.stop(f"{bench.name}.base-0", "halt")
    with pytest.raises(ChecksInterrupted, match="script"):
        await judging
    quick = order.model_copy(update={"prepared": order.prepared.model_copy(update={"policy": script("true")})})
    judgement = await court.evaluator.judge(quick, bench, Guarantees())
    assert judgement.evidence.base.passed
    await court.checks.clear(bench)
    assert not [run for run in court.sandboxes.known_runs() if run.startswith(court.name)]


@pytest.mark.parametrize("planted", ["file", "folder", "pipe"])
async def test_a_report_that_is_a_trap_is_not_followed(court: Court, planted: str) -> None:
    secret = court.folder / "secret.xml"
    secret.write_text('<testsuite><testcase name="of the host"/></testsuite>')
    command = {
        "file": f"ln -s {secret} report.xml",
        "folder": f"ln -s {court.folder} sub; true",
        "pipe": "mkfifo report.xml",
    }[planted]
    junit = "sub/secret.xml" if planted == "folder" else "report.xml"
    policy = POLICY.model_copy(update={"checks": (Check(name="trap", command=command, junit=junit),)})
    judgement = await court.judge({"README.md": "x"}, policy=policy)
    assert judgement.evidence.patched.outcomes[0].tests == 0
    assert rules(judgement.evidence) == ["no-test-report", "no-test-report"]


async def test_a_flood_of_output_neither_fills_the_record_nor_hides_its_end(court: Court) -> None:
    judgement = await court.judge(
        {"flood": ""}, policy=script("[ ! -e flood ] || { yes | head -c 20000000; echo the-end; exit 1; }")
    )
    output = judgement.evidence.patched.outcomes[0].output
    assert output
    assert output.size <= 1024 * 1024
    assert judgement.feedback
    assert "the-end" in judgement.feedback
    assert len(judgement.feedback) < 20_000


async def test_files_with_odd_names_are_judged_like_any_other(court: Court) -> None:
    def plant(work: Path) -> None:
        (work / "a\nb.txt").write_text("x\n")
        (work / "tests" / 'quote".py').write_text("x = 1\n")
        with open(bytes(work) + b"/caf\xe9.txt", "wb") as file:
            file.write(b"\xff\x00\n")

    judgement = await court.judge(plant)
    assert rules(judgement.evidence).count("odd-path") == 2
    judgement.evidence.digest()
    Evidence.model_validate_json(judgement.evidence.model_dump_json())


async def test_an_unchanged_sample_is_what_these_tests_take_it_for(court: Court) -> None:
    judgement = await court.judge({"README.md": "y"})
    assert judgement.evidence.base.outcomes[0].failed == ("tests.test_calc::test_add",)
    assert set(SAMPLE) == {"calc.py", "tests/test_calc.py", "conftest.py", "README.md"}


def test_evidence_that_is_older_than_a_field_keeps_its_hash_and_a_new_one_s_counts() -> None:
    run = CheckRun(tree="t")
    old = Evidence(
        task_id="t1", base_commit="b", head="h", policy_hash="p", base=run, guarded=run, patched=run, turned=("a",)
    )  # fmt: skip
    # As it was put on record before evidence said what made its sandboxes.
    assert old.digest() == "0878c67a219be961619a4a64ecaffa2a1bc5b5e56e2fcc27f156be228b291dd6"
    new = old.model_copy(update={"backend": "container", "runtime": "runc of Podman 4.3.1"})
    assert len({old.digest(), new.digest(), new.model_copy(update={"backend": "bubblewrap"}).digest()}) == 3
    assert Evidence.model_validate_json(new.model_dump_json()).digest() == new.digest()
