"""`journeyman github check`: each thing that is missing on GitHub is named with how to mend it, and nothing else is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.github.conforming import conforming_github
from tests.support.github.faults import Trouble
from tests.support.github.protection import Protection
from tests.support.github.pull_requests import open_pull
from tests.support.github.stand_in import ALL_PERMISSIONS, GitHub, InstalledApp
from tests.workers.terminal import typed
from workers.embedded.temporal_server import free_port
from workers.github_check import examine_github
from workers.settings import Settings
from workflows.models.policy import PolicyRefusal

SHOP = "acme/shop"
GRANTED = {name: level for name, level in ALL_PERMISSIONS.items() if name not in {"issues", "members"}}


@pytest.fixture(scope="module")
def github(place: Path) -> Iterator[GitHub]:
    with conforming_github(place / "github") as server:
        yield server


@pytest.fixture(scope="module")
def app(github: GitHub) -> InstalledApp:
    made = github.install("journeyman", account="acme", permissions=GRANTED)
    github.hook(made, "http://127.0.0.1:9/github", "secret")
    return made


@pytest.fixture(scope="module")
def reverter(github: GitHub) -> InstalledApp:
    return github.install("journeyman-reverts", account="acme", permissions=GRANTED)


def table(
    state: Path,
    github: GitHub,
    app: InstalledApp,
    reverter: InstalledApp | None = None,
    hooks: str = "",
    reviewer: InstalledApp | None = None,
) -> None:
    """`hooks`: more of the table `[github.webhooks]`; left out, there is none."""
    (state / "app.pem").touch(0o600)
    (state / "app.pem").write_text(app.private_key)
    lines = [f'web = "{github.web}"', f"app_id = {app.app.id}", f'private_key = "{state / "app.pem"}"']
    if reverter is not None:
        (state / "reverts.pem").touch(0o600)
        (state / "reverts.pem").write_text(reverter.private_key)
        lines += ["[github.reverts]", f"app_id = {reverter.app.id}", f'private_key = "{state / "reverts.pem"}"']
    if reviewer is not None:
        (state / "reviews.pem").touch(0o600)
        (state / "reviews.pem").write_text(reviewer.private_key)
        lines += ["[github.reviews]", f"app_id = {reviewer.app.id}", f'private_key = "{state / "reviews.pem"}"']
    if hooks:
        lines += ["[github.webhooks]", 'address = "127.0.0.1:9"', f'secrets = ["{state / "secret"}"]', hooks]
    (state / "journeyman.toml").write_text("\n".join(["[github]", *lines]) + "\n")


def test_an_app_that_reviews_has_to_be_another_and_may_write(state: Path, github: GitHub, app: InstalledApp) -> None:
    github.repository("acme/reviews", {"a": "b"})
    readers = {"pull_requests": "write", "metadata": "read"}
    reader = github.install("journeyman-reads", account="acme", permissions=readers)
    writer = github.install("journeyman-writes", account="acme", permissions={**readers, "contents": "write"})
    for reviewer, wrong in ((reader, "lacks contents: write"), (writer, "")):
        table(state, github, app, reviewer=reviewer)
        assert wrong in missing(state, "github:acme/reviews").get("reviews", "")
        assert ("reviews" in missing(state, "github:acme/reviews")) is bool(wrong)
    table(state, github, app, reviewer=app)
    with pytest.raises(PolicyRefusal, match="has to be another App"):
        examine_github(Settings(state=state), "")


def missing(state: Path, repository: str = "") -> dict[str, str]:
    """What is wrong, by name, each with how it is mended."""
    found = examine_github(Settings(state=state), repository)
    assert all(bool(one.mend) != one.ok for one in found)
    return {one.name: f"{one.detail} | {one.mend}" for one in found if not one.ok}


def good(app: InstalledApp, reverter: InstalledApp) -> Protection:
    return Protection(
        checks={"journeyman/gate": app.app.id}, strict=True, ruleset=True, bypass={reverter.app.slug}, approvals=1
    )


async def test_a_repository_that_has_everything_is_told_so(
    state: Path, github: GitHub, app: InstalledApp, reverter: InstalledApp
) -> None:
    table(state, github, app, reverter)
    github.repository("acme/complete")
    github.protect("acme/complete", good(app, reverter))
    told = await typed(state, "github", "check", "--repo", "github:acme/complete")
    assert told.code == 0, told.out + told.error
    assert "missing" not in told.out
    assert "main requires journeyman/gate of this App" in " ".join(told.out.split())
    assert "not known before Journeyman has opened a pull request" in " ".join(told.out.split())


def test_a_base_that_nothing_protects_is_told_what_to_require(state: Path, github: GitHub, app: InstalledApp) -> None:
    table(state, github, app)
    github.repository(SHOP)
    wrong = missing(state, f"github:{SHOP}")
    assert set(wrong) == {"gate", "up to date"}
    assert "main does not require journeyman/gate, so people may merge there" in wrong["gate"]
    assert f"{github.web}/{SHOP}/settings/rules" in wrong["gate"]


def test_a_gate_that_anybody_could_write_is_no_gate(
    state: Path, github: GitHub, app: InstalledApp, reverter: InstalledApp
) -> None:
    table(state, github, app, reverter)
    for name, writer, words in (
        ("acme/unbound", None, "from anybody who may write checks"),
        ("acme/another", reverter.app.id, f"from App {reverter.app.id}, and this one is {app.app.id}"),
    ):
        github.repository(name)
        rules = good(app, reverter)
        rules.checks = {"journeyman/gate": writer}
        github.protect(name, rules)
        wrong = missing(state, f"github:{name}")
        assert set(wrong) == {"gate"} and words in wrong["gate"]


@pytest.mark.parametrize("ruleset", [True, False], ids=["ruleset", "branch protection"])
def test_a_base_that_takes_no_reverts_is_told_with_what_it_costs(
    state: Path, github: GitHub, app: InstalledApp, reverter: InstalledApp, ruleset: bool
) -> None:
    table(state, github, app, reverter)
    name = f"acme/closed-{ruleset}".lower()
    github.repository(name)
    rules = good(app, reverter)
    rules.bypass, rules.ruleset = set(), ruleset
    github.protect(name, rules)
    wrong = missing(state, f"github:{name}")
    assert set(wrong) == {"reverts"}
    assert "journeyman-reverts may not push onto main past" in wrong["reverts"]
    assert "nothing there gets into phase 3" in wrong["reverts"]


def test_who_does_all_the_work_should_not_pass_what_protects_base(
    state: Path, github: GitHub, app: InstalledApp, reverter: InstalledApp
) -> None:
    github.repository("acme/open")
    rules = good(app, reverter)
    rules.bypass = {app.app.slug, reverter.app.slug}
    github.protect("acme/open", rules)
    table(state, github, app, reverter)
    assert "may pass what protects base" in missing(state, "github:acme/open")["bypass"]
    table(state, github, app)
    assert "[github.reverts]" in missing(state, "github:acme/open")["bypass"]


def test_ci_that_does_not_run_on_what_is_pushed_is_noticed(
    state: Path, github: GitHub, app: InstalledApp, reverter: InstalledApp
) -> None:
    table(state, github, app, reverter)
    github.repository("acme/silent")
    github.protect("acme/silent", good(app, reverter))
    head = github.commit("acme/silent", "journeyman/t1", {"a": "b"})
    silent = github.repositories["acme/silent"]
    open_pull(github, silent, app.app.bot, head="journeyman/t1", base="main", title="Mend", body=None, draft=False)
    assert "no App checked what Journeyman pushed" in missing(state, "github:acme/silent")["CI on pushes"]
    github.check("acme/silent", head, "tests")
    assert missing(state, "github:acme/silent") == {}


def test_an_app_that_lacks_permissions_or_its_webhook_is_told_each_of_them(state: Path, github: GitHub) -> None:
    poor = github.install("poor", account="corp", permissions={"contents": "read", "metadata": "read"})
    github.repository("corp/shop")
    table(state, github, poor)
    wrong = missing(state, "github:corp/shop")
    assert "lacks contents: write, pull_requests: write, checks: write" in wrong["permissions"]
    assert f"installations/{poor.installation.id}" in wrong["permissions"]
    assert "webhook" not in wrong, "who does without finds nothing missing"
    table(state, github, poor, hooks="label = 'mend'")
    wrong = missing(state, "github:corp/shop")
    assert "issues: write" in wrong["permissions"] and "no webhook" in wrong["webhook"]
    assert f"{github.web}/organizations/corp/settings/apps/poor " in wrong["webhook"]
    assert {"statuses: read", "actions: read", "administration: read"} < set(wrong)


def test_what_can_not_be_asked_is_told_and_the_rest_is_looked_at(
    state: Path, github: GitHub, app: InstalledApp
) -> None:
    table(state, github, app)
    github.repository("acme/half")
    github.fault(Trouble.BAD_GATEWAY, "GET /repos/{owner}/{repo}/pulls")
    wrong = missing(state, "github:acme/half")
    assert "GitHub failed with status 502" in wrong["CI on pushes"]
    assert "gate" in wrong and "reverts" not in wrong
    elsewhere = missing(state, "github:other/thing")
    assert "is the App installed there?" in elsewhere["repository"]


async def test_nothing_and_nonsense_are_told_in_words(state: Path, github: GitHub, app: InstalledApp) -> None:
    (state / "journeyman.toml").write_text("")
    assert "write [github]" in (missing(state))["GitHub"]
    table(state, github, app)
    assert missing(state) == {}
    told = await typed(state, "github", "check", "--repo", "github:acme/none", "--json")
    assert told.code == 1
    assert [(one["name"], one["ok"]) for one in json.loads(told.out)][-1] == ("repository", False)
    refused = await typed(state, "github", "check", "--repo", "https://gitlab.example/acme/shop")
    assert (refused.code, "give github:OWNER/NAME" in refused.error) == (2, True)


def test_a_webhook_of_which_nothing_arrives_is_told_with_what_to_look_at(state: Path, github: GitHub) -> None:
    granted = GRANTED | {"issues": "write"}
    told = github.install("told", account="org", permissions=granted)
    port = free_port()
    github.hook(told, f"http://127.0.0.1:{port}/github", "secret")
    github.repository("org/shop")
    table(state, github, told, hooks='teams = ["org/menders"]\nmend_base = true')
    wrong = missing(state)
    assert "lacks members: read" in wrong["App"]
    assert "does not end in /webhooks/github" in wrong["webhook"]
    assert set(wrong) == {"App", "webhook"}
    told.app.permissions["members"] = "read"
    github.hook(told, f"http://127.0.0.1:{port}/webhooks/github", "secret")
    assert missing(state) == {}
    github.issue("org/shop", "ada", "It breaks")
    github.wait_for_deliveries()
    assert "is the gateway running" in missing(state)["deliveries"]
    delivery = github.deliveries[-1]
    delivery.status, delivery.status_code = "Invalid HTTP Response: 401", 401
    assert "Secret: write there" in missing(state)["deliveries"]
    delivery.status, delivery.status_code = "OK", 202
    assert missing(state) == {}
    with github.lock:
        github.also_install(told.app, account="stranger")
    assert "stranger has the App, too" in missing(state)["installations"]


def test_a_credential_that_does_not_count_is_not_mended_by_installing_the_app(
    state: Path, github: GitHub, app: InstalledApp
) -> None:
    table(state, github, app)
    other = github.install("other", account="acme", permissions=GRANTED)
    (state / "app.pem").write_text(other.private_key)
    wrong = missing(state, f"github:{SHOP}")
    assert "app_id and private_key" in wrong["App"]
    assert "whether it was revoked | as the line says" in wrong["repository"]
    (state / "app.pem").chmod(0o644)
    assert f"chmod o= {state / 'app.pem'}" in missing(state)["credential"]
    (state / "token").write_text("ghp_nobody")
    (state / "journeyman.toml").write_text(
        f'[github]\nweb = "{github.web}"\ntoken = {{ file = "{state / "token"}" }}\n'
    )
    assert "install the App" not in missing(state, f"github:{SHOP}")["repository"]
