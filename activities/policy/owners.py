"""The platform's and the security owner's files, read again each time something is decided by them.

Owners edit them while tasks go on. What a task may do is fixed when its workspace is prepared, so an edit concerns the
next one. A file that is broken meanwhile decides nothing: falling back on what it said before would let its owner
believe that the new text holds.
"""

from dataclasses import dataclass
from pathlib import Path

from activities.policy.documents import PlatformPolicy, SecurityPolicy
from activities.policy.reading import read_platform, read_security
from workflows.models.policy import PolicyRefusal


class PolicyFileBroken(Exception):
    """A file that was valid when this process started is not any more; mending it is enough."""


@dataclass(frozen=True)
class OwnersFiles:
    """Where both files are, whether or not they exist."""

    platform_file: Path
    security_file: Path

    def platform(self) -> PlatformPolicy:
        """The platform's file as it is now. Raises PolicyFileBroken, which names the file and the key."""
        try:
            return read_platform(self.platform_file)
        except PolicyRefusal as refusal:
            raise PolicyFileBroken(f"{refusal} (nothing has to be restarted once that is mended)") from refusal

    def security(self) -> SecurityPolicy:
        """The security owner's file as it is now. Raises PolicyFileBroken, which names the file and the key."""
        try:
            return read_security(self.security_file)
        except PolicyRefusal as refusal:
            raise PolicyFileBroken(f"{refusal} (nothing has to be restarted once that is mended)") from refusal
