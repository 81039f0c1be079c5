"""The stand-in as a test holds it: what a person would do on GitHub's pages, and what there is to look at."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.github.accounts import App, Installation, Team, Token, now
from tests.support.github.bare_repository import Author, BareRepository
from tests.support.github.checks import set_check, set_status, start_check
from tests.support.github.exchanges import Exchange
from tests.support.github.faults import Connections, Fault, Faults, Trouble
from tests.support.github.following import follow
from tests.support.github.git_http import UPDATE_HOOK
from tests.support.github.issues import add_comment, assign_issue, label_issue, open_issue, set_state
from tests.support.github.merge_queue import land_next
from tests.support.github.protection import Protection
from tests.support.github.pull_requests import merge_pull
from tests.support.github.ref_change import changes
from tests.support.github.reviews import Verdict, dismiss_review, submit_review
from tests.support.github.state import CheckRun, Comment, Issue, Pull, Repository, State
from tests.support.github.workflows import finish_workflow

ALL_PERMISSIONS = {
    "actions": "read",
    "administration": "read",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "members": "read",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}
SOMEBODY = Author("Ada", "ada@example.com")


@dataclass(frozen=True)
class InstalledApp:
    """An app with its private key, as whoever configures it holds it."""

    app: App
    installation: Installation
    private_key: str
    """PEM."""


@dataclass
class GitHub(State):
    """A running stand-in. `api` is the REST API's base, `web` that of pages and of clone addresses."""

    exchanges: list[Exchange] = field(default_factory=list)
    """All that was asked of the REST API."""
    not_modified: int = 0
    """How often a caller was told that what he has is still the same."""
    faults: Faults = field(default_factory=Faults)
    connections: Connections = field(default_factory=Connections)

    def repository(
        self, full_name: str, files: Mapping[str, str] | None = None, *, private: bool = True, branch: str = "main"
    ) -> Repository:
        """A new repository with one commit on its default branch."""
        owner, name = full_name.split("/")
        git = BareRepository.create(self.folder / f"{full_name}.git", branch)
        hook = git.path / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(UPDATE_HOOK)
        hook.chmod(0o755)
        git.write(branch, files or {"README.md": f"# {name}\n"}, "Begin", SOMEBODY)
        with self.lock:
            made = Repository(
                self.new_id(), self.account(owner, "Organization"), name, git, private, default_branch=branch
            )
            self.repositories[full_name.lower()] = made
        return made

    def install(
        self, slug: str, *repositories: str, permissions: Mapping[str, str] = ALL_PERMISSIONS, account: str = ""
    ) -> InstalledApp:
        """A new app, installed on an account for some of its repositories, or for all of an account's."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form, encoding = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.PEM
        private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        owner = account or repositories[0].partition("/")[0]
        with self.lock:
            app = App(
                id=self.new_id(),
                slug=slug,
                owner=self.account(owner, "Organization"),
                bot=self.account(f"{slug}[bot]", "Bot"),
                public_key=key.public_key().public_bytes(encoding, form).decode(),
                client_id=f"Iv23li{secrets.token_hex(7)}",
                permissions=dict(permissions),
            )
            app.bot.writes = permissions.get("contents") == "write"
            self.apps[app.id] = app
            installation = self.also_install(app, *repositories, account=owner)
        return InstalledApp(app, installation, private.decode())

    def also_install(self, app: App, *repositories: str, account: str) -> Installation:
        """An app that there is, on one account more."""
        owner = self.account(account, "Organization")
        made = Installation(self.new_id(), app, owner, dict(app.permissions), set(repositories) or None)
        self.installations[made.id] = made
        return made

    def person(self, login: str, **levels: str) -> Token:
        """A person's own token. Levels are by repository, as in `person("ada", **{"acme/shop": "write"})`."""
        with self.lock:
            account = self.account(login)
            for full_name, level in levels.items():
                self.repositories[full_name.lower()].collaborators[login] = level
            token = Token(f"ghp_{secrets.token_urlsafe(27)}", account, now() + timedelta(days=30))
            self.tokens[token.value] = token
        return token

    def commit(
        self, full_name: str, branch: str, files: Mapping[str, str | None], message: str = "Change", login: str = "ada"
    ) -> str:
        """A commit that somebody pushes to a branch, made from the default branch if it is new."""
        repository = self.repositories[full_name.lower()]
        with self.lock:
            before = repository.git.refs()
            start = repository.git.branch(repository.default_branch)
            made = repository.git.write(branch, files, message, SOMEBODY, start)
            follow(self, repository, changes(before, repository.git.refs()), self.account(login))
        return made

    def fork(self, full_name: str, login: str) -> Repository:
        """A person's fork of a repository, from which pull requests can come: `head` is then `login:branch`."""
        origin = self.repositories[full_name.lower()]
        made = self.repository(f"{login}/{origin.name}", private=origin.private, branch=origin.default_branch)
        made.git.git("fetch", "--quiet", str(origin.git.path.resolve()), "+refs/heads/*:refs/heads/*")
        made.owner, made.fork = self.account(login), True
        self.forks[(login.lower(), full_name.lower())] = made
        return made

    def clone_url(self, full_name: str, token: str = "") -> str:
        """Where to clone from; with a token, it is in the address as git takes it."""
        _, _, host = self.web.partition("://")
        return f"http://x-access-token:{token}@{host}/{full_name}.git" if token else f"{self.web}/{full_name}.git"

    def fault(self, trouble: Trouble, operation: str = "", **more: Any) -> None:
        """Let something go wrong: once, unless `times` says otherwise. See Fault."""
        self.faults.coming.append(Fault(trouble, operation, **more))

    def pull(self, full_name: str, number: int) -> Pull:
        """A pull request, as it is now."""
        found = self.repositories[full_name.lower()].issues[number]
        assert isinstance(found, Pull)
        return found

    def protect(self, full_name: str, protection: Protection, branch: str = "main") -> None:
        self.repositories[full_name.lower()].protections[branch] = protection

    def review(
        self,
        full_name: str,
        number: int,
        login: str,
        verdict: Verdict = "APPROVE",
        body: str = "",
        commit: str | None = None,
        lines: Sequence[tuple[str, int, str]] = (),
    ) -> None:
        """Review a pull request as a person; its newest commit, or the one that their page showed.

        `lines`: path, line and words of comments.
        """
        with self.lock:
            repository, pull = self.repositories[full_name.lower()], self.pull(full_name, number)
            by, said = self.account(login), body or "As said in person."
            submit_review(self, repository, pull, by, verdict, said, commit, lines)

    def check(
        self,
        full_name: str,
        sha: str,
        name: str,
        conclusion: str | None = "success",
        log: str = "",
        app: str = "github-actions",
    ) -> CheckRun:
        """A check of GitHub's own actions, or of another app; without a conclusion it is still running."""
        with self.lock:
            repository = self.repositories[full_name.lower()]
            run = start_check(self, repository, self._checking(app), sha, name)
            run.log = log
            told = {"status": "in_progress"} if conclusion is None else {"conclusion": conclusion}
            set_check(self, repository, run, told)
        return run

    def status(
        self, full_name: str, sha: str, context: str, state: str, description: str = "", login: str = "ci"
    ) -> None:
        """A commit status that somebody writes."""
        with self.lock:
            repository = self.repositories[full_name.lower()]
            set_status(self, repository, self.account(login), sha, state, context, description or None)

    def workflow(
        self, full_name: str, name: str, conclusion: str = "failure", *, branch: str = "main", event: str = "push"
    ) -> None:
        """A run of a workflow has ended on the newest commit of a branch."""
        with self.lock:
            repository = self.repositories[full_name.lower()]
            finish_workflow(self, repository, self._checking("github-actions"), name, conclusion, branch, event)

    def hook(self, installed: InstalledApp, url: str, secret: str) -> None:
        """Deliver events to an app from now on."""
        installed.app.hook_url, installed.app.hook_secret = url, secret

    def comment(self, full_name: str, number: int, login: str, body: str) -> Comment:
        """Say something on an issue or a pull request."""
        with self.lock:
            repository = self.repositories[full_name.lower()]
            return add_comment(self, repository, repository.issues[number], self.account(login), body)

    def issue(self, full_name: str, login: str, title: str, body: str = "", labels: Sequence[str] = ()) -> Issue:
        with self.lock:
            return open_issue(
                self, self.repositories[full_name.lower()], self.account(login), title, body or None, labels
            )

    def label(self, full_name: str, number: int, login: str, name: str) -> None:
        """Put a label on an issue as a person."""
        with self.lock:
            repository = self.repositories[full_name.lower()]
            label_issue(self, repository, repository.issues[number], name, self.account(login))

    def assign(self, full_name: str, number: int, login: str, to: str) -> None:
        """Assign an issue to somebody as a person."""
        with self.lock:
            repository = self.repositories[full_name.lower()]
            assign_issue(self, repository, repository.issues[number], self.account(to), self.account(login))

    def dismiss(self, full_name: str, number: int, reviewer: str, login: str) -> None:
        """Dismiss the newest review of somebody's, as a person who may."""
        with self.lock:
            repository, pull = self.repositories[full_name.lower()], self.pull(full_name, number)
            review = next(one for one in reversed(pull.reviews) if one.author is self.account(reviewer))
            dismiss_review(self, repository, pull, review, self.account(login))

    def close(self, full_name: str, number: int, login: str) -> None:
        """Close an issue or a pull request as a person."""
        with self.lock:
            repository = self.repositories[full_name.lower()]
            set_state(self, repository, repository.issues[number], "closed", self.account(login))

    def merge(self, full_name: str, number: int, login: str) -> str:
        """Merge a pull request as a person, on GitHub's page."""
        with self.lock:
            repository, pull = self.repositories[full_name.lower()], self.pull(full_name, number)
            return merge_pull(self, repository, pull, self.account(login))

    def team(self, organization: str, slug: str, *logins: str) -> Team:
        made = Team(self.new_id(), self.account(organization, "Organization"), slug, dict.fromkeys(logins, "member"))
        self.teams.append(made)
        return made

    def land_next(self, full_name: str, base: str = "main") -> Pull | None:
        """Let a merge queue take its turn."""
        with self.lock:
            by = self.account("github-merge-queue[bot]", "Bot")
            return land_next(self, self.repositories[full_name.lower()], base, by)

    def _checking(self, slug: str) -> App:
        """An app that writes checks; that of GitHub's own runs workflows."""
        for app in self.apps.values():
            if app.slug == slug:
                return app
        bot = self.account(f"{slug}[bot]", "Bot")
        made = App(self.new_id(), slug, self.account("github", "Organization"), bot, "", "", {})
        self.apps[made.id] = made
        return made

    def hold_deliveries(self) -> None:
        """Deliver nothing until release_deliveries."""
        self.held = []

    def release_deliveries(self, *, newest_first: bool = False) -> None:
        with self.lock:
            held, self.held = self.held or [], None
            for delivery in reversed(held) if newest_first else held:
                self.outbox.put(delivery)

    def wait_for_deliveries(self) -> None:
        """Until everything that was queued has been tried."""
        self.outbox.join()
