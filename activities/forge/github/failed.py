"""What asking GitHub can come to beside an answer; apart from PyGithub, which takes long to load."""


class NotConfigured(Exception):
    """There is no `[github]` in journeyman.toml, or it can't be used; the message is for people."""


class GitHubRefused(Exception):
    """GitHub says no, and will again; the message is for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class GitHubUnavailable(Exception):
    """It may work later; the message is for people."""

    def __init__(self, message: str, after_seconds: float | None = None) -> None:
        """`after_seconds`: when GitHub said to come again."""
        super().__init__(message)
        self.after_seconds = after_seconds
