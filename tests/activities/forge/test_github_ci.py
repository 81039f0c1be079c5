"""What GitHub's CI says of a commit: all of it, cut and redacted, and nothing that says nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.forge.github.access import GitHubAccess
from activities.forge.github.ci import CiReader
from activities.forge.github.failed import GitHubUnavailable
from activities.gate.ci_observations import ci_observations, signal_name
from activities.policy.github_table import GitHubTable
from tests.support.github.checks import set_check, start_check
from tests.support.github.conforming import conforming_github
from tests.support.github.faults import Trouble
from tests.support.github.stand_in import GitHub, InstalledApp
from workflows.models.ci import CiOutcome, CiReport

SHOP = "acme/shop"


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        server.repository(SHOP)
        yield server


@pytest.fixture(scope="module")
def app(github: GitHub) -> InstalledApp:
    return github.install("journeyman", account="acme")


def access(github: GitHub, app: InstalledApp, place: Path) -> GitHubAccess:
    key = place / f"{app.app.slug}.pem"
    key.write_text(app.private_key)
    table = GitHubTable(web=github.web, app_id=app.app.id, private_key=key)
    return GitHubAccess(lambda: table)


def reader(github: GitHub, app: InstalledApp, place: Path) -> CiReader:
    asked = access(github, app, place)
    return CiReader(asked.blocking_repository(f"{github.web}/{SHOP}"), asked.known, app.app.id)


@pytest.fixture
def commit(github: GitHub) -> str:
    return github.commit(SHOP, "main", {"a": str(github.new_id())})


def outcomes(report: CiReport) -> dict[str, str]:
    return {check.name: str(check.outcome) for check in report.checks}


def test_check_runs_and_statuses_are_read_and_failing_ones_come_first(
    github: GitHub, app: InstalledApp, place: Path, commit: str
) -> None:
    for name, conclusion in (("lint", "success"), ("docs", "skipped"), ("unit", "timed_out"), ("e2e", None)):
        github.check(SHOP, commit, name, conclusion)
    github.check(SHOP, commit, "superseded", "cancelled")
    github.status(SHOP, commit, "jenkins", "failure", "3 tests fail")
    github.status(SHOP, commit, "deploy", "pending")
    repository = github.repositories[SHOP]
    # Our own says whether it is approved, and nothing of whether it is good.
    set_check(github, repository, start_check(github, repository, app.app, commit, "journeyman/gate"), {})
    report = reader(github, app, place).read(commit, logs=False)
    assert outcomes(report) == {
        "jenkins": "failed",
        "unit": "failed",
        "deploy": "pending",
        "e2e": "pending",
        "docs": "passed",
        "lint": "passed",
    }
    assert report.checks[0].outcome is CiOutcome.FAILED
    assert report.checks[0].detail == "failure: 3 tests fail"
    assert report.told == f"CI fails on {commit[:12]}: jenkins, unit"


def test_a_check_that_ran_again_counts_as_it_ended_last(
    github: GitHub, app: InstalledApp, place: Path, commit: str
) -> None:
    github.check(SHOP, commit, "unit", "failure")
    github.check(SHOP, commit, "unit", "success")
    assert outcomes(reader(github, app, place).read(commit, logs=True)) == {"unit": "passed"}


def test_the_end_of_a_failing_job_s_log_is_kept_without_secrets_and_escapes(
    github: GitHub, app: InstalledApp, place: Path, commit: str
) -> None:
    secret = "ghp_" + "a1B2" * 9
    log = "beginning\n" + "x" * 300_000 + f"\n\x1b[31mFAILED\x1b[0m test_add: token {secret}\u202e\n"
    github.check(SHOP, commit, "unit", "failure", log)
    (check,) = reader(github, app, place).read(commit, logs=True).checks
    assert "FAILED test_add" in check.log
    assert len(check.log) < 5000
    for hidden in (secret, "\x1b", "\u202e", "beginning"):
        assert hidden not in check.log


def test_what_may_not_be_read_is_said_and_the_rest_is_read(github: GitHub, place: Path, commit: str) -> None:
    poor = github.install("poor", account="acme", permissions={"metadata": "read", "checks": "read"})
    github.check(SHOP, commit, "unit", "failure", "the log")
    report = reader(github, poor, place).read(commit, logs=True)
    assert outcomes(report) == {"unit": "failed"}
    assert "`statuses: read`" in report.unread and "`actions: read`" in report.unread


@pytest.mark.parametrize("trouble", [Trouble.BAD_GATEWAY, Trouble.DROPPED, Trouble.GARBAGE, Trouble.SECONDARY_LIMIT])
def test_while_github_fails_nothing_is_said_of_the_commit(
    github: GitHub, app: InstalledApp, place: Path, commit: str, trouble: Trouble
) -> None:
    """Else base would look as if no check had failed."""
    github.check(SHOP, commit, "unit", "failure")
    reading = reader(github, app, place)
    github.fault(trouble, "GET /repos/{owner}/{repo}/commits/{ref}/check-runs")
    with pytest.raises(GitHubUnavailable):
        reading.read(commit, logs=False)
    assert reading.read(commit, logs=False).failed == ("unit",)


def test_a_log_that_can_not_be_had_leaves_the_failure(
    github: GitHub, app: InstalledApp, place: Path, commit: str
) -> None:
    github.check(SHOP, commit, "unit", "failure", "the log")
    github.fault(Trouble.BAD_GATEWAY, "GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs")
    report = reader(github, app, place).read(commit, logs=True)
    assert report.failed == ("unit",) and "502" in report.unread


def test_asking_again_costs_nothing_while_nothing_changes(
    github: GitHub, app: InstalledApp, place: Path, commit: str
) -> None:
    github.check(SHOP, commit, "unit", None)
    reading = reader(github, app, place)
    first, before = reading.read(commit, logs=False), github.not_modified
    assert reading.read(commit, logs=False) == first
    assert github.not_modified == before + 2
    github.check(SHOP, commit, "unit", "failure")
    assert reading.read(commit, logs=False).failed == ("unit",)


def test_signals_of_two_checks_are_never_taken_for_one(
    github: GitHub, app: InstalledApp, place: Path, commit: str
) -> None:
    names = ["test (3.11)", "test [3.11]", "x" * 120, "x" * 121, "тест", "unit"]
    for name in names:
        github.check(SHOP, commit, name, "failure", "the log")
    report = reader(github, app, place).read(commit, logs=True)
    seen = ci_observations(report, f"{github.web}/{SHOP}")
    assert len({one.name for one in seen}) == len(names)
    assert signal_name("unit") == "ci/unit"
    assert not any(one.good for one in seen)
    assert sum("code under test wrote" in one.detail for one in seen) == 3
