"""The real PyGithub and the real git, set to talk to the stand-in."""

import os
import subprocess
from pathlib import Path

from github import Auth, Github, GithubIntegration

from tests.support.github.stand_in import GitHub, InstalledApp


def as_app(github: GitHub, app: InstalledApp) -> GithubIntegration:
    """A client of what only an app itself may ask."""
    return GithubIntegration(
        auth=Auth.AppAuth(app.app.id, app.private_key), base_url=github.api, retry=None, timeout=60
    )


def installation_token(github: GitHub, app: InstalledApp) -> str:
    """A token, asked for as any app would."""
    with as_app(github, app) as integration:
        return integration.get_access_token(app.installation.id).token


def with_token(github: GitHub, token: str) -> Github:
    """A client that acts as whoever a token stands for. Nothing is tried twice, and nothing waits."""
    return Github(
        auth=Auth.Token(token),
        base_url=github.api,
        retry=None,
        timeout=60,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


def as_installation(github: GitHub, app: InstalledApp) -> Github:
    """A client that acts as an app's bot."""
    return with_token(github, installation_token(github, app))


def git(where: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A git command by Ada, as it ends."""
    named = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "credential.helper=")
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(where),
    }
    return subprocess.run(
        ("git", *named, *arguments), cwd=where, env=environment, capture_output=True, text=True, check=False
    )
