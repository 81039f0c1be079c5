"""What asking GitHub can come to beside an answer; apart from PyGithub, which takes long to load."""

from activities.repository.git import RepositoryRefused

_UNTIL_MENDED = 60.0


class GitHubRefused(RepositoryRefused):
    """GitHub says no, and will again; the message is for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class GitHubUnavailable(ConnectionError):
    """It may work later; the message is for people."""

    def __init__(self, message: str, after_seconds: float | None = None) -> None:
        """`after_seconds`: when to try again, if that is known."""
        super().__init__(message)
        self.after_seconds = after_seconds


class NotConfigured(GitHubUnavailable):
    """There is no `[github]` in journeyman.toml, or it can't be used until its owner mends it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, _UNTIL_MENDED)
