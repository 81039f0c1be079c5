"""The platform's and the security owner's files, read again each time something is decided by them.

Owners edit them while tasks go on. What a task may do is fixed when its workspace is prepared, so an edit concerns the
next one. A file that is broken meanwhile decides nothing: falling back on what it said before would let its owner
believe that the new text holds.
"""

from dataclasses import dataclass
from pathlib import Path

from activities.policy.documents import PlatformPolicy, SecurityPolicy
from activities.policy.owner_signature import OwnersSignatures
from activities.policy.reading import read_platform, read_security
from workflows.models.policy import PolicyRefusal


class PolicyFileBroken(Exception):
    """A file that was valid when this process started is not any more; mending it is enough."""


@dataclass(frozen=True)
class OwnersFiles:
    """Where both files are, whether or not they exist."""

    platform_file: Path
    security_file: Path
    signatures: OwnersSignatures | None = None
    """Which asks for an owner's signature over security's file; None asks for none."""
    has_platform: bool = False
    has_security: bool = False
    """Whether each was there to begin with: one that vanishes does not take its rules along."""

    @classmethod
    def at(cls, platform_file: Path, security_file: Path, signatures: OwnersSignatures | None = None) -> "OwnersFiles":
        """The files as they are now."""
        return cls(platform_file, security_file, signatures, platform_file.exists(), security_file.exists())

    def platform(self) -> PlatformPolicy:
        """The platform's file as it is now. Raises PolicyFileBroken, which names the file and the key."""
        self._refuse_vanished(self.platform_file, had=self.has_platform)
        try:
            return read_platform(self.platform_file)
        except PolicyRefusal as refusal:
            raise PolicyFileBroken(f"{refusal} (nothing has to be restarted once that is mended)") from refusal

    def security(self) -> SecurityPolicy:
        """The security owner's file as it is now. Raises PolicyFileBroken, which names the file and the key."""
        self._refuse_vanished(self.security_file, had=self.has_security)
        try:
            if self.signatures is None:
                return read_security(self.security_file)
            self.signatures.refuse_missing(self.security_file)
            return read_security(self.security_file, self.signatures.refuse_unsigned)
        except PolicyRefusal as refusal:
            raise PolicyFileBroken(f"{refusal} (nothing has to be restarted once that is mended)") from refusal

    def _refuse_vanished(self, file: Path, *, had: bool) -> None:
        if had and not file.exists():
            raise PolicyFileBroken(
                f"{file} was there when this process started and is gone: put it back, or start again without it"
            )
