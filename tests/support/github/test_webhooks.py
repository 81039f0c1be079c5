"""What an app is told of, that it can trust it, and that it can ask for it again."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from github import GithubException

from tests.support.github.clients import as_app, as_installation, git, installation_token
from tests.support.github.stand_in import GitHub, InstalledApp
from tests.support.github.webhooks import signature

SECRET = "a shared secret"


@dataclass
class Listener:
    """What an app's own server received, and what it answers."""

    url: str = ""
    status: int = 202
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def events(self) -> list[str]:
        return [headers["x-github-event"] for headers in self.headers]


@pytest.fixture
def listener(github: GitHub, installed: InstalledApp) -> Iterator[Listener]:
    heard = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            heard.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(heard.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        heard.url = f"http://127.0.0.1:{server.server_address[1]}/github"
        github.hook(installed, heard.url, SECRET)
        yield heard
        server.shutdown()


def test_every_event_is_signed_and_told_in_its_published_shape(
    github: GitHub, installed: InstalledApp, listener: Listener, tmp_path: Path
) -> None:
    github.person("ada", **{"acme/shop": "write"})
    issue = github.issue("acme/shop", "ada", "It breaks", labels=["bug"])
    github.comment("acme/shop", issue.number, "ada", "@journeyman fix it")
    token = installation_token(github, installed)
    assert git(tmp_path, "clone", "-q", github.clone_url("acme/shop", token), "work").returncode == 0
    assert git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "Fix").returncode == 0
    assert git(tmp_path / "work", "push", "-q", "origin", "main:agent/fix").returncode == 0
    pull = (
        as_installation(github, installed)
        .get_repo("acme/shop")
        .create_pull(base="main", head="agent/fix", title="Fix", body="")
    )
    pull.edit(title="Fix it")
    github.commit("acme/shop", "agent/fix", {"a.txt": "1\n"})
    github.review("acme/shop", pull.number, "ada")
    pull.mark_ready_for_review()
    pull.convert_to_draft()
    pull.mark_ready_for_review()
    github.workflow("acme/shop", "tests", branch="agent/fix")
    pull.edit(state="closed")
    pull.edit(state="open")
    pull.merge()
    github.wait_for_deliveries()
    told = [(one.event, one.action) for one in github.deliveries]
    assert told == [
        ("issues", "opened"),
        ("issue_comment", "created"),
        ("push", None),
        ("pull_request", "opened"),
        ("pull_request", "edited"),
        ("push", None),
        ("pull_request", "synchronize"),
        ("pull_request_review", "submitted"),
        ("pull_request", "converted_to_draft"),
        ("pull_request", "ready_for_review"),
        ("check_suite", "completed"),
        ("workflow_run", "completed"),
        ("pull_request", "closed"),
        ("pull_request", "reopened"),
        ("pull_request", "closed"),
        ("push", None),
    ]
    assert listener.events() == [event for event, _ in told]
    for headers, body in zip(listener.headers, listener.bodies, strict=True):
        assert headers["x-hub-signature-256"] == signature(SECRET, body)
        assert headers["content-type"] == "application/json"
    assert len({headers["x-github-delivery"] for headers in listener.headers}) == len(told)


def test_a_delivery_that_failed_is_listed_and_can_be_had_again(
    github: GitHub, installed: InstalledApp, listener: Listener
) -> None:
    listener.status = 503
    github.issue("acme/shop", "ada", "Lost")
    github.wait_for_deliveries()
    listener.status = 202
    github.issue("acme/shop", "ada", "Heard")
    github.wait_for_deliveries()
    with as_app(github, installed) as integration:
        ask = integration.requester.requestJsonAndCheck
        heard, lost = ask("GET", "/app/hook/deliveries")[1]
        assert (lost["status"], lost["status_code"], lost["event"]) == ("Invalid HTTP Response: 503", 503, "issues")
        assert (heard["status"], heard["redelivery"]) == ("OK", False)
        headers, page = ask("GET", "/app/hook/deliveries", parameters={"per_page": 1})
        assert page == [heard]
        _, following = ask("GET", headers["link"].partition("<")[2].partition(">")[0])
        assert following == [lost]
        assert ask("GET", "/app/hook/deliveries", parameters={"status": "failure"})[1] == [lost]
        whole = ask("GET", f"/app/hook/deliveries/{lost['id']}")[1]
        assert whole["request"]["payload"]["issue"]["title"] == "Lost"
        ask("POST", f"/app/hook/deliveries/{lost['id']}/attempts")
        github.wait_for_deliveries()
        again = ask("GET", "/app/hook/deliveries")[1][0]
    assert (again["guid"], again["redelivery"], again["status"]) == (lost["guid"], True, "OK")
    assert listener.headers[-1]["x-github-delivery"] == lost["guid"]
    assert listener.bodies[-1] == listener.bodies[0]


def test_deliveries_come_late_and_out_of_order_when_a_test_says_so(
    github: GitHub, installed: InstalledApp, listener: Listener
) -> None:
    github.hold_deliveries()
    issue = github.issue("acme/shop", "ada", "First")
    github.comment("acme/shop", issue.number, "ada", "Second")
    github.wait_for_deliveries()
    assert listener.events() == []
    github.release_deliveries(newest_first=True)
    github.wait_for_deliveries()
    assert listener.events() == ["issue_comment", "issues"]


def test_an_app_hears_of_its_own_repositories_only(github: GitHub, installed: InstalledApp, listener: Listener) -> None:
    github.repository("acme/secret")
    github.issue("acme/secret", "ada", "Not yours")
    github.wait_for_deliveries()
    assert listener.events() == []
    other = github.install("other", "acme/shop")
    github.issue("acme/shop", "ada", "Yours")
    github.wait_for_deliveries()
    with as_app(github, other) as integration:
        assert integration.requester.requestJsonAndCheck("GET", "/app/hook/deliveries")[1] == []
        path = f"/app/hook/deliveries/{github.deliveries[0].id}"
        with pytest.raises(GithubException) as refused:
            integration.requester.requestJsonAndCheck("GET", path)
    assert refused.value.status == 404


def test_a_server_that_is_not_there_is_told_of_in_the_list(github: GitHub, installed: InstalledApp) -> None:
    github.hook(installed, "http://127.0.0.1:9/github", SECRET)
    github.issue("acme/shop", "ada", "Lost")
    github.wait_for_deliveries()
    assert [one.status for one in github.deliveries] == ["failed to connect to host"]
