"""Starting the emulator with an App, an organisation and its people, and the front before it."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from github import Auth, Github
from github.Repository import Repository

from activities.agents.npm_install import npm_command
from tests.support.emulated.front import Front
from tests.support.emulated.objects import Objects
from tests.support.github.bare_repository import Author, BareRepository
from tests.support.github.published import emulator_program
from tests.support.published_packages import Unreachable
from workers.embedded.temporal_server import free_port

OWNER = "acme"
APP = {"id": 4711, "slug": "journeyman", "name": "Journeyman"}
PEOPLE = ("ada", "grace")
"""Members of the organisation; each one's token is `token-of-` and the name."""
_WEB_FLOW = "web-flow"
"""Who tells the emulator of pushes."""
_START_SECONDS = 30
_PERMISSIONS = {
    **dict.fromkeys(("checks", "contents", "issues", "pull_requests"), "write"),
    **dict.fromkeys(("actions", "administration", "members", "metadata", "statuses"), "read"),
}


@dataclass(frozen=True)
class Emulated:
    """A GitHub that is running."""

    web: str
    """Of repositories, and of the REST interface."""
    private_key: str
    front: Front

    def bare(self, name: str) -> BareRepository:
        """What git sees of a repository."""
        return self.front.repositories[name].bare

    def by(self, person: str, name: str) -> Repository:
        """A repository as a person may use it, by the real PyGithub."""
        token = Auth.Token(_token(person))
        client = Github(auth=token, base_url=self.web, retry=None, seconds_between_requests=0, seconds_between_writes=0)
        return client.get_repo(name)


@contextmanager
def emulated_github(
    folder: Path, repositories: Sequence[str], files: dict[str, str], hook: str, secret: str
) -> Iterator[Emulated]:
    """One whose App has repositories with these files, and tells `hook` of what happens; until the block ends.

    Skips the test where the emulator can't be had.
    """
    try:
        program = emulator_program()
    except Unreachable as why:
        pytest.skip(str(why))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    folder.mkdir()
    (folder / "seed.json").write_text(json.dumps(_seed(repositories, pem, hook, secret)))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        web, port = f"http://127.0.0.1:{listening.getsockname()[1]}", free_port()
        front = Front(f"http://127.0.0.1:{port}", APP)
        with _running(program, folder, port, web), _serving(front, listening):
            writer = httpx.Client(base_url=front.emulator, headers=_header(_WEB_FLOW), trust_env=False, timeout=20)
            with writer:
                for name in repositories:
                    bare = BareRepository.create(folder / f"{name}.git", "main")
                    bare.write("main", files, "Begin\n", Author("Ada", "ada@example.com"))
                    front.repositories[name] = Objects(bare, writer, name)
                    front.repositories[name].tell()
                yield Emulated(web, pem, front)


def _seed(repositories: Sequence[str], key: str, hook: str, secret: str) -> dict[str, Any]:
    people = (*PEOPLE, _WEB_FLOW)
    app = {
        "app_id": APP["id"],
        "slug": APP["slug"],
        "name": APP["name"],
        "private_key": key,
        "permissions": _PERMISSIONS,
        "events": ["*"],
        "webhook_url": hook,
        "webhook_secret": secret,
        "installations": [{"installation_id": 1, "account": OWNER}],
    }
    github = {
        "users": [{"login": person} for person in people],
        "orgs": [{"login": OWNER, "members": [{"login": person, "role": "admin"} for person in people]}],
        "repos": [
            {"owner": OWNER, "name": name.removeprefix(f"{OWNER}/"), "auto_init": False} for name in repositories
        ],
        "apps": [app],
    }
    return {"tokens": {_token(one): {"login": one, "scopes": ["repo"]} for one in people}, "github": github}


def _token(person: str) -> str:
    return f"token-of-{person}"


def _header(person: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {_token(person)}"}


@contextmanager
def _running(program: Path, folder: Path, port: int, web: str) -> Iterator[None]:
    command = (npm_command()[0], str(program), "start", "--port", str(port), "--service", "github")
    options = ("--seed", str(folder / "seed.json"), "--base-url", web)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen((*command, *options), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/meta", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def _serving(front: Front, listening: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(front, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(30)
