"""What asking Linear can come to beside an answer."""

from datetime import timedelta


class LinearRefused(Exception):
    """Linear says no, and will again; the message is for people."""

    def __init__(self, operation: str, said: str, code: str = "") -> None:
        super().__init__(f"Linear refuses {operation}: {said}")
        self.code = code
        """As it stands in the extensions of the answer, such as `FORBIDDEN`."""


class LinearAway(ConnectionError):
    """It may work later; the message is for people."""

    def __init__(self, message: str, again_in: timedelta | None = None) -> None:
        """`again_in`: as Linear itself says."""
        super().__init__(message)
        self.again_in = again_in
