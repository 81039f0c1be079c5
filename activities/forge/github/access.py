"""As whom GitHub is asked: an App's installation, whose tokens last an hour, or a token of a small team's.

A token is in this process's memory, and in the environment of a git command while it runs: in no argument, no address,
no file, and no sandbox.
"""

import asyncio
import base64
import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import github
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from github.Auth import AppAuth, AppInstallationAuth, Auth, Token
from github.Repository import Repository as GitHubRepository

from activities.egress.credentials import CredentialError, read_key
from activities.forge.github.conditional import Conditional
from activities.forge.github.errors import translated
from activities.forge.github.failed import GitHubRefused, NotConfigured
from activities.policy.github_table import GitHubTable

Answer = TypeVar("Answer")
_SECONDS = 20
"""For one request; whether to try again is Temporal's matter."""


@dataclass
class _Installed:
    """Clients of one configuration, by repository."""

    table: GitHubTable
    key: str
    clients: dict[str, github.Github] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)


class GitHubAccess:
    """Clients and credentials by repository, as the platform's file says now."""

    def __init__(self, table: Callable[[], GitHubTable | None]) -> None:
        self._table = table
        self._installed: _Installed | None = None
        self._lock = threading.Lock()
        self.known = Conditional()
        """Answers that are asked for again and again."""

    @property
    def merge_method(self) -> str:
        """How the platform's owner wants pull requests to be merged."""
        table = self._table()
        return table.merge_method if table is not None else "merge"

    def serves(self, url: str) -> bool:
        """Whether an address is that of a repository of this GitHub."""
        table = self._table()
        return table is not None and url.startswith(f"{table.web}/")

    @property
    def app_id(self) -> int | None:
        """Of the App as which GitHub is asked; None where it is a user's token."""
        table = self._table()
        return table.app_id if table is not None else None

    async def repository(self, url: str) -> GitHubRepository:
        """A client of one repository. Raises GitHubRefused, GitHubUnavailable or NotConfigured."""
        return await asyncio.to_thread(self.blocking_repository, url)

    async def ask(self, url: str, purpose: str, ask: Callable[[GitHubRepository], Answer]) -> Answer:
        """What `ask` finds out, in a thread of its own. Raises as `repository` does; `purpose` begins the message."""
        repository = await self.repository(url)

        def asked() -> Answer:
            with translated(purpose):
                return ask(repository)

        return await asyncio.to_thread(asked)

    async def git_environment(self, url: str) -> Mapping[str, str]:
        """Variables by which git may read and write a repository of this GitHub; none for any other address.

        They hold for that address alone, so that a redirect elsewhere takes no credential along. A token may have to be
        asked for first.
        """
        table = self._table()
        if table is None or not url.startswith(f"{table.web}/"):
            return {}
        token = await asyncio.to_thread(self._token, url)
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        return {
            # Away from https only what the platform's file names as this GitHub.
            "GIT_ALLOW_PROTOCOL": urlsplit(table.web).scheme,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{url}.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }

    def login(self, url: str) -> str:
        """The account as which a repository's GitHub is asked: an App's bot, or a token's user. Blocks."""
        client, _ = self._client(url)
        with self._lock:
            logins = self._installed.logins if self._installed is not None else {}
        if url not in logins:
            if self.app_id is None:
                with translated("reading whose token it is"):
                    logins[url] = client.get_user().login
            else:
                with self.app() as integration, translated("reading the App"):
                    logins[url] = f"{integration.get_app().slug}[bot]"
        return logins[url]

    @contextlib.contextmanager
    def app(self) -> Iterator[github.GithubIntegration]:
        """A client of what only the App itself may ask; NotConfigured where there is none. Blocks."""
        table = self._table()
        if table is None or table.app_id is None:
            raise NotConfigured("no App is configured: [github] in journeyman.toml has no `app_id`")
        with _integration(table, AppAuth(table.app_id, _secret(table))) as integration:
            yield integration

    def blocking_repository(self, url: str) -> GitHubRepository:
        """The same for who has a thread of his own."""
        client, name = self._client(url)
        with translated(f"opening {url}"):
            return client.get_repo(name)

    def _token(self, url: str) -> str:
        client, _ = self._client(url)
        auth = client.requester.auth
        assert auth is not None, "every client is made with a credential"
        with translated(f"getting a token for {url}"):
            return auth.token

    def _client(self, url: str) -> tuple[github.Github, str]:
        """One that is kept, with its token, for as long as the configuration stays; and the repository's name."""
        table = self._table()
        if table is None:
            raise NotConfigured("[github] is gone from journeyman.toml, and this repository is on GitHub")
        key = _secret(table)
        with self._lock:
            if self._installed is None or (self._installed.table, self._installed.key) != (table, key):
                self._installed = _Installed(table, key)
            clients = self._installed.clients
        name = url.removeprefix(f"{table.web}/")
        if url not in clients:
            with translated(f"finding the App's installation for {name}"):
                clients[url] = _connect(table, key, name)
        return clients[url], name


def _secret(table: GitHubTable) -> str:
    try:
        if table.private_key is not None:
            key = table.private_key.read_text()
            _refuse_broken(key)
            return key
        assert table.token is not None, "the table has one of the two"
        return read_key("GitHub", table.token)
    except CredentialError as error:
        raise NotConfigured(f"GitHub can't be asked: {error}") from None
    except OSError as error:
        raise NotConfigured(f"GitHub can't be asked: {table.private_key} can't be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What is wrong in it is not repeated.
        raise NotConfigured(
            f"GitHub can't be asked: {table.private_key} holds no private key as GitHub gives it (PEM, no password)"
        ) from None


@functools.lru_cache(maxsize=4)
def _refuse_broken(key: str) -> None:
    """Raises as `load_pem_private_key` does. Each request asks, and looking at a key takes longer than reading it."""
    load_pem_private_key(key.encode(), password=None)


def _connect(table: GitHubTable, key: str, name: str) -> github.Github:
    if table.app_id is None:
        return _client_of(table, Token(key))
    app = AppAuth(table.app_id, key)
    owner, _, repository = name.partition("/")
    installation = _integration(table, app).get_repo_installation(owner, repository)
    if installation.raw_data.get("suspended_at"):
        raise GitHubRefused(403, f"the GitHub App's installation for {name} is suspended")
    return _client_of(table, AppInstallationAuth(app, installation.id))


def _integration(table: GitHubTable, app: AppAuth) -> github.GithubIntegration:
    return github.GithubIntegration(
        auth=app,
        base_url=table.api_address,
        timeout=_SECONDS,
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
    )


def _client_of(table: GitHubTable, auth: Auth) -> github.Github:
    return github.Github(
        auth=auth,
        base_url=table.api_address,
        timeout=_SECONDS,
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
    )
