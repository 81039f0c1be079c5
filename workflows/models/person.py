"""People, compared as people whichever system they came from."""

from workflows.models.base import Model


class Person(Model):
    """Somebody who asks or decides."""

    id: str
    """Stable within this installation, such as `alice`; two accounts of one person share it."""
    account: str = ""
    """Where the person was authenticated, such as `os:1000` or `slack:U123`."""
    name: str = ""
    """For display only."""

    def is_same_person(self, other: "Person") -> bool:
        """Whether both are one human being: the comparison behind four-eyes rules."""
        return self.id == other.id
